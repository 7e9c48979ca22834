"""High-pass residuals: what is left of an image when its smooth part is taken away. Global patterns live there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.store import new_map, old_map

__all__ = ["STEP", "residuals"]

_CLIP = 12.0  # grey levels; edges of objects must not drown a faint pattern
#: Grey levels per unit of the stored int8 residual.
STEP = _CLIP / 127
_BLOCK = 256


def residuals(pixels: NDArray[np.uint8], path: Path, jobs: int = 1) -> NDArray[np.int8]:
    """I - 3x3 mean of I, clipped (cf. Lukas, Fridrich & Goljan, IEEE TIFS 2006, on residual pattern noise).

    Args:
        pixels: (n, h, w, c) uint8.
        path: file for the result.
        jobs: threads; the result does not depend on it.

    Returns:
        (n, h * w * c) int8 in units of `STEP`, memory-mapped.
    """
    n, h, w, c = pixels.shape
    out = new_map(path, np.int8, (n, h * w * c))

    def fill(start: int) -> None:
        x = pixels[start : start + _BLOCK].astype(np.float32)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
        mean = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9
        clipped = np.clip(x - mean, -_CLIP, _CLIP) / STEP
        out[start : start + _BLOCK] = np.rint(clipped).reshape(len(x), -1).astype(np.int8)

    side_by_side(fill, range(0, n, _BLOCK), jobs)
    out.flush()
    return old_map(path, np.int8, (n, h * w * c))
