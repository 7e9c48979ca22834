"""Compiled kernels of the content features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mithridate.evidence.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["normalised_patches", "rectify_and_pool"]


@compiled
def normalised_patches(
    images: NDArray[np.uint8],
    channels: int,
    side: int,
    stride: int,
    contrast: float,
    out: NDArray[np.float32],
) -> None:
    """Every patch, minus its mean, over its standard deviation.

    Args:
        images: (b, h, w * channels) uint8, channels last.
        channels: c.
        side: of a patch.
        stride: between patches.
        contrast: added to the variance.
        out: (b * rows * columns, side * side * c), filled.
    """
    b, h, w = images.shape
    rows, columns = (h - side) // stride + 1, (w // channels - side) // stride + 1
    run, size = side * channels, np.float32(side * side * channels)
    for r in range(b * rows * columns):
        i, place = divmod(r, rows * columns)
        y, x = divmod(place, columns)
        top, left = y * stride, x * stride * channels
        total, square = 0, 0
        for a in range(side):
            line = images[i, top + a, left : left + run]
            for q in range(run):
                v = int(line[q])
                total += v
                square += v * v
        mean = np.float32(total) / size
        scale = np.float32(1) / np.sqrt(np.float32(square) / size - mean * mean + np.float32(contrast))
        for a in range(side):
            line = images[i, top + a, left : left + run]
            patch = out[r, a * run : (a + 1) * run]
            for q in range(run):
                patch[q] = (np.float32(line[q]) - mean) * scale


@compiled
def rectify_and_pool(
    response: NDArray[np.float32], floor: NDArray[np.float32], rows: int, columns: int, grid: int,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Sum of max(0, response - floor) over a grid of cells.

    Args:
        response: (b * rows * columns, k).
        floor: (k,) subtracted before rectification.
        rows: patches per column of an image.
        columns: patches per row.
        grid: cells per side.
        out: (b, grid * grid * k) zeros, filled.
    """
    k = response.shape[1]
    for i in range(out.shape[0]):
        for y in range(rows):
            for x in range(columns):
                cell = ((y * grid) // rows * grid + (x * grid) // columns) * k
                line = response[(i * rows + y) * columns + x]
                pooled = out[i, cell : cell + k]
                for j in range(k):
                    pooled[j] += max(line[j] - floor[j], np.float32(0))
