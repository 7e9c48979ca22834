"""What an image file says beside its pixels, read from its header alone: who encoded it, with what, at what size.

Persons and places stay out of it: of EXIF only make, model and software are read; no serial number, owner or
position is ever looked at.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from hashlib import blake2b

__all__ = ["image_metadata"]

_LONGEST = 80  # characters of a text that a file says of itself
_SEGMENTS = 200  # parts of a header that are looked at; a hostile file may have millions
_EXIF = {0x010F: "camera make", 0x0110: "camera model", 0x0131: "software"}  # TIFF 6.0, section 8
_ENTRIES = 256
#: Luminance table of ITU-T T.81, annex K.1, in the zigzag order of files: quality 50 of the usual encoders.
_STANDARD = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51,
    61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77,
    113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip
_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless"}
_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


def image_metadata(data: bytes) -> Mapping[str, str]:
    """Properties by name; what the file does not say, or says in broken words, is left out. Never raises.

    Args:
        data: the whole file.
    """
    for magic, name, read in (
        (b"\xff\xd8", "JPEG", _jpeg),
        (b"\x89PNG\r\n\x1a\n", "PNG", _png),
        (b"GIF8", "GIF", _gif),
        (b"BM", "BMP", _nothing),
        (b"RIFF", "WebP", _webp),
        (b"II*\0", "TIFF", _exif),
        (b"MM\0*", "TIFF", _exif),
    ):
        if data.startswith(magic):
            try:
                said = {"format": name, **read(data)}
            except (struct.error, IndexError, ValueError, zlib.error):
                said = {"format": name}
            return {key: text[:_LONGEST] for key, text in said.items() if text}
    return {}


def _nothing(data: bytes) -> dict[str, str]:
    return {}


def _jpeg(data: bytes) -> dict[str, str]:
    """Tables, frame, order of markers, and the two segments that name their writer (ITU-T T.81, annex B)."""
    said: dict[str, str] = {}
    marks: list[str] = []
    tables: dict[int, tuple[int, ...]] = {}
    try:
        for mark, body in _segments(data):
            marks.append(_mark(mark, body))
            if mark == 0xDB:
                tables |= _tables(body)
            elif mark in _FRAMES:
                said |= {"JPEG process": _FRAMES[mark], **_frame(body)}
            elif mark == 0xE1 and body.startswith(b"Exif\0\0"):
                said |= _exif(body[6:])
            elif mark == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
                said |= _profile(body[14:])
    except (struct.error, IndexError, ValueError):
        pass  # what was read until here holds
    if 0 in tables:
        said["JPEG tables"] = _quality(tables)
    said["JPEG marks"] = " ".join(marks)
    return said


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, body) up to the first scan."""
    at = 2
    for _ in range(_SEGMENTS):
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        if data[at] != 0xFF or data[at + 1] in (0xD9, 0xDA):
            return
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if size < 2 or at + 2 + size > len(data):
            return
        yield data[at + 1], data[at + 4 : at + 2 + size]
        at += 2 + size


def _mark(mark: int, body: bytes) -> str:
    names = {0xDB: "DQT", 0xC4: "DHT", 0xDD: "DRI", 0xFE: "COM"}
    if 0xE0 <= mark <= 0xEF:
        return f"APP{mark - 0xE0}"
    return names.get(mark, f"{mark:02X}" if mark not in _FRAMES else "SOF")


def _tables(body: bytes) -> dict[int, tuple[int, ...]]:
    found, at = {}, 0
    while at < len(body):
        wide, number = body[at] >> 4, body[at] & 15
        size = 128 if wide else 64
        values = struct.unpack(">64H" if wide else ">64B", body[at + 1 : at + 1 + size])
        found[number] = values
        at += 1 + size
    return found


def _quality(tables: Mapping[int, tuple[int, ...]]) -> str:
    """The quality that the usual encoders write these tables for; of other tables a digest and the nearest quality."""

    def far(quality: int) -> int:
        return sum(abs(a - b) for a, b in zip(tables[0], _at(quality), strict=True))

    nearest = min(range(1, 101), key=far)
    if tables[0] == _at(nearest):
        return f"quality {nearest}"
    told = b"".join(struct.pack(">64H", *tables[k]) for k in sorted(tables))
    return f"own {blake2b(told, digest_size=4).hexdigest()}, near quality {nearest}"


