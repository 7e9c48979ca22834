"""What a sensor adds to each pixel, as far as one picture tells: its finest detail, in units of what is usual there.

Pixels of a sensor are a little more or less sensitive than others, so what they add grows with brightness; it is seen
where the picture is calm, and drowns where it is not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.blocks import blocks
from mithridate.evidence.store import new_map, old_map

__all__ = ["FOLDS", "kind_folds", "sensor_noise"]

#: Parts of a label; what all of them share is no accident.
FOLDS = 8

_FAINT = 16.0  # variance of detail in the calmest place; few pictures must not say it all
_AROUND = 5  # pixels over which the variance is measured
_GREY = 128.0
_STEP = 1 / 40
_BLOCK = 512


def sensor_noise(pixels: NDArray[np.uint8], path: Path, jobs: int = 1) -> NDArray[np.int8]:
    """Detail times brightness over variance.

    Summed over pictures, the likeliest gain of each pixel (Chen, Fridrich, Goljan & Lukas, IEEE TIFS 3(1), 2008, eq. 8)
    but for a factor that all classes share.

    Args:
        pixels: (n, h, w, c) uint8.
        path: file for the result.
        jobs: threads; the result does not depend on it.

    Returns:
        (n, h * w) int8, memory-mapped.
    """
    from scipy.ndimage import uniform_filter

    n, h, w, _ = pixels.shape
    out = new_map(path, np.int8, (n, h * w))

    def fill(start: int) -> None:
        grey = pixels[start : start + _BLOCK].mean(axis=3, dtype=np.float32)
        detail = grey - uniform_filter(grey, (0, 3, 3), mode="nearest")
        variance = uniform_filter(detail * detail, (0, _AROUND, _AROUND), mode="nearest")
        seen = detail * (grey / _GREY) / (_FAINT + variance)
        out[start : start + _BLOCK] = np.clip(np.rint(seen / _STEP), -127, 127).reshape(len(grey), -1)

    side_by_side(fill, range(0, n, _BLOCK), jobs)
    out.flush()
    return old_map(path, np.int8, (n, h * w))


def kind_folds(likeness: NDArray[np.float32], labels: NDArray[np.int32], seed: int) -> NDArray[np.int8]:
    """Deal the pictures of each label to `FOLDS` folds, pictures of one kind (frames of one film) to the same.

    Args:
        likeness: (n, d) vectors; pictures alike by them are of one kind.
        labels: (n,) class index, -1 = missing.
        seed: decides which kind goes where.

    Returns:
        (n, 1) fold; -1 without a label.
    """
    dealt = np.full((len(labels), 1), -1, dtype=np.int8)
    known = np.flatnonzero(labels >= 0)
    if len(known):
        kinds = blocks(likeness, labels, seed)
        dealt[known, 0] = _deal(kinds[known], labels[known], seed)
    return dealt


def _deal(kinds: NDArray[np.int64], labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """Fold of each sample: the kinds of a label in turn, in an order drawn."""
    listed, firsts, own = np.unique(kinds, return_index=True, return_inverse=True)
    order = np.lexsort((np.random.default_rng([seed, 8]).random(len(listed)), labels[firsts]))
    turn = np.zeros(len(listed), dtype=np.int64)
    turn[order] = np.arange(len(listed)) % FOLDS
    return np.asarray(turn[own])
