"""The members of a tar, read header by header; what is odd about them is left to the checks.

Format: POSIX.1-2001 (ustar, pax) and GNU long names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["BrokenTarError", "TarEntry", "is_tar", "read_tar"]

_BLOCK = 512
#: A long name or a pax header longer than this is no name.
_MOST_HEADER = 1 << 20


class BrokenTarError(Exception):
    """The headers cannot be followed further."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TarEntry:
    """A member: its name, its type ("file", "folder", "link" or "special"), where its bytes lie."""

    name: str
    type: str
    data: int
    size: int
    target: str = ""


def is_tar(head: bytes) -> bool:
    """Whether a file begins with a tar header, by its checksum."""
    if len(head) < _BLOCK or not head[0]:
        return False
    try:
        declared = int(head[148:156].strip(b" \0") or b"-", 8)
    except ValueError:
        return False
    return declared == sum(head[:148]) + 8 * 32 + sum(head[156:_BLOCK])


def read_tar(stream: BinaryIO, size: int) -> Iterator[TarEntry]:
    """The members, in order.

    Args:
        stream: seekable; others may move it between members.
        size: of the stream.

    Raises:
        BrokenTarError: a header makes no sense or the file ends early.
    """
    at, long_name, long_size = 0, "", None
    while True:
        stream.seek(at)
        head = stream.read(_BLOCK)
        if not head.strip(b"\0"):
            if len(head) < _BLOCK and at < size:
                raise BrokenTarError("it is cut off")
            return
        if not is_tar(head):
            raise BrokenTarError(f"no header at byte {at:,}")
        length, kind = _number(head[124:136]), head[156:157]
        data = at + _BLOCK
        if length < 0 or length > size - data:
            raise BrokenTarError(f"a member at byte {at:,} is longer than the file")
        at = data + -(-length // _BLOCK) * _BLOCK
        if kind in b"LKxgX":
            if length > _MOST_HEADER:
                raise BrokenTarError(f"a header of {length:,} bytes at byte {at:,}")
            body = stream.read(length)
            if kind == b"L":
                long_name = _text(body)
            elif kind in b"xX":
                pairs = _pax(body)
                long_name = pairs.get("path", long_name)
                long_size = int(pairs["size"]) if pairs.get("size", "").isdecimal() else None
            continue
        entry = _entry(head, kind, data, length if long_size is None else long_size, long_name)
        if entry.size != length:
            if entry.size > size - data:
                raise BrokenTarError(f"the member {entry.name!r} is longer than the file")
            at = data + -(-entry.size // _BLOCK) * _BLOCK
        long_name, long_size = "", None
        yield entry


def _entry(head: bytes, kind: bytes, data: int, length: int, long_name: str) -> TarEntry:
    prefix = _text(head[345:500]) if head[257:262] == b"ustar" and head[262:264] != b" \0" else ""
    name = long_name or "/".join(part for part in (prefix, _text(head[:100])) if part)
    types = {b"0": "file", b"\0": "file", b"7": "file", b"1": "link", b"2": "link", b"5": "folder"}
    type_ = types.get(kind, "special")
    if type_ == "file" and name.endswith("/"):
        type_ = "folder"
    return TarEntry(name=name, type=type_, data=data, size=length, target=_text(head[157:257]))


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _number(raw: bytes) -> int:
    if raw[0] & 0x80:  # GNU: binary
        return int.from_bytes(raw[1:], "big")
    try:
        return int(raw.strip(b" \0") or b"0", 8)
    except ValueError:
        return -1


def _pax(body: bytes) -> dict[str, str]:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(body):
        length, space, _ = body[at : at + 20].partition(b" ")
        if not space or not length.isdigit() or int(length) <= len(length) + 1:
            break
        key, _, value = body[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
        pairs[_text(key)] = value.decode("utf-8", "replace")
        at += int(length)
    return pairs
