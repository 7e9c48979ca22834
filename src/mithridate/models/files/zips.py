"""The index of a zip as it lies there: both directories, what they disagree about, and what neither covers.

Loaders of models read zips in their own ways (some by the central directory, some ignore flags and checksums), so a
reader that refuses what one of them accepts is blind to it. This one refuses nothing it can follow; judgement is for
the checks. Format: PKWARE APPNOTE 6.3.10.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

__all__ = ["BrokenZipError", "Gap", "ZipEntry", "ZipIndex", "read_zip"]

_LOCAL, _CENTRAL, _END, _END64, _LOCATOR = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
_DESCRIPTOR = b"PK\7\x08"
_LOCAL_FORM = struct.Struct("<4xHHHHHIIIHH")
_CENTRAL_FORM = struct.Struct("<4xHHHHHHIIIHHHHHII")
_END_FORM = struct.Struct("<4xHHHHIIH")
_END64_FORM = struct.Struct("<4xQHHIIQQQQ")
_FULL = 0xFFFFFFFF
_MOST_COMMENT = 65_535
_NEAR = 16 << 20


class BrokenZipError(Exception):
    """There is no directory that can be followed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipEntry:
    """A member, as the central directory has it, and beside it as its own header has it.

    Attributes:
        name: as in the directory.
        method: 0 stored, 8 deflated.
        flags: bit 0 encrypted, bit 3 sizes follow the data.
        crc: checksum of the unpacked bytes.
        packed: bytes in the archive.
        size: bytes once unpacked.
        header: where its own header begins.
        data: where its bytes begin; None when there is no header at that place.
        local: name, method, flags, crc, packed, size as its own header says; None when there is none.
        hidden: it is in no directory.
        link: it is a symbolic link.
    """

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    header: int
    data: int | None = None
    local: tuple[str, int, int, int, int, int] | None = None
    hidden: bool = False
    link: bool = False

    @property
    def stop(self) -> int:
        """The byte after its data."""
        return (self.header if self.data is None else self.data) + self.packed


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that belong to no member: before the first, between two, or behind the end."""

    where: str
    start: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipIndex:
    """A zip.

    Attributes:
        entries: in the order of the directory; hidden ones last.
        declared: how many the end record declares.
        gaps: bytes that belong to no member.
        overlaps: names of members that share bytes with one before.
        directories: how many directories could be followed; readers may take different ones.
        truncated: the directory is missing; entries were found by their own headers.
        more: there are more entries than the limit.
    """

    entries: tuple[ZipEntry, ...]
    declared: int
    gaps: tuple[Gap, ...] = ()
    overlaps: tuple[str, ...] = ()
    directories: int = 1
    truncated: bool = False
    more: bool = False


def read_zip(stream: BinaryIO, size: int, *, members: int = 100_000, directory: int = 64 << 20) -> ZipIndex:
    """Read the index of a zip.

    Args:
        stream: seekable.
        size: of the stream.
        members: entries that are read.
        directory: bytes of directory that are read.

    Raises:
        BrokenZipError: neither a directory nor an entry can be followed.
    """
    tail_at = max(size - 22 - _MOST_COMMENT, 0)
    tail = _at(stream, tail_at, 22 + _MOST_COMMENT)
    found = _directories(stream, size, tail, tail_at)
    if not found:
        return _without_directory(stream, size, members)
    end, start, length, shift, declared = found[0]
    if length > directory:
        raise BrokenZipError(f"a directory of {length:,} bytes, more than the {directory:,} that are read")
    listed = _central(_at(stream, start, length), shift, members + 1)
    entries = [_with_local(stream, entry) for entry in listed[:members]]
    stop = end + 22 + _comment(tail, end - tail_at)
    gaps, overlaps = _layout(stream, entries, start, stop, size)
    if len(listed) > members:
        gaps = ()  # what lies between belongs to members that were not read
    others = [e for e, *_ in found if not any(m.data is not None and m.data <= e < m.stop for m in entries)]
    hidden: list[ZipEntry] = []
    for gap in gaps:
        hidden += _hidden(stream, gap, members - len(entries) - len(hidden))
    return ZipIndex(
        entries=(*entries, *hidden), declared=declared, gaps=gaps, overlaps=overlaps,
        directories=len(others), more=len(listed) > members,
    )  # fmt: skip


def _at(stream: BinaryIO, offset: int, count: int) -> bytes:
    stream.seek(offset)
    return stream.read(count)


def _comment(tail: bytes, at: int) -> int:
    """Length of the comment behind an end record, as far as it is there."""
    declared = int(_END_FORM.unpack_from(tail, at)[6])
    return min(declared, len(tail) - at - 22)


def _directories(
    stream: BinaryIO, size: int, tail: bytes, tail_at: int
) -> list[tuple[int, int, int, int, int]]:
    """(place of the end record, directory, its length, shift of offsets, entries declared); the last one first."""
    found: list[tuple[int, int, int, int, int]] = []
    at = len(tail) + 1
    while len(found) < 8:
        at = tail.rfind(_END, 0, at + 3) if at <= len(tail) else tail.rfind(_END)
        if at < 0:
            return found
        if at + 22 <= len(tail):
            found.extend(_followed(stream, tail, at, tail_at, {start for _, start, *_ in found}))
    return found


def _followed(
    stream: BinaryIO, tail: bytes, at: int, tail_at: int, known: set[int]
) -> list[tuple[int, int, int, int, int]]:
    """The directories that an end record may mean: right before it (zipfile), or where it says (others)."""
    _, _, _, declared, length, offset, _ = _END_FORM.unpack_from(tail, at)
    end = tail_at + at
    before = end
    locator = _at(stream, end - 20, 20) if end >= 20 else b""
    if locator[:4] == _LOCATOR and (_FULL in (length, offset) or declared == 0xFFFF):
        for place in (end - 76, struct.unpack_from("<8xQ", locator)[0]):
            record = _at(stream, place, 56) if 0 <= place < end else b""
            if record[:4] == _END64 and len(record) == 56:
                declared, length, offset = _END64_FORM.unpack(record)[6:9]
                before = place
                break
    places = []
    for start in dict.fromkeys((before - length, offset)):
        starts_well = length == 0 or (start >= 0 and _at(stream, start, 4) == _CENTRAL)
        if 0 <= start <= end and starts_well and start not in known:
            known.add(start)
            places.append((end, start, length, before - length - offset if start != offset else 0, declared))
    return places


def _central(directory: bytes, shift: int, most: int) -> list[ZipEntry]:
    entries: list[ZipEntry] = []
    at = 0
    while len(entries) < most and directory[at : at + 4] == _CENTRAL and at + 46 <= len(directory):
        parts = _CENTRAL_FORM.unpack_from(directory, at)
        flags, method, crc, packed, size = parts[2], parts[3], parts[6], parts[7], parts[8]
        name_length, extra_length, comment_length, attributes, header = *parts[9:12], parts[14], parts[15]
        raw = directory[at + 46 : at + 46 + name_length]
        extra = directory[at + 46 + name_length : at + 46 + name_length + extra_length]
        size, packed, header = _wide(extra, size, packed, header)
        entries.append(ZipEntry(
            name=_text(raw, flags), method=method, flags=flags, crc=crc, packed=packed, size=size,
            header=header + shift, link=(attributes >> 28) == 0xA,
        ))  # fmt: skip
        at += 46 + name_length + extra_length + comment_length
    return entries


def _text(raw: bytes, flags: int) -> str:
    return raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and place from the 64-bit extra field, where the short ones are full."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + length]
            values = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
            size = next(values, size) if size == _FULL else size
            packed = next(values, packed) if packed == _FULL else packed
            header = next(values, header) if header == _FULL else header
            break
        at += 4 + length
    return size, packed, header


def _local(stream: BinaryIO, at: int) -> tuple[tuple[str, int, int, int, int, int], int] | None:
    """What a member's own header says, and where its data begin."""
    head = _at(stream, at, 30) if at >= 0 else b""
    if len(head) < 30 or head[:4] != _LOCAL:
        return None
    _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL_FORM.unpack(head)
    rest = stream.read(name_length + extra_length)
    size, packed, _ = _wide(rest[name_length:], size, packed, 0)
    said = (_text(rest[:name_length], flags), method, flags, crc, packed, size)
    return said, at + 30 + name_length + extra_length


