"""Near-duplicate images: frames of one video, re-encoded or lightly edited copies (a stamp does not hide a copy)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.half import widen
from mithridate.evidence.image.shrink import summed

__all__ = ["grey_thumbnails", "near_duplicates"]

_SIDE = 16
_ALIKE = 0.99  # least correlation of two thumbnails
_BANDS, _BITS = 12, 16
_SAMPLE = 20_000
_BLOCK = 8192
_SHRUNK = 512  # images at once


def near_duplicates(
    pixels: NDArray[np.uint8], copies: NDArray[np.int64], seed: int, jobs: int = 1
) -> NDArray[np.int64]:
    """Group each image with the first image that it closely resembles.

    Thumbnails are projected on their principal directions and hashed by the signs of random rotations, in bands
    (Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002); a match is confirmed by
    correlation, and only against the first of a band, so that groups cannot chain.

    Args:
        pixels: (n, h, w, c) uint8.
        copies: (n,) exact-duplicate groups.
        seed: decides the rotations.
        jobs: threads; the result does not depend on it.

    Returns:
        (n,) smallest row of each image's group.
    """
    thumbs = grey_thumbnails(pixels, jobs)
    n = len(thumbs)
    rng = np.random.default_rng([seed, 2])
    sample = widen(thumbs[np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))])
    mean = sample.mean(axis=0)
    _, values, vectors = np.linalg.svd(sample - mean, full_matrices=False)
    used = int(np.clip((values > 0.02 * values[0]).sum(), 1, 64))
    basis = vectors[:used].T / np.maximum(values[:used], 1e-6) ** 0.5
    rotations = [(basis @ rng.standard_normal((used, _BITS))).astype(np.float32) for _ in range(_BANDS)]
    bands = _keys(thumbs, mean, np.concatenate(rotations, axis=1), jobs)
    leader = copies.copy()
    for keys in bands.T:
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order].astype(np.int32), prepend=-1))
        first = order[np.repeat(starts, np.diff(np.append(starts, n)))]
        free = np.flatnonzero((leader[order] == order) & (leader[first] < order))
        rows, heads = order[free], leader[first[free]]
        joins = _alike(thumbs, rows, heads, jobs)
        leader[rows[joins]] = heads[joins]
    while not np.array_equal(leader, leader[leader]):
        leader = leader[leader]
    return leader


def _keys(
    thumbs: NDArray[np.float16], mean: NDArray[np.float32], rotations: NDArray[np.float32], jobs: int
) -> NDArray[np.uint16]:
    """(n, bands) keys: 16 signs each. So short keys are sorted by their digits, in a fraction of the time."""
    keys = np.empty((len(thumbs), _BANDS), dtype="<u2")

    def fill(start: int) -> None:
        signs = (widen(thumbs[start : start + _BLOCK]) - mean) @ rotations > 0
        keys[start : start + _BLOCK] = np.packbits(signs, axis=1, bitorder="little").view("<u2")

    side_by_side(fill, range(0, len(thumbs), _BLOCK), jobs)
    return keys.astype(np.uint16, copy=False)


def _alike(
    thumbs: NDArray[np.float16], rows: NDArray[np.int64], heads: NDArray[np.int64], jobs: int
) -> NDArray[np.bool_]:
    alike = np.empty(len(rows), dtype=bool)

    def fill(start: int) -> None:
        here = slice(start, start + _BLOCK)
        pairs = widen(thumbs[rows[here]]), widen(thumbs[heads[here]])
        alike[here] = np.einsum("ij,ij->i", *pairs) >= _ALIKE

    side_by_side(fill, range(0, len(rows), _BLOCK), jobs)
    return alike


def grey_thumbnails(pixels: NDArray[np.uint8], jobs: int = 1) -> NDArray[np.float16]:
    """(n, <= 256) grey thumbnails, zero mean, unit length; flat images stay zero and resemble nothing."""
    n, h, w, _ = pixels.shape
    out = np.empty((n, min(h, _SIDE) * min(w, _SIDE)), dtype=np.float16)

    def fill(start: int) -> None:
        grey = pixels[start : start + _SHRUNK].mean(axis=3, dtype=np.float32)
        flat = summed(grey, _SIDE).reshape(len(grey), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        out[start : start + _SHRUNK] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)

    side_by_side(fill, range(0, n, _SHRUNK), jobs)
    return out
