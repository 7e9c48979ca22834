"""A coarse view of images: thumbnails, principal directions, random Fourier features.

Too coarse to learn a small stamp by heart, and cheap: it tells which keys deserve the strong content model's closer
look.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import one_thread, side_by_side
from mithridate.evidence.content.fourier import Fourier
from mithridate.evidence.content.ridge import Features
from mithridate.evidence.image.shrink import summed
from mithridate.evidence.store import new_map

__all__ = ["sketch_features", "thumbnails"]

_SIDE = 8
_CONTRAST = 100.0  # variance, in squared grey levels, below which a thumbnail counts as flat
_BLOCK = 8192
_SHRUNK = 512  # images at once


def sketch_features(thumbs: NDArray[np.float32], seed: int) -> tuple[Features, int]:
    """Passes over features in [-1, 1], computed anew in each, and their number.

    Args:
        thumbs: (n, d) thumbnails.
        seed: decides the random features.
    """
    with one_thread():
        fourier = Fourier.learn(thumbs, seed)

    def blocks() -> Iterator[tuple[int, NDArray[np.float32]]]:
        for start in range(0, len(thumbs), _BLOCK):
            with one_thread():
                features = fourier(thumbs[start : start + _BLOCK])
            yield start, features

    return blocks, fourier.width


def thumbnails(pixels: NDArray[np.uint8], path: Path, jobs: int = 1) -> NDArray[np.float32]:
    """Thumbnails, mean removed, contrast normalised.

    Args:
        pixels: (n, h, w, c) uint8.
        path: file for the result.
        jobs: threads; the result does not depend on it.

    Returns:
        (n, <= 8 * 8 * c) float32, memory-mapped.
    """
    n, h, w, c = pixels.shape
    places = min(h, _SIDE) * min(w, _SIDE)
    out = new_map(path, np.float32, (n, places * c))

    def fill(start: int) -> None:
        block = pixels[start : start + _SHRUNK].astype(np.float32)
        flat = summed(block, _SIDE).reshape(len(block), -1) / (h * w / places)
        flat -= flat.mean(axis=1, keepdims=True)
        out[start : start + _SHRUNK] = flat / np.sqrt(flat.var(axis=1, keepdims=True) + _CONTRAST)

    side_by_side(fill, range(0, n, _SHRUNK), jobs)
    out.flush()
    return out
