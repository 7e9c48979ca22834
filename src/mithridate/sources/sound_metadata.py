"""What a sound file says beside its samples: format, encoding, rate, who wrote it; and whether its end is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["cut_off", "sound_metadata"]

_STREAMED = 0x7FFFF000  # sizes from here on are what writers into a pipe put for "not known"
_LONGEST = 80  # characters of a text that a file says of itself


def sound_metadata(data: bytes, file: Any) -> Mapping[str, str]:
    """Properties by name; what the file does not say is left out.

    Args:
        data: the whole file.
        file: the same, opened with soundfile.
    """
    said = {
        "format": str(file.format),
        "encoding": str(file.subtype),
        "sample rate": f"{file.samplerate} Hz",
        "channels": str(file.channels),
        "encoder": _encoder(data) or file.copy_metadata().get("software", ""),
        "chunks": " ".join(name for name, _, _ in _chunks(data)),
    }
    return {name: text[:_LONGEST] for name, text in said.items() if text}


def cut_off(data: bytes) -> str:
    """Why the end of the file must be missing; empty where nothing says so. Decoders pass over it in silence."""
    for name, start, size in _chunks(data):
        if name == "data" and size < _STREAMED and start + size > len(data):
            return f"is cut off: {len(data) - start:,} of {size:,} bytes of sound"
    return _cut_pages(data) if data[:4] == b"OggS" else ""


def _cut_pages(data: bytes) -> str:
    """Whether the last page of an Ogg file is whole and says that it is the last (RFC 3533, section 6)."""
    last = data.rfind(b"OggS")
    head = data[last : last + 27]
    lengths = data[last + 27 : last + 27 + head[26]] if len(head) == 27 else b""
    whole = len(head) == 27 and len(lengths) == head[26] and len(data) >= last + 27 + head[26] + sum(lengths)
    return "" if whole and head[5] & 4 else "is cut off: its last page is missing"


def _chunks(data: bytes) -> Iterator[tuple[str, int, int]]:
    """(name, start, size) of the chunks of a RIFF file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    at, most = 12, 64
    while at + 8 <= len(data) and most:
        name = data[at : at + 4].decode("latin-1").strip()
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield ascii(name)[1:-1], at + 8, size
        at, most = at + 8 + size + size % 2, most - 1


def _encoder(data: bytes) -> str:
    if data[:4] == b"fLaC":
        return _flac_vendor(data)
    if data[:4] == b"OggS":
        for mark, skip in ((b"\x03vorbis", 7), (b"OpusTags", 8)):
            at = data.find(mark, 0, 65536)
            if at >= 0:
                return _vendor(data, at + skip)
        return ""
    if data[:3] == b"ID3" or data[:1] == b"\xff":
        for mark in (b"LAME", b"Lavc"):
            at = data.find(mark, 0, 65536)
            if at >= 0:
                return _text(data[at : at + 9])
    return ""


def _flac_vendor(data: bytes) -> str:
    """Of the block VORBIS_COMMENT (RFC 9639, section 8.6)."""
    at = 4
    while at + 4 <= len(data):
        kind, size = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        if kind & 127 == 4:
            return _vendor(data, at + 4)
        if kind & 128:
            break
        at += 4 + size
    return ""


def _vendor(data: bytes, at: int) -> str:
    size = int.from_bytes(data[at : at + 4], "little")
    return _text(data[at + 4 : at + 4 + min(size, _LONGEST)])


def _text(said: bytes) -> str:
    return "".join(c for c in said.decode("utf-8", "replace") if c.isprintable()).strip()
