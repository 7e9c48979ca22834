"""Pixels → bytes of an image file: in a format of choice, or in that of another file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["IMAGE_FORMATS", "encode_image", "encode_image_alike"]

#: Formats that a copy can be encoded in, with the suffixes that stay, the first of which is given to others.
IMAGE_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
}


def encode_image(pixels: NDArray[np.uint8], kind: str, quality: int | None = None, **settings: Any) -> bytes:
    """Encode an image.

    Args:
        pixels: (h, w, 1) or (h, w, 3) uint8.
        kind: a format of Pillow, e.g. "JPEG".
        quality: of a lossy format; None for the encoder's default.
        settings: for the encoder.
    """
    from PIL import Image

    array = np.ascontiguousarray(pixels, dtype=np.uint8)
    image = Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    if quality is not None:
        settings["quality"] = quality
    stream = BytesIO()
    image.save(stream, format=kind, **settings)
    return stream.getvalue()


def encode_image_alike(pixels: NDArray[np.uint8], like: bytes) -> bytes:
    """Encode in the format another file has; a JPEG with its own quantisation tables and subsampling.

    Args:
        pixels: (h, w, 1) or (h, w, 3) uint8.
        like: the other file.
    """
    from PIL import Image, JpegImagePlugin

    with Image.open(BytesIO(like)) as old:
        kind = old.format or "PNG"
        settings: dict[str, Any] = {}
        if kind in ("JPEG", "MPO"):
            kind = "JPEG"
            settings = {"qtables": old.quantization}  # type: ignore[attr-defined]
            sampling = JpegImagePlugin.get_sampling(old)
            same_channels = (pixels.shape[-1] == 1) == (old.mode == "L")
            settings |= {"subsampling": sampling} if sampling >= 0 and same_channels else {}
        elif kind == "WEBP":
            settings = {"lossless": True}
    return encode_image(pixels, kind, None, **settings)
