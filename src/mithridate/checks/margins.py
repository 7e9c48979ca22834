"""How labels disagree with content, pair by pair of classes, in counts that merge exactly.

For a sample labelled y, the *margin* to class j is logit_y - logit_j of the out-of-fold content model. A
sample is in *conflict* where some other class is more probable than its label, and in *confident conflict*
where it looks like that other class a more than a given share of a's own well recognised members do. Natural
confusions pile up near the border between two classes; labels changed by hand land on typical members as
often as on odd ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch

__all__ = [
    "CENTRES",
    "MOST_CLASSES",
    "ZERO",
    "Cuts",
    "PairCounts",
    "confident_conflicts",
    "counted",
    "cut_pairs",
]

#: Above this many classes the table of pairs would no longer be small.
MOST_CLASSES = 512
_BINS = 256
_SORTED = 1 << 14  # fewest conflicts worth a sort
_SPAN = 5.0  # asinh of the largest margin told apart, about 74

#: Margin in the middle of each bin; bin `ZERO` is the first with a positive margin.
CENTRES: NDArray[np.float64] = np.sinh((np.arange(_BINS) + 0.5) / _BINS * 2 * _SPAN - _SPAN)
ZERO = _BINS // 2


def _bins(margin: NDArray[np.float32]) -> NDArray[np.int64]:
    place = (np.arcsinh(margin) + _SPAN) * (_BINS / (2 * _SPAN))
    return np.clip(place, 0, _BINS - 1).astype(np.int64)


def counted(batch: Batch) -> NDArray[np.bool_]:
    """(b,) samples that count: labelled, finite logits, and the first of their near-duplicate group."""
    return np.asarray(_known(batch) & (batch.evidence["group"] == batch.rows))


def _known(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray((batch.evidence["label"] >= 0) & np.isfinite(batch.evidence["logits"]).all(axis=1))


class PairCounts:
    """Histogram of margins for every ordered pair of classes; exact under any sharding.

    Near-duplicates count once, and once more for every conflict of another kind among them: a changed label
    counts although an untouched copy of the sample came first.

    Args:
        classes: k.

    Attributes:
        table: (k, k, bins) samples labelled i whose margin to j is in the bin.
    """

    def __init__(self, classes: int) -> None:
        self.table = np.zeros((classes, classes, _BINS), dtype=np.int32)
        self._conflicts = np.zeros((0, 3), dtype=np.int64)  # group, rival * k + label, bin
        self._waiting: list[NDArray[np.int64]] = []  # more of them, not yet held against the others

    def add(self, batch: Batch) -> None:
        """Count the samples of a batch with "logits", "label" and "group"."""
        k = len(self.table)
        known = np.flatnonzero(_known(batch))
        groups, first = batch.evidence["group"][known], counted(batch)[known]
        labels, logits = batch.evidence["label"][known].astype(np.int64), batch.evidence["logits"][known]
        bins = _bins(logits[np.arange(len(known)), labels][:, None] - logits)
        cell = (labels[:, None] * k + np.arange(k)) * _BINS + bins
        np.add.at(self.table.reshape(-1), cell[first].ravel(), 1)
        rival = logits.argmax(axis=1)
        wrong = np.flatnonzero(rival != labels)
        margin = logits[wrong, rival[wrong]] - logits[wrong, labels[wrong]]
        self._join(np.stack([groups[wrong], rival[wrong] * k + labels[wrong], _bins(margin)], axis=1))

    def merge(self, other: PairCounts) -> None:
        """Add the counts of other samples."""
        self.table += other.table
        self._join(other._settled())

    def _join(self, more: NDArray[np.int64]) -> None:
        """Add conflicts; sorted in only when they are as many as those before, so that each is rarely moved."""
        self._waiting.append(more)
        if sum(map(len, self._waiting)) > max(len(self._conflicts), _SORTED):
            self._settled()

    def _settled(self) -> NDArray[np.int64]:
        """Of each kind of conflict in a group, the least confident."""
        if not self._waiting:
            return self._conflicts
        rows = np.concatenate([self._conflicts, *self._waiting])
        self._waiting = []
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        new = np.ones(len(rows), dtype=bool)
        new[1:] = (rows[1:, :2] != rows[:-1, :2]).any(axis=1)
        self._conflicts = rows[new]
        return self._conflicts

    def rivals(self) -> NDArray[np.int64]:
        """(k, k, bins) samples labelled j whose most probable class is i, over logit_i - logit_j."""
        found, conflicts = np.zeros(self.table.size, dtype=np.int64), self._settled()
        np.add.at(found, conflicts[:, 1] * _BINS + conflicts[:, 2], 1)
        return found.reshape(self.table.shape)


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Where confidence begins, for every pair (a, b): "content says a, label says b".

    Attributes:
        bin: (k, k) first bin of margin logit_a - logit_b that is confident; past the end where a is hardly
            recognised.
        exposure: (k, k) samples labelled a in the confident region.
        confident: (k, k) samples labelled b, most probably a, in the confident region.
        conflicts: (k, k) samples labelled b and most probably a.
    """

    bin: NDArray[np.int64]
    exposure: NDArray[np.int64]
    confident: NDArray[np.int64]
    conflicts: NDArray[np.int64]


def cut_pairs(counts: PairCounts, quantile: float, least: int = 10) -> Cuts:
    """Cut every pair at a quantile of the margin of a's members that are recognised as a rather than b.

    Args:
        counts: margins of the whole data set.
        quantile: share of a's recognised members below the cut.
        least: recognised members that a needs for its median to mean anything.
    """
    own = counts.table.astype(np.int64)
    above = own[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    beyond = counts.rivals()[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    recognised = above[:, :, ZERO]
    gap = np.abs(above - (1 - quantile) * recognised[:, :, None])
    gap[:, :, :ZERO] = np.inf
    cut = gap.argmin(axis=2)
    grid = np.ix_(np.arange(len(own)), np.arange(len(own)))
    usable = (recognised >= least) & ~np.eye(len(own), dtype=bool)
    return Cuts(
        bin=np.where(usable, cut, _BINS),
        exposure=np.where(usable, above[grid[0], grid[1], cut], 0),
        confident=np.where(usable, beyond[grid[0], grid[1], cut], 0),
        conflicts=np.where(usable, beyond[:, :, ZERO], 0),
    )


def confident_conflicts(batch: Batch, cuts: Cuts) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which samples of a batch conflict confidently, and with which class.

    Returns:
        (b,) True where the most probable class is not the label and the margin is beyond the cut; (b,) the
        most probable class.
    """
    logits, labels = batch.evidence["logits"], batch.evidence["label"]
    rows = np.arange(len(labels))
    rival = np.argmax(logits, axis=1)
    margin = logits[rows, rival] - logits[rows, np.maximum(labels, 0)]
    known = (labels >= 0) & (rival != labels) & np.isfinite(margin)
    bins = _bins(np.where(known, margin, 0).astype(np.float32))
    return np.asarray(known & (bins >= cuts.bin[rival, np.maximum(labels, 0)])), rival
