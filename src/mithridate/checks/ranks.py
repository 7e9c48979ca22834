"""How unusual it is, among samples that bear a label, that their content speaks so little for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch

__all__ = ["LabelRanks", "log_odds", "log_softmax"]

_BINS = 1024
_SPAN = 28.0  # log odds; beyond lies one bin


class LabelRanks:
    """Per class, a histogram of the content log odds of the samples that bear it; mergeable.

    Args:
        classes: k.
    """

    def __init__(self, classes: int) -> None:
        self._counts = np.zeros((classes, _BINS), dtype=np.int64)

    def fit(self, batch: Batch) -> None:
        """Add the labelled samples of a batch."""
        label = batch.evidence["label"]
        known = np.flatnonzero(label >= 0)
        y = label[known].astype(np.int64)
        bins = _bin(log_odds(batch.evidence["logits"][known], y))
        flat = np.bincount(y * _BINS + bins, minlength=self._counts.size)
        self._counts += flat.reshape(self._counts.shape)

    def merge(self, other: LabelRanks) -> None:
        """Add another part."""
        self._counts += other._counts

    def surprise(self, odds: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
        """(m,) -ln of the share of bearers of y whose odds are no larger; exponential for an ordinary bearer."""
        below = np.cumsum(self._counts, axis=1)
        return np.asarray(-np.log((below[y, _bin(odds)] + 1.0) / (below[y, -1] + 1.0)))


def log_odds(logits: NDArray[np.float32], y: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """(m,) log p(y) / (1 - p(y)) under softmax."""
    z = logits.astype(np.float64)
    rows = np.arange(len(z))
    own = z[rows, y].copy()
    z[rows, y] = -np.inf
    top = z.max(axis=1)
    return np.asarray(own - top - np.log(np.exp(z - top[:, None]).sum(axis=1)))


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(b, k) log-probabilities; no underflow, so that ranks stay sharp far from the border."""
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))


def _bin(odds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip(((odds + _SPAN) / (2 * _SPAN) * _BINS).astype(np.int64), 0, _BINS - 1)
