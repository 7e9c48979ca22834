"""Bytes that stand inside texts and bytes: as they are, in hexadecimal, in base 64, 32 or 85."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterator

__all__ = ["decodings"]

_LEAST, _MOST = 12, 16 << 20
_HEX = re.compile(rb"(?:\\x|0x)?[0-9a-fA-F]{2}(?:[\s,:]*(?:\\x|0x)?[0-9a-fA-F]{2})+\Z")
_HEX_ESCAPES = re.compile(rb"(?:\\x[0-9a-fA-F]{2}){16,}")
#: Digits in base 85 that are decoded, which is slow: a pickle stands at the beginning.
_MOST_BASE85 = 200_000
_LEAST_RUN = 28
#: How a pickle (0x80, or an operation that pickles without a header begin with) or packed bytes (gzip, zlib, bzip2,
#: xz, zip) look in an encoding; of the words inside a longer text only such are decoded.
_HEX_STARTS = (
    b"80", b"63", b"28", b"8c", b"8C", b"58", b"55", b"1f8b", b"1F8B", b"78", b"425a", b"425A", b"fd37", b"504b"
)  # fmt: skip
_BASE64_STARTS = re.compile(rb"gA|H4sI|e[FJN]|Qlpo|/Td6|UEsD|XQAA|Y[w-z0-9+/]|K[A-P]|j[A-P]|W[A-P]|V[Q-Za-f]")
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_BASE64_DIGITS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\s-]+={0,2}\Z")
_BASE32 = re.compile(rb"(?:[A-Z2-7\s]+|[a-z2-7\s]+)={0,6}\Z")
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
    for word in _words(raw, _HEX_ONLY):
        if word.startswith(_HEX_STARTS):
            yield from _from_hex(word[: len(word) // 2 * 2])
    for run in _HEX_ESCAPES.finditer(raw) if b"\\x" in raw else ():
        yield from _from_hex(run.group())
    for word in _words(raw, _BASE64_ONLY):
        if _BASE64_STARTS.match(word):
            yield from _from_base64(word)


def _only(kept: frozenset[int]) -> bytes:
    """A table that turns every other byte into a space."""
    return bytes(byte if byte in kept else 32 for byte in range(256))


_HEX_ONLY, _BASE64_ONLY = _only(_HEX_DIGITS), _only(_BASE64_DIGITS)


def _words(raw: bytes, table: bytes) -> list[bytes]:
    """Long runs of some characters, in time that grows with the text alone; not the whole text."""
    return [word for word in raw.translate(table).split() if _LEAST_RUN <= len(word) < len(raw)]


def _whole(raw: bytes) -> Iterator[tuple[str, bytes]]:
    raw = raw.strip()
    if _HEX.match(raw):
        yield from _from_hex(raw)
    if _BASE64.match(raw):
        yield from _from_base64(raw)
    if _BASE32.match(raw):
        yield from _tried("base 32", lambda: base64.b32decode(re.sub(rb"\s", b"", raw), casefold=True))
    if _BASE85.match(raw):
        digits = raw.removeprefix(b"<~").removesuffix(b"~>")[:_MOST_BASE85]
        yield from _tried("base 85", lambda: base64.b85decode(digits))
        yield from _tried("ASCII 85", lambda: base64.a85decode(digits))


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
