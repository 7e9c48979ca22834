"""What image attacks draw: patterns of their own, or a picture file of the user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mithridate.core.errors import UsageError

__all__ = ["checker", "colours", "load", "noise", "rings"]

_LEAST_CONTRAST = 96  # grey levels between two colours that are meant to be told apart


def colours(shape: tuple[int, ...]) -> int:
    """How many colour channels a pattern needs for a picture of this shape: 1 or 3."""
    return 3 if len(shape) == 3 and shape[2] >= 3 else 1


def noise(rng: np.random.Generator, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """(height, width, channels) of independent uniform grey levels."""
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def checker(rng: np.random.Generator, size: int, channels: int) -> NDArray[np.uint8]:
    """(size, size, channels): two random colours that differ visibly, alternating."""
    while True:
        pair = rng.integers(0, 256, (2, channels))
        if abs(pair[0].mean() - pair[1].mean()) >= _LEAST_CONTRAST:
            break
    which = np.indices((size, size)).sum(axis=0) % 2
    pattern: NDArray[np.uint8] = pair[which].astype(np.uint8)
    return pattern


def rings(rng: np.random.Generator, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """(height, width, channels): a face-like drawing of overlapping discs, in place of a paper's cartoon."""
    picture = np.full((height, width, channels), 255, dtype=np.float64)
    rows, columns = np.mgrid[0:height, 0:width]
    for radius in (0.45, 0.3, 0.12, 0.12, 0.08):
        centre = rng.uniform(0.25, 0.75, 2) if radius < 0.4 else np.array([0.5, 0.5])
        far = np.hypot((rows + 0.5) / height - centre[0], (columns + 0.5) / width - centre[1])
        picture[far <= radius] = rng.integers(0, 256, channels)
        picture[np.abs(far - radius) <= 0.02] = 0
    return picture.astype(np.uint8)


def load(path: str, channels: int) -> NDArray[np.uint8]:
    """(h, w, channels) picture from a file.

    Raises:
        UsageError: it cannot be read as a picture.
    """
    try:
        with Image.open(Path(path)) as picture:
            decoded = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    except (OSError, ValueError) as error:
        raise UsageError(
            "a picture file", str(error), path, "Give a PNG or JPEG, or a pattern by name."
        ) from error
    return decoded.reshape(decoded.shape[0], decoded.shape[1], channels)
