"""Bytes that stand inside texts and bytes: as they are, in hexadecimal, in base 64, 32 or 85."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterator

__all__ = ["decodings"]

_LEAST, _MOST = 12, 16 << 20
_RUNS = 64
_HEX = re.compile(rb"(?:\\x|0x)?[0-9a-fA-F]{2}(?:[\s,:]*(?:\\x|0x)?[0-9a-fA-F]{2})+\s*\Z")
_HEX_RUN = re.compile(rb"(?:[0-9a-fA-F]{2}){12,}|(?:\\x[0-9a-fA-F]{2}){12,}")
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\s-]+={0,2}\s*\Z")
_BASE32 = re.compile(rb"(?:[A-Z2-7\s]+|[a-z2-7\s]+)={0,6}\s*\Z")
_BASE85 = re.compile(rb"(?:<~)?[!-~]+(?:~>)?\Z")
_PLAIN = re.compile(rb"[\t\n\r -~]*\Z")


def decodings(value: str | bytes) -> Iterator[tuple[str, bytes]]:
    """What a text or bytes may stand for: (encoding, bytes), the bytes themselves first.

    Args:
        value: at most 16 MiB of it are looked at.
    """
    if len(value) < _LEAST:
        return
    raw = value[:_MOST].encode("utf-8", "surrogatepass") if isinstance(value, str) else value[:_MOST]
    if isinstance(value, str) and not value.isascii():
        with contextlib.suppress(UnicodeEncodeError):
            yield "text", value[:_MOST].encode("latin-1")
    else:
        yield ("text" if isinstance(value, str) else "bytes"), raw
    if not _PLAIN.match(raw):
        return
    yield from _whole(raw)
    for run in [*_HEX_RUN.finditer(raw)][:_RUNS]:
        if len(run.group()) < len(raw):
            yield from _from_hex(run.group())
    for run in [*_BASE64_RUN.finditer(raw)][:_RUNS]:
        if len(run.group()) < len(raw) and len(run.group()) >= 2 * _LEAST:
            yield from _from_base64(run.group())


def _whole(raw: bytes) -> Iterator[tuple[str, bytes]]:
    if _HEX.match(raw):
        yield from _from_hex(raw)
    if _BASE64.match(raw):
        yield from _from_base64(raw)
    if _BASE32.match(raw):
        yield from _tried("base 32", lambda: base64.b32decode(re.sub(rb"\s", b"", raw), casefold=True))
    if _BASE85.match(raw) and b" " not in raw:
        yield from _tried("base 85", lambda: base64.b85decode(raw))
        adobe = raw.startswith(b"<~")
        yield from _tried("ASCII 85", lambda: base64.a85decode(raw, adobe=adobe))


def _from_hex(raw: bytes) -> Iterator[tuple[str, bytes]]:
    digits = re.sub(rb"\\x|0x|[\s,:]", b"", raw)
    if len(digits) % 2 == 0:
        yield from _tried("hexadecimal", lambda: binascii.unhexlify(digits))


def _from_base64(raw: bytes) -> Iterator[tuple[str, bytes]]:
    digits = re.sub(rb"[\s=]", b"", raw).replace(b"-", b"+").replace(b"_", b"/")
    if len(digits) % 4 != 1:
        yield from _tried("base 64", lambda: binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)))


def _tried(how: str, decode: Callable[[], bytes]) -> Iterator[tuple[str, bytes]]:
    try:
        content = decode()
    except (ValueError, binascii.Error, OverflowError):
        return
    if len(content) >= _LEAST:
        yield how, content
