"""Compiled kernels of the content features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from mithridate.evidence.compiled import compiled_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["normalised_patches", "rectify_and_pool"]


@compiled_parallel
def normalised_patches(
    images: NDArray[np.uint8], side: int, stride: int, contrast: float, out: NDArray[np.float32]
) -> None:
    """Every patch, minus its mean, over its standard deviation.

    Args:
        images: (b, h, w, c) uint8.
        side: of a patch.
        stride: between patches.
        contrast: added to the variance.
        out: (b * rows * columns, side * side * c), filled.
    """
    b, h, w, c = images.shape
    rows, columns, size = (h - side) // stride + 1, (w - side) // stride + 1, side * side * c
    for i in prange(b):
        for y in range(rows):
            for x in range(columns):
                r = (i * rows + y) * columns + x
                total, square, j = np.float32(0), np.float32(0), 0
                for a in range(side):
                    for q in range(side):
                        for k in range(c):
                            v = np.float32(images[i, y * stride + a, x * stride + q, k])
                            out[r, j] = v
                            total += v
                            square += v * v
                            j += 1
                mean = total / size
                scale = np.float32(1) / np.sqrt(square / size - mean * mean + np.float32(contrast))
                for j in range(size):
                    out[r, j] = (out[r, j] - mean) * scale


@compiled_parallel
def rectify_and_pool(
    response: NDArray[np.float32],
    rows: int,
    columns: int,
    grid: int,
    threshold: float,
    out: NDArray[np.float32],
) -> None:
    """Sum of max(0, response - threshold) over a grid of cells.

    Args:
        response: (b * rows * columns, k).
        rows: patches per column of an image.
        columns: patches per row.
        grid: cells per side.
        threshold: subtracted before rectification.
        out: (b, grid * grid * k) zeros, filled.
    """
    k = response.shape[1]
    for i in prange(out.shape[0]):
        for y in range(rows):
            for x in range(columns):
                cell = ((y * grid) // rows * grid + (x * grid) // columns) * k
                r = (i * rows + y) * columns + x
                for j in range(k):
                    v = response[r, j] - np.float32(threshold)
                    if v > 0:
                        out[i, cell + j] += v
