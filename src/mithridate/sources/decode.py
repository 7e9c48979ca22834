"""Image bytes → (h, w, c) uint8, within limits. No global setting of Pillow is touched or relied on."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError
from mithridate.sources.limits import Limits

__all__ = ["IMAGE_SUFFIXES", "decode", "is_image", "read_bytes"]

IMAGE_SUFFIXES = frozenset(
    f".{s}" for s in ("jpg", "jpeg", "jpe", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm", "pbm")
)
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")


def read_bytes(path: Path, item: str, limits: Limits) -> bytes:
    """The bytes of a regular file.

    Raises:
        ItemError: missing, unreadable, empty, too large, or no regular file (a pipe would never end).
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ItemError(item, "not a regular file")
        if about.st_size == 0:
            raise ItemError(item, "the file is empty (0 bytes)")
        if about.st_size > limits.item_bytes:
            raise ItemError(item, f"{about.st_size:,} bytes, over the limit of {limits.item_bytes:,}")
        return path.read_bytes()
    except OSError as error:
        raise ItemError(item, f"cannot be read: {error.strerror or os.strerror(error.errno or 0)}") from error


def decode(data: bytes, item: str, limits: Limits) -> NDArray[np.uint8]:
    """Decode one image. The first frame of an animation; no EXIF rotation; transparency is dropped.

    Args:
        data: the whole file.
        item: id, for the error.
        limits: pixels are checked from the header, before decoding.

    Returns:
        (h, w, 1) for grey images, (h, w, 3) for all others.

    Raises:
        ItemError: no image, cut off, over a limit, or refused by the decoder.
    """
    try:
        image = _opened(data, item, limits)
        _check_size(image.size, item, limits)
        image.load()
        return _pixels(image)
    except ItemError:
        raise
    except MemoryError as error:
        raise ItemError(item, "does not fit in memory") from error
    except Exception as error:  # decoders raise whatever they like on hostile bytes
        raise ItemError(item, f"cannot be decoded: {error}") from error


def _opened(data: bytes, item: str, limits: Limits) -> Any:
    """Choose the plug-in by magic bytes. `Image.open` would warn about sizes that are checked here anyway."""
    if not data:
        raise ItemError(item, "the file is empty (0 bytes)")
    factory = _plugin(data[:16])
    if factory is None:
        raise ItemError(item, "no image of a kind that is read: JPEG, PNG, BMP, GIF, WebP, TIFF, PPM")
    if data[:4] == b"RIFF":
        _check_size(_webp_size(data), item, limits)  # the plug-in allocates the canvas when it opens
    return factory(BytesIO(data), "")


def is_image(head: bytes) -> bool:
    """Whether the first 16 bytes are those of an image that is read."""
    return _plugin(head[:16]) is not None


def _plugin(head: bytes) -> Callable[..., Any] | None:
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401 - importing registers the plug-ins

    Image.preinit()
    for name in _FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory is not None and accepts is not None and accepts(head) is True:
            return factory
    return None


def _check_size(size: tuple[int, int], item: str, limits: Limits) -> None:
    width, height = size
    if width * height > limits.pixels:
        raise ItemError(item, f"{width:,} x {height:,} pixels, over the limit of {limits.pixels:,}")
    if width * height == 0:
        raise ItemError(item, f"{width} x {height} pixels")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk of a WebP file (RFC 9649, sections 2.5 to 2.7)."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def _pixels(image: Any) -> NDArray[np.uint8]:
    mode = image.mode
    if mode in ("1", "LA", "La"):
        image = image.convert("L")
    if mode.startswith("I") or mode == "F":
        return _deep(np.asarray(image))[:, :, None]
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.array(image, dtype=np.uint8)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _deep(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """16- and 32-bit grey → 8 bit: 16-bit range when any value needs it."""
    values = np.nan_to_num(grey.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if values.size and values.max() > 255:
        values /= 257.0
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
