"""A coarse view of images: thumbnails, principal directions, random Fourier features.

Rahimi & Recht, "Random features for large-scale kernel machines", NeurIPS 2007. Too coarse to learn a small stamp by
heart, and cheap: it tells which keys deserve the strong content model's closer look.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["sketch_features", "thumbnails"]

_SIDE = 8
_DIRECTIONS = 40
_FEATURES = 768
_CONTRAST = 100.0  # variance, in squared grey levels, below which a thumbnail counts as flat
_SAMPLE = 10_000
_WIDTH = 0.5  # of the kernel, in units of the median distance
_BLOCK = 8192


def sketch_features(pixels: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.float32], int]:
    """(n, d) features in [-1, 1], and d.

    Args:
        pixels: (n, h, w, c) uint8.
        seed: decides the random features.
    """
    thumbs = thumbnails(pixels)
    n = len(thumbs)
    rng = np.random.default_rng([seed, 3])
    mean = thumbs.mean(axis=0)
    sample = thumbs[np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))] - mean
    _, values, vectors = np.linalg.svd(sample, full_matrices=False)
    used = int(np.clip((values > 1e-3 * values[0]).sum(), 1, _DIRECTIONS)) if len(values) else 1
    basis = vectors[:used].T * (np.maximum(values[:used], 1e-9) / max(values[0], 1e-9)) ** -0.5
    points = ((thumbs - mean) @ basis).astype(np.float32)
    some = points[rng.integers(0, n, 400)]
    spread = float(np.median(np.linalg.norm(some[:200, None] - some[None, 200:], axis=2))) or 1.0
    width = min(_FEATURES, max(16, n // 2))
    frequencies = rng.standard_normal((used, width)).astype(np.float32) / np.float32(_WIDTH * spread)
    phases = rng.uniform(0, 2 * np.pi, width).astype(np.float32)
    return np.cos(points @ frequencies + phases), width


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
