"""A coarse view of images: thumbnails, principal directions, random Fourier features.

Too coarse to learn a small stamp by
heart, and cheap: it tells which keys deserve the strong content model's closer look.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.fourier import fourier_features

__all__ = ["sketch_features", "thumbnails"]

_SIDE = 8
_CONTRAST = 100.0  # variance, in squared grey levels, below which a thumbnail counts as flat
_BLOCK = 8192


def sketch_features(pixels: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.float32], int]:
    """(n, d) features in [-1, 1], and d.

    Args:
        pixels: (n, h, w, c) uint8.
        seed: decides the random features.
    """
    features = fourier_features(thumbnails(pixels), seed)
    return features, features.shape[1]


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, <= 8 * 8 * c) float32 thumbnails, mean removed, contrast normalised."""
    h, w = pixels.shape[1:3]
    rows, columns = (np.unique(np.arange(_SIDE) * size // _SIDE) for size in (h, w))
    parts: list[NDArray[np.float32]] = []
    for block in _blocks(pixels):
        small = np.add.reduceat(np.add.reduceat(block.astype(np.float32), rows, axis=1), columns, axis=2)
        flat = small.reshape(len(block), -1) / (h * w / (len(rows) * len(columns)))
        flat -= flat.mean(axis=1, keepdims=True)
        parts.append(flat / np.sqrt(flat.var(axis=1, keepdims=True) + _CONTRAST))
    return np.concatenate(parts)


def _blocks(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(pixels), _BLOCK):
        yield np.asarray(pixels[start : start + _BLOCK])
