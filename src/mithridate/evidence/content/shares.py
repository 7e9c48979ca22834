"""Compiled kernel of `logistic`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled

__all__ = ["shares"]


@compiled
def shares(
    counts: NDArray[np.int64],
    keys: NDArray[np.int32],
    folds: NDArray[np.int8],
    norms: NDArray[np.float32],
    own: NDArray[np.float32],
) -> NDArray[np.float32]:
    """What each entry's key adds to the scores of its sample: the key's weight in the sample's fold, by its norm.

    Args:
        counts: (b,) entries of each sample.
        keys: (p,) key of each entry, sample by sample.
        folds: (b,) fold of each sample.
        norms: (b,) norm of each sample.
        own: (m, folds, c) weight of each key.

    Returns:
        (p, c).
    """
    added = np.empty((len(keys), own.shape[2]), np.float32)
    e = 0
    for i in range(len(counts)):
        for _ in range(counts[i]):
            for j in range(own.shape[2]):
                added[e, j] = own[keys[e], folds[i], j] / norms[i]
            e += 1
    return added