def _with_local(stream: BinaryIO, entry: ZipEntry) -> ZipEntry:
    local = _local(stream, entry.header)
    return entry if local is None else replace(entry, local=local[0], data=local[1])


def _layout(
    stream: BinaryIO, entries: list[ZipEntry], directory: int, stop: int, size: int
) -> tuple[tuple[Gap, ...], tuple[str, ...]]:
    """Bytes of no member, and members that lie upon each other."""
    gaps: list[Gap] = []
    overlaps: list[str] = []
    at = 0
    for entry in sorted(entries, key=lambda e: e.header):
        if entry.header < at:
            overlaps.append(entry.name)
        elif entry.header > at:
            gaps.append(Gap("before" if at == 0 else "between", at, entry.header - at))
        at = max(at, entry.stop + (_descriptor(stream, entry) if entry.flags & 8 else 0))
    if directory > at:
        gaps.append(Gap("between" if at else "before", at, directory - at))
    if stop < size:
        gaps.append(Gap("behind", stop, size - stop))
    return tuple(gaps), tuple(overlaps)


def _descriptor(stream: BinaryIO, entry: ZipEntry) -> int:
    """Length of the record behind a member's data that repeats its checksum and sizes."""
    found = _at(stream, entry.stop, 24)
    start = 4 if found[:4] == _DESCRIPTOR else 0
    for form, length in (("<IQQ", 20), ("<III", 12)):
        if len(found) >= start + length:
            _, packed, size = struct.unpack_from(form, found, start)
            if (packed, size) == (entry.packed, entry.size):
                return start + length
    return 0


def _hidden(stream: BinaryIO, gap: Gap, most: int) -> list[ZipEntry]:
    """Members in a gap: they have a header of their own and are in no directory."""
    entries: list[ZipEntry] = []
    at, stop = gap.start, gap.start + gap.size
    while at < stop and len(entries) < most:
        found = _local(stream, at)
        if found is None:
            return entries
        (name, method, flags, crc, packed, size), data = found
        if packed > stop - data or (flags & 8 and not packed):  # its size follows the data, or lies
            packed = _next_header(stream, data, stop) - data
        entries.append(ZipEntry(
            name=name, method=method, flags=flags, crc=crc, packed=packed, size=size, header=at, data=data,
            local=found[0], hidden=True,
        ))  # fmt: skip
        at = entries[-1].stop
    return entries


def _next_header(stream: BinaryIO, start: int, stop: int) -> int:
    """Where the next thing of a zip begins; `stop` when it is not near."""
    near = _at(stream, start, min(stop - start, _NEAR))
    places = [at for sign in (_DESCRIPTOR, _LOCAL, _CENTRAL) if (at := near.find(sign)) >= 0]
    return start + min(places) if places else stop


def _without_directory(stream: BinaryIO, size: int, members: int) -> ZipIndex:
    entries = _hidden(stream, Gap("before", 0, size), members)
    if not entries:
        raise BrokenZipError("neither a directory nor a member can be found")
    return ZipIndex(
        entries=tuple(entries), declared=0, directories=0, truncated=True, more=len(entries) >= members
    )
