"""Do a suspect's carriers look like victims drawn from other classes, or like a kind of their own?

An attacker's victims are an arbitrary draw of samples of other classes. The carriers of a natural feature differ from
those in many ways at once. Where samples have cells that can be compared one by one, a G-test per cell (against all
samples of other classes, the cells that the key itself fixes left out), joined by Fisher's method, tells them apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import Scope
from mithridate.checks.tally import Suspect
from mithridate.core.batch import Batch

__all__ = ["LEAST", "Likeness"]

#: Fewer carriers than this say too little about their kind: columns of values that decide the label by themselves
#: (amounts, codes) make small groups that look like victims.
LEAST = 25

_KINDS = 9  # values of a cell, at most
_CELLS = "vector:cells"


class Likeness:
    """Histograms of cells by class and by suspect; mergeable.

    Args:
        scope: says whether there are cells, and how many.
        suspects: how many.
    """

    def __init__(self, scope: Scope, suspects: int) -> None:
        self._scope = scope
        width = scope.widths.get("cells", 0)
        self._classes = np.zeros((max(len(scope.classes), 1), width, _KINDS), dtype=np.int64)
        self._suspects = np.zeros((suspects, width, _KINDS), dtype=np.int64)

    def fit_classes(self, batch: Batch) -> None:
        """Add the cells of all labelled samples."""
        cells, label = batch.evidence.get(_CELLS), batch.evidence["label"]
        if cells is None:
            return
        for y in np.unique(label[label >= 0]):
            self._classes[y] += _histogram(cells[label == y])

    def fit_suspect(self, number: int, batch: Batch, local: NDArray[np.int64]) -> None:
        """Add the cells of some carriers of a suspect that bear its label."""
        if _CELLS in batch.evidence and len(local):
            self._suspects[number] += _histogram(batch.evidence[_CELLS][local])

    def merge(self, other: Likeness) -> None:
        """Add another part."""
        self._classes += other._classes
        self._suspects += other._suspects

    def p_value(self, number: int, suspect: Suspect) -> float | None:
        """How likely a draw from the other classes differs from them as much as the carriers do.

        1 where nothing can be compared, None for fewer than `LEAST` carriers.
        """
        from scipy.stats import chi2

        mine = self._suspects[number]
        if not mine.size:
            return 1.0
        if mine[0].sum() < LEAST:
            return None
        decides = self._scope.tables[suspect.family].decides
        fixed = set(decides(suspect.key)) if decides is not None else set()
        others = self._classes.sum(axis=0) - self._classes[suspect.label]
        p_values = []
        for column in range(len(mine)):
            if column not in fixed:
                g, freedom = _g_test(mine[column], others[column])
                if freedom:
                    p_values.append(max(float(chi2.sf(g, freedom)), 1e-300))
        if not p_values:
            return 1.0
        return float(chi2.sf(-2.0 * float(np.log(p_values).sum()), 2 * len(p_values)))


def _histogram(cells: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(b, columns) → (columns, kinds)."""
    width = cells.shape[1]
    flat = np.minimum(cells, _KINDS - 1).astype(np.int64) + _KINDS * np.arange(width)
    return np.bincount(flat.ravel(), minlength=width * _KINDS).reshape(width, _KINDS)


def _g_test(mine: NDArray[np.int64], others: NDArray[np.int64]) -> tuple[float, int]:
    """G statistic of two histograms and its degrees of freedom; kinds seen in neither are left out."""
    both = np.stack([mine, others]).astype(np.float64)
    both = both[:, both.sum(axis=0) > 0]
    if both.shape[1] < 2 or not both.sum(axis=1).all():
        return 0.0, 0
    expected = both.sum(axis=1, keepdims=True) * both.sum(axis=0) / both.sum()
    ratio = np.where(both > 0, both / expected, 1.0)
    return float(2.0 * (both * np.log(ratio)).sum()), both.shape[1] - 1
