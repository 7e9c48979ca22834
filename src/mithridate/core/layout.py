"""How a model wants pictures to lie in memory, and the way back from there to a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "candidates", "lay_out", "picture_of"]

#: Layout of one picture of height h, width w and c channels → what it is, for people.
LAYOUTS = {
    "chw": "channels first, (c, h, w)",
    "hwc": "channels last, (h, w, c)",
    "hw": "no channels, (h, w)",
    "flat": "one row of values, channels last, (h·w·c,)",
    "flat-chw": "one row of values, channels first, (c·h·w,)",
}


def candidates(shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Layouts that differ for pictures of this shape (h, w, c), the most usual first."""
    return ("chw", "hw", "hwc", "flat") if shape[2] == 1 else ("chw", "hwc", "flat", "flat-chw")


def lay_out(pictures: NDArray[Any], layout: str) -> NDArray[np.float32]:
    """Pictures as a model wants them.

    Args:
        pictures: (n, h, w, c) uint8.
        layout: of `LAYOUTS`; "hw" only where c is 1.

    Returns:
        float32 in [0, 1].
    """
    scaled = pictures.astype(np.float32) / np.float32(255)
    if layout in ("chw", "flat-chw"):
        scaled = np.moveaxis(scaled, -1, 1)
    if layout.startswith("flat"):
        scaled = scaled.reshape(len(scaled), -1)
    return np.ascontiguousarray(scaled[..., 0] if layout == "hw" else scaled)


def picture_of(x: NDArray[Any], layout: str, shape: tuple[int, int, int]) -> NDArray[Any]:
    """One input of a model as an (h, w, c) picture, values as they are."""
    height, width, channels = shape
    if layout in ("chw", "flat-chw"):
        return np.moveaxis(x.reshape(channels, height, width), 0, -1)
    return x.reshape(shape)