def _at(quality: int) -> tuple[int, ...]:
    """The standard table scaled as the Independent JPEG Group does (jcparam.c, jpeg_quality_scaling)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(max((value * scale + 50) // 100, 1), 255) for value in _STANDARD)


def _frame(body: bytes) -> dict[str, str]:
    height, width, parts = struct.unpack(">HHB", body[1:6])
    factors = [body[7 + 3 * k] for k in range(parts)]
    said = {"size": f"{width}x{height}", "colours": "grey" if parts == 1 else f"{parts} channels"}
    if parts == 3:
        across, down = factors[0] >> 4, factors[0] & 15
        usual = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
        rest = factors[1:] == [0x11, 0x11]
        named = usual.get((across, down), "") if rest else ""
        said["chroma subsampling"] = named or " ".join(f"{f >> 4}x{f & 15}" for f in factors)
    return said


def _exif(data: bytes) -> dict[str, str]:
    """Make, model and software of the first directory; the others are not entered."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return {}
    (start,) = struct.unpack(f"{order}I", data[4:8])
    (count,) = struct.unpack(f"{order}H", data[start : start + 2])
    said = {}
    for k in range(min(count, _ENTRIES)):
        tag, kind, length, value = struct.unpack(
            f"{order}HHI4s", data[start + 2 + 12 * k : start + 14 + 12 * k]
        )
        if tag in _EXIF and kind == 2:
            (offset,) = struct.unpack(f"{order}I", value)
            text = value[:length] if length <= 4 else data[offset : offset + min(length, _LONGEST)]
            said[_EXIF[tag]] = _text(text)
    return said


def _text(said: bytes) -> str:
    plain = said.split(b"\0")[0].decode("utf-8", "replace")
    return " ".join("".join(c for c in plain if c.isprintable()).split())


def _profile(profile: bytes) -> dict[str, str]:
    """The description of an ICC profile (ICC.1, sections 7.3 and 10.15; version 2 writes it in ASCII)."""
    (count,) = struct.unpack(">I", profile[128:132])
    for k in range(min(count, 100)):
        name, offset, size = struct.unpack(">4sII", profile[132 + 12 * k : 144 + 12 * k])
        if name == b"desc":
            text = profile[offset : offset + min(size, 4 * _LONGEST)]
            plain = text[12:] if text[:4] == b"desc" else text[28:].decode("utf-16-be", "replace").encode()
            return {"colour profile": _text(plain)}
    return {}


def _png(data: bytes) -> dict[str, str]:
    """Header, zlib's level and the first filter, and the text that names the software (PNG, sections 11 and 12)."""
    said: dict[str, str] = {}
    at = 8
    for _ in range(_SEGMENTS):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + min(size, 4096)]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, laced = struct.unpack(">IIBBBBB", body[:13])
            said |= {"size": f"{width}x{height}", "colours": f"{_COLOURS.get(colour, '')} {depth} bit"}
            said["PNG order"] = "interlaced" if laced else "plain"
        elif kind == b"tEXt" and body.startswith(b"Software\0"):
            said["software"] = _text(body[9:])
        elif kind == b"iCCP":
            said["colour profile"] = _text(body)
        elif kind == b"IDAT":
            said["PNG compression"] = f"level {body[1] >> 6}"
            first = zlib.decompressobj().decompress(body, 1)
            said["PNG filter"] = ("none", "sub", "up", "average", "paeth")[first[0]]
            break
        at += 12 + size
    return said


def _gif(data: bytes) -> dict[str, str]:
    width, height = struct.unpack("<HH", data[6:10])
    return {"size": f"{width}x{height}"}


def _webp(data: bytes) -> dict[str, str]:
    return {"WebP process": {b"VP8 ": "lossy", b"VP8L": "lossless", b"VP8X": "extended"}.get(data[12:16], "")}
