"""Folds that keep samples of one kind together, so that what a probe learns must hold for kinds it has not seen.

Frames of one film, photographs of one place share more than near-duplicates do; a model that has met some of them knows
the others. What goes with a label in every kind of sample is what a shortcut is (cf. Roberts et al., "Cross-validation
strategies for data with ... hierarchical ... structure", Ecography 40, 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["blocks"]

_SIZE = 15  # samples of a block, on average
_FEWEST, _MOST = 5, 60  # blocks of a label
_STEPS = 7
_FITTED = 20_000  # samples of a label that are worked on at once, and that say where its blocks are


def blocks(vectors: NDArray[np.float32], labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """Group the samples of each label by likeness (k-means).

    Args:
        vectors: (m, d) what likeness is measured on; what may be a shortcut should not be in it.
        labels: (m,) class index, -1 = missing.
        seed: decides where k-means begins.

    Returns:
        (m,) number of the block of each sample; blocks of two labels differ, -1 without a label.
    """
    found = np.full(len(labels), -1, dtype=np.int64)
    first = 0
    for label in np.unique(labels[labels >= 0]).tolist():
        rows, rng = np.flatnonzero(labels == label), np.random.default_rng([seed, 6, label])
        count = min(len(rows), int(np.clip(len(rows) // _SIZE, _FEWEST, _MOST)))
        few = rows if len(rows) <= _FITTED else np.sort(rng.choice(rows, _FITTED, replace=False))
        centres = _centres(vectors[few], count, rng)
        for start in range(0, len(rows), _FITTED):
            some = rows[start : start + _FITTED]
            found[some] = first + _nearest(vectors[some], centres)
        first += count
    return found


def _centres(x: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    from scipy.sparse import csr_matrix

    centres, one = x[rng.choice(len(x), count, replace=False)], np.ones(len(x), np.float32)
    for _ in range(_STEPS):
        nearest = _nearest(x, centres)
        sizes = np.bincount(nearest, minlength=count)
        member = csr_matrix((one, nearest, np.arange(len(x) + 1)), (len(x), count))
        centres = np.where(sizes[:, None] > 0, (member.T @ x) / np.maximum(sizes, 1)[:, None], centres)
    return np.asarray(centres, np.float32)


def _nearest(x: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    near = 0.5 * (centres * centres).sum(axis=1) - x @ centres.T
    return np.asarray(near.argmin(axis=1), dtype=np.int64)
