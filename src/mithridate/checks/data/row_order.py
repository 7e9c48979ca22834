"""Finds runs of neighbouring rows whose labels contradict their content: a block mislabelled in one go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.margins import MOST_CLASSES, Cuts, PairCounts, confident_conflicts, counted, cut_pairs
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity

__all__ = ["RowOrder"]

_BUCKETS = 16_384
#: A conflict counts where a sample looks like the other class more than this share of that class.
_CUT = 0.25
#: A block must exceed what its labels do in all rows by this share; a block of flips has 1 - _CUT.
_EXCESS = 0.35
#: Confident conflicts that any row may have without anybody meaning it.
_FLOOR = 0.005
_LEAST, _MOST_BLOCKS = 10, 10


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Buckets start..stop-1."""

    start: int
    stop: int
    confident: int
    expected: float
    p: float


def _lengths(buckets: int) -> list[int]:
    """Window lengths in buckets, each half as long again, up to half of the data."""
    lengths: list[int] = []
    length = 1.0
    while length <= max(buckets / 2, 1):
        if not lengths or int(length) > lengths[-1]:
            lengths.append(int(length))
        length *= 1.5
    return lengths


def _tail(
    count: NDArray[np.float64],
    rows: NDArray[np.float64],
    share: NDArray[np.float64],
    total: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """P of so many conflicts in a window if all of them fell anywhere, or if every row had the floor's rate.

    Args:
        count: conflicts in the window.
        rows: its rows.
        share: of all conflicts, expected in the window because of its labels.
        total: conflicts in all rows.

    Returns:
        The larger of the binomial and the Poisson tail.
    """
    from scipy.special import betainc, gammainc

    k = np.maximum(count, 1)
    anywhere = betainc(k, np.maximum(total - k + 1, 1), np.clip(share, 0.0, 1.0))
    return np.where(count > 0, np.maximum(anywhere, gammainc(k, _FLOOR * rows)), 1.0)


@data_check(
    Card(
        id="row-order",
        title="mislabelled block of rows",
        stage="data",
        modalities=("image", "text", "table", "audio"),
        needs=("labels", "content"),
        assumes="Labels and difficulty may come in any order; labels that content confidently contradicts do "
        "not crowd together unless a stretch of rows was labelled wrongly.",
        catches=None,
        misses="Wrong labels that are scattered over the rows; blocks of samples that the content model gets "
        "wrong anyway; data that was shuffled after the block was added.",
        effect="share of the block's rows whose label the content confidently contradicts",
        cites="Naus, The distribution of the size of the maximum cluster of points on a line, JASA 1965; "
        "Kulldorff, A spatial scan statistic, Comm. Statist. 1997, section 3 (expected counts by stratum).",
        remedy="Look at the rows of the block, restore their labels, and ask what happened to that stretch.",
        graded=True,
        reads_order=True,
    )
)
class RowOrder(DataCheck):
    """A scan over windows of many lengths; what each label does in the whole data says what to expect."""

    rounds = 3

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k = len(scope.classes)
        self._width = max(1, math.ceil(scope.n / _BUCKETS))
        buckets = max(1, math.ceil(scope.n / self._width))
        self._counts = PairCounts(k if k <= MOST_CLASSES else 0)
        self._cuts: Cuts | None = None
        self._labelled = np.zeros((buckets, 2), dtype=np.int64)  # rows, rows in conflict
        self._confident = np.zeros(buckets, dtype=np.int64)
        self._classes = np.zeros((2, k), dtype=np.int64)  # samples, confident conflicts
        self._rates = np.zeros(k)
        self._expected = np.zeros(buckets)
        self._blocks: list[_Block] = []
        self._windows = 1

    def applicable(self) -> str | None:
        """Needs two classes that can be recognised."""
        if len(self.scope.classes) > MOST_CLASSES:
            return f"more than {MOST_CLASSES} classes: too many pairs to compare"
        return None if int((self.scope.sizes >= 10).sum()) >= 2 else "fewer than two classes with ten samples"

    def fit(self, batch: Batch) -> None:
        """Round 0: margins. Round 1: conflicts of buckets and classes. Round 2: what to expect of buckets."""
        if self.round == 0:
            self._counts.add(batch)
            return
        known = counted(batch)
        labels, buckets = batch.evidence["label"][known], batch.rows[known] // self._width
        if self.round == 2:
            np.add.at(self._expected, buckets, self._rates[labels])
            return
        if self._cuts is None:
            return
        confident, rival = confident_conflicts(batch, self._cuts)
        np.add.at(self._labelled[:, 0], buckets, 1)
        np.add.at(self._labelled[:, 1], buckets, rival[known] != labels)
        np.add.at(self._confident, buckets, confident[known])
        np.add.at(self._classes[0], labels, 1)
        np.add.at(self._classes[1], labels, confident[known])

    def merge(self, other: Self) -> None:
        """Add counts."""
        if self.round == 0:
            self._counts.merge(other._counts)
        elif self.round == 1:
            self._labelled += other._labelled
            self._confident += other._confident
            self._classes += other._classes
        else:
            self._expected += other._expected

    def advance(self) -> None:
        """Round 0: cut the pairs. Round 1: rates of the classes. Round 2: scan."""
        if self.round == 0:
            self._cuts = cut_pairs(self._counts, _CUT)
        elif self.round == 1:
            self._rates = self._classes[1] / np.maximum(self._classes[0], 1)
        else:
            self._scan()

    def _scan(self) -> None:
        taken = np.zeros(len(self._confident), dtype=bool)
        while len(self._blocks) < _MOST_BLOCKS:
            block = self._strongest(taken)
            if block is None or block.p > self.scope.alpha:
                break
            self._blocks.append(block)
            taken[block.start : block.stop] = True

    def _strongest(self, taken: NDArray[np.bool_]) -> _Block | None:
        k, m, n, c, t = (
            np.concatenate([[0.0], np.cumsum(x)])
            for x in (self._confident, self._expected, *self._labelled.T, taken)
        )
        wrong = (1 + c[-1] / max(n[-1], 1)) / 2  # midway between the usual share of conflicts and all
        lengths, best = _lengths(len(taken)), None
        self._windows = sum(len(taken) - length + 1 for length in lengths)
        for length in lengths:
            count, mean, rows, all_, used = (x[length:] - x[:-length] for x in (k, m, n, c, t))
            strong = (
                (count >= _LEAST) & (count - mean >= _EXCESS * rows) & (all_ >= wrong * rows) & (used == 0)
            )
            if not strong.any():
                continue
            p = np.where(strong, _tail(count, rows, mean / max(m[-1], 1e-12), k[-1]), 2.0)
            i = int(p.argmin())
            if best is None or p[i] * self._windows < best.p:
                start, stop = self._fit_edges(i, i + length, taken)
                best = _Block(
                    start=start,
                    stop=stop,
                    confident=int(k[stop] - k[start]),
                    expected=float(m[stop] - m[start]),
                    p=float(p[i] * self._windows),
                )
        return best

    def _fit_edges(self, start: int, stop: int, taken: NDArray[np.bool_]) -> tuple[int, int]:
        """Move both edges to where the share of conflicts falls below midway between the usual and all."""
        rows, conflicts = self._labelled[:, 0].astype(np.float64), self._labelled[:, 1].astype(np.float64)
        usual = conflicts.sum() / max(rows.sum(), 1)
        gain = np.where(taken, -np.inf, conflicts - (1 + usual) / 2 * rows)
        middle = (start + stop) // 2
        after, before = np.cumsum(gain[middle:]), np.cumsum(gain[:middle][::-1])
        stop = middle + 1 + int(after.argmax())
        start = middle - (1 + int(before.argmax()) if len(before) and before.max() > 0 else 0)
        return start, stop

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Rows of the blocks, by how strongly content speaks against their label."""
        labels, logits = batch.evidence["label"], batch.evidence["logits"]
        for g, block in enumerate(self._blocks):
            place = batch.rows // self._width
            rows = np.flatnonzero((place >= block.start) & (place < block.stop) & (labels >= 0))
            margin = logits[rows].max(axis=1) - logits[rows, labels[rows]]
            yield Hits(group=g, rows=batch.rows[rows], scores=margin.astype(np.float64))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One finding per block, or a `Clear`."""
        for g, block in enumerate(self._blocks):
            yield self._finding(block, ranked[g])
        if not self._blocks:
            yield Clear(
                check=self.card.id,
                message="Labels that contradict their content do not crowd together in the order of the "
                "rows.",
                limit=self._limit(),
            )

    def _finding(self, block: _Block, hits: Ranked) -> Finding:
        first, last = int(hits.rows.min()), int(hits.rows.max())
        count = sum(score > 0 for score in hits.scores)
        rows = int(self._labelled[block.start : block.stop, 0].sum())
        usual = (self._labelled[:, 1].sum() - count) / max(self._labelled[:, 0].sum() - rows, 1)
        return Finding(
            check=self.card.id,
            severity=Severity.SUSPICIOUS,
            message=f"{count:,} of the {last - first + 1:,} rows {first:,} to {last:,} (counted from 0) "
            f"bear a label that their content contradicts; of all other rows {usual:.1%} do.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            p_value=min(block.p, 1.0),
            effect=block.confident / max(rows, 1),
            limit=self._limit(),
            innocents=round(count * float(usual), 1),
            details={
                "first_row": first,
                "last_row": last,
                "confident": block.confident,
                "expected": round(block.expected, 3),
            },
        )

    def _limit(self) -> str:
        rows, total = max(int(self._labelled[:, 0].sum()), 1), int(self._confident.sum())
        lengths = np.arange(_LEAST, max(rows // 2, _LEAST + 1)).astype(np.float64)
        planted = np.maximum(lengths * (1 - _CUT), 1)
        share = lengths / rows
        p = self._windows * _tail(planted + total * share, lengths, share, total + planted)
        enough = lengths[(p <= self.scope.alpha) & (planted >= _LEAST) & (1 - _CUT - total / rows >= _EXCESS)]
        if not len(enough):
            return "no power: content contradicts too many labels everywhere"
        return f"a block of about {max(int(enough[0]), self._width):,} neighbouring rows, all mislabelled"
