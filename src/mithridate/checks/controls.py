"""A few ordinary samples of every class, on which a test can be tried before it is believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch
from mithridate.core.hashing import uniform

__all__ = ["Controls", "lower"]

_MOST = 60


class Controls:
    """The same samples for any batch size, order and sharding; mergeable.

    Args:
        classes: k.
        seed: the run's.
    """

    def __init__(self, classes: int, seed: int) -> None:
        self._seed = seed
        self._drawn = np.full((classes, _MOST), np.inf)
        self._rows = np.full((classes, _MOST), -1, dtype=np.int64)

    def fit(self, batch: Batch) -> None:
        """Offer the labelled samples of a batch."""
        label, drawn = batch.evidence["label"], uniform(batch.ids, self._seed, "control")
        for y in range(len(self._drawn)):
            mine = np.flatnonzero(label == y)
            self._keep(y, drawn[mine], batch.rows[mine])

    def merge(self, other: Controls) -> None:
        """Offer those of another part."""
        for y in range(len(self._drawn)):
            self._keep(y, other._drawn[y], other._rows[y])

    def of(self, y: int, without: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ascending rows of controls of class y that are not among `without`."""
        rows = self._rows[y]
        return np.setdiff1d(rows[rows >= 0], without)

    def _keep(self, y: int, drawn: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        drawn, rows = np.append(self._drawn[y], drawn), np.append(self._rows[y], rows)
        first = np.lexsort((rows, drawn))[:_MOST]
        self._drawn[y], self._rows[y] = drawn[first], rows[first]


def lower(mine: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """p-value of `mine` being no lower than `others` (Mann & Whitney, Ann. Math. Stat. 18, 1947)."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(mine, others, alternative="less").pvalue)
