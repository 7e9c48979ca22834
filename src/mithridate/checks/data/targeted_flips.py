"""Tells labels changed on purpose from noise: conflicts crowded in one pair of classes or one source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.margins import (
    CENTRES,
    MOST_CLASSES,
    ZERO,
    Cuts,
    PairCounts,
    confident_conflicts,
    counted,
    cut_pairs,
)
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity

__all__ = ["TargetedFlips"]

#: Share of a class that may be mislabelled into one other class without anybody meaning it.
_FLOOR = 0.005
#: Least share of a pair's conflicts that must behave like flips of typical members.
_TYPICAL = 0.3
#: Least share of a source that must conflict confidently, and how many times what its labels do elsewhere.
_SOURCE_SHARE, _SOURCE_TIMES = 0.05, 3.0
#: Members accused look like the other class more than this share of its own.
_ACCUSED = 0.05
#: Beyond this share of flips a content model learned from them cannot be relied on.
_MOST_FLIPPED = 0.2
_MOST_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Samples labelled b whose content says a."""

    a: int
    b: int
    confident: int
    expected: float
    exposure: int
    conflicts: int
    reverse: int
    p: float
    accused_margin: float

    @property
    def flips(self) -> float:
        return 2 * max(self.confident - self.expected, 0.0)


def _natural(own: NDArray[np.int64], other: NDArray[np.int64], cut: int) -> float:
    """Samples labelled b expected beyond the cut if confusion fades as it does below the cut.

    A logistic law P(b | margin) = 1 / (1 + exp(beta * margin + c)) is fitted below the cut (Platt, 1999) and
    continued beyond it; the larger of this and the content model's own calibrated expectation counts.
    """
    total = (own + other).astype(np.float64)
    beta, shift = 1.0, 0.0
    z, n, k = CENTRES[:cut], total[:cut], other[:cut].astype(np.float64)
    for _ in range(30):
        p = 1 / (1 + np.exp(np.clip(beta * z + shift, -50, 50)))
        slack, weight = n * p - k, n * p * (1 - p)
        # One pseudo-count keeps the slope finite where the classes do not overlap.
        hessian = np.array(
            [[(weight * z * z).sum() + 1.0, (weight * z).sum()], [(weight * z).sum(), weight.sum() + 1.0]]
        )
        gradient = np.array([-(slack * z).sum() + beta - 1.0, -slack.sum() + shift])
        step = np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
        beta, shift = max(beta - float(step[0]), 0.0), shift - float(step[1])
    far = CENTRES[cut:]
    fitted = 1 / (1 + np.exp(np.clip(beta * far + shift, -50, 50)))
    given = 1 / (1 + np.exp(np.clip(far, -50, 50)))
    return float(max((total[cut:] * fitted).sum(), (total[cut:] * given).sum()))


def _asymmetry(
    count: NDArray[np.float64],
    reverse: NDArray[np.float64],
    exposure: NDArray[np.float64],
    back: NDArray[np.float64],
) -> NDArray[np.float64]:
    """P of so one-sided a count if both directions had equal rates, or equal counts; the larger of both."""
    from scipy.special import betainc

    share = np.maximum(exposure / np.maximum(exposure + back, 1), 0.5)
    trials = count + reverse + 1
    return np.where(count > 0, betainc(np.maximum(count, 1), trials - count + 1, share), 1.0)


def _excess(count: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import gammainc

    return np.where(count > 0, gammainc(np.maximum(count, 1), expected), 1.0)


@data_check(
    Card(
        id="targeted-flips",
        title="labels changed in one direction",
        stage="data",
        modalities=("image", "text", "table", "audio"),
        needs=("labels", "content"),
        assumes="Whoever changes labels picks typical members of a class as well as odd ones, and changes "
        "them in one direction or in one source; honest confusion fades with confidence and honest noise "
        "goes both ways.",
        catches=("targeted-flip",),
        misses="Flips of samples that lie between two classes anyway; flips spread over many pairs of "
        "classes; flips in one direction of less than half a per cent of a class; classes that the content "
        "model cannot tell apart; a content model flexible enough to learn the share of flips.",
        effect="share of the true class that carries the other label",
        cites="Northcutt, Jiang & Chuang, Confident Learning, JAIR 2021 (class-conditional noise); Menon et "
        "al., Learning from Corrupted Binary Labels, ICML 2015 (noise rates from the range of class "
        "probabilities); Platt, Probabilistic Outputs for Support Vector Machines, 1999 (calibration).",
        remedy="Look at the samples named, restore their labels, and ask where they came from.",
        graded=True,
        reads_order=False,
    )
)
class TargetedFlips(DataCheck):
    """One finding per pair of classes, or source, whose confident conflicts nature does not explain."""

    rounds = 2

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k = len(scope.classes)
        self._counts = PairCounts(k if k <= MOST_CLASSES else 0)
        self._cuts: Cuts | None = None
        self._pairs: list[_Pair] = []
        self._floor = ""
        wide = len(scope.source_names) * k
        self._by_source = np.zeros(
            (2, len(scope.source_names) if wide <= _MOST_CELLS else 0, k), dtype=np.int64
        )
        self._sources: list[tuple[int, float, float]] = []

    def applicable(self) -> str | None:
        """Needs at least two classes and not too many."""
        if len(self.scope.classes) > MOST_CLASSES:
            return f"more than {MOST_CLASSES} classes: too many pairs to compare"
        return None if int((self.scope.sizes >= 10).sum()) >= 2 else "fewer than two classes with ten samples"

    def fit(self, batch: Batch) -> None:
        """Round 0: margins of every pair. Round 1: confident conflicts of every source."""
        if self.round == 0:
            self._counts.add(batch)
        elif self._by_source.size and "source" in batch.evidence and self._cuts is not None:
            conflict, _ = confident_conflicts(batch, self._cuts)
            known = counted(batch)
            place = (batch.evidence["source"][known], batch.evidence["label"][known])
            np.add.at(self._by_source[0], place, 1)
            np.add.at(self._by_source[1], place, conflict[known])

    def merge(self, other: Self) -> None:
        """Add counts."""
        if self.round == 0:
            self._counts.merge(other._counts)
        else:
            self._by_source += other._by_source

    def advance(self) -> None:
        """Round 0: judge the pairs. Round 1: judge the sources."""
        if self.round == 0:
            self._cuts = cut_pairs(self._counts, 0.5)
            self._judge_pairs(self._cuts)
        elif self._by_source.size:
            self._judge_sources()

    def _judge_pairs(self, cuts: Cuts) -> None:
        usable = cuts.exposure > 0
        tests = max(int(usable.sum()), 1)
        count = cuts.confident.astype(np.float64)
        lopsided = (
            _asymmetry(count, count.T, cuts.exposure.astype(float), cuts.exposure.T.astype(float)) * tests
        )
        typical = 2 * count >= _TYPICAL * np.maximum(cuts.conflicts, 1)
        for a, b in zip(*np.nonzero(usable & typical & (lopsided <= 0.05)), strict=True):
            own, other = (
                self._counts.table[a, b].astype(np.int64),
                self._counts.table[b, a, ::-1].astype(np.int64),
            )
            expected = _natural(own, other, int(cuts.bin[a, b]))
            bar = np.asarray(expected + _FLOOR * cuts.exposure[a, b])
            p = max(float(_excess(count[a, b], bar)) * tests, float(lopsided[a, b]))
            flips = 2 * (count[a, b] - expected)
            if p > self.scope.alpha or flips < _TYPICAL * cuts.conflicts[a, b]:
                continue
            ranks = own[ZERO:].cumsum() / max(own[ZERO:].sum(), 1)
            self._pairs.append(
                _Pair(
                    a=int(a),
                    b=int(b),
                    confident=int(count[a, b]),
                    expected=expected,
                    exposure=int(cuts.exposure[a, b]),
                    conflicts=int(cuts.conflicts[a, b]),
                    reverse=int(count[b, a]),
                    p=p,
                    accused_margin=float(CENTRES[ZERO + int(np.searchsorted(ranks, _ACCUSED))]),
                )
            )
        self._pairs.sort(key=lambda pair: (pair.p, pair.a, pair.b))
        self._floor = self._limit(cuts, tests)

    def _limit(self, cuts: Cuts, tests: int) -> str:
        """The fewest flips that would be told, in the pair where it is easiest."""
        exposure, count = cuts.exposure.astype(float), cuts.confident.astype(float)
        bar = _FLOOR * exposure + count
        low, high = np.ones_like(exposure), np.maximum(exposure, 1.0)
        for _ in range(20):
            middle = np.ceil((low + high) / 2)
            p = np.maximum(
                _excess(count + middle, bar), _asymmetry(count + middle, count.T, exposure, exposure.T)
            )
            enough = (p * tests <= self.scope.alpha) & (
                2 * middle >= _TYPICAL * (cuts.conflicts + 2 * middle)
            )
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        able = (cuts.exposure > 0) & (high <= _MOST_FLIPPED * exposure)
        if not able.any():
            return "no power: the classes are too small, or content does not tell them apart well enough"
        easiest = np.where(able, high, np.inf)
        a, b = (int(i) for i in np.unravel_index(easiest.argmin(), easiest.shape))
        names, blind = self.scope.classes, int((cuts.exposure > 0).sum() - able.sum())
        rest = f"; no power in {blind} of {tests} directions" if blind else ""
        flips = int(2.5 * high[a, b])  # flips wear down the content model: fewer than half end up confident
        return f"about {flips:,} of {int(self.scope.sizes[a]):,} {names[a]!r} labelled {names[b]!r}{rest}"

    def _judge_sources(self) -> None:
        size, conflict = (part.astype(np.float64) for part in self._by_source)
        rate = (conflict.sum(0) - conflict + 0.5) / (size.sum(0) - size + 1.0)
        n, k, expected = size.sum(1), conflict.sum(1), (size * rate).sum(1)
        p = _excess(k, expected + _FLOOR * n) * len(n)
        strong = (k - expected >= _SOURCE_SHARE * n) & (k >= _SOURCE_TIMES * expected) & (n > 0)
        for s in np.flatnonzero(strong & (p <= self.scope.alpha)):
            self._sources.append((int(s), float(p[s]), float(expected[s])))

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Members of the pairs and sources found, by how confidently their content contradicts the label."""
        labels, logits = batch.evidence["label"], batch.evidence["logits"]
        for g, pair in enumerate(self._pairs):
            margin = (logits[:, pair.a] - logits[:, pair.b]).astype(np.float64)
            rows = np.flatnonzero((labels == pair.b) & (logits.argmax(axis=1) == pair.a) & (margin > 0))
            yield Hits(group=g, rows=batch.rows[rows], scores=margin[rows])
        for g, (source, _, _) in enumerate(self._sources, start=len(self._pairs)):
            rows = np.flatnonzero((batch.evidence["source"] == source) & (labels >= 0))
            margin = logits[rows].max(axis=1) - logits[rows, labels[rows]]
            yield Hits(
                group=g, rows=batch.rows[rows[margin > 0]], scores=margin[margin > 0].astype(np.float64)
            )

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One finding per pair or source, or a `Clear`."""
        for g, pair in enumerate(self._pairs):
            yield self._pair_finding(pair, ranked[g])
        for g, found in enumerate(self._sources, start=len(self._pairs)):
            yield self._source_finding(*found, ranked[g])
        if not self._pairs and not self._sources:
            yield Clear(
                check=self.card.id,
                message="Labels that contradict their content are no more one-sided than honest confusion "
                "and noise.",
                limit=self._floor,
            )

    def _pair_finding(self, pair: _Pair, hits: Ranked) -> Finding:
        a, b = self.scope.classes[pair.a], self.scope.classes[pair.b]
        count = int(sum(score >= pair.accused_margin for score in hits.scores))
        flips = min(pair.flips * (1 - _ACCUSED), count)
        often = "never happens" if not pair.reverse else f"happens {pair.reverse:,} times"
        return Finding(
            check=self.card.id,
            severity=Severity.SUSPICIOUS,
            message=f"{pair.confident:,} samples labelled {b!r} look more like {a!r} than half of all {a!r} "
            f"do, where honest confusion explains about {pair.expected:.0f}; the reverse {often}. About "
            f"{pair.flips:.0f} labels seem to have been changed from {a!r} to {b!r}.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            label=b,
            p_value=min(pair.p, 1.0),
            effect=pair.flips / max(int(self.scope.sizes[pair.a]), 1),
            limit=self._floor,
            innocents=round(count - flips, 1),
            details={
                "content_says": a,
                "label_says": b,
                "confident": pair.confident,
                "expected": round(pair.expected, 2),
                "reverse": pair.reverse,
                "conflicts": pair.conflicts,
            },
        )

    def _source_finding(self, source: int, p: float, expected: float, hits: Ranked) -> Finding:
        name = self.scope.source_names[source]
        n, k = int(self._by_source[0, source].sum()), int(self._by_source[1, source].sum())
        count = min(2 * k, len(hits.ids))
        return Finding(
            check=self.card.id,
            severity=Severity.SUSPICIOUS,
            message=f"{k:,} of {n:,} samples from source {name!r} bear a label that their content "
            f"confidently contradicts; the same labels elsewhere would give {expected:.1f}.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            p_value=min(p, 1.0),
            effect=k / max(n, 1),
            limit=self._floor,
            innocents=round(min(2 * expected, count), 1),
            details={"source": name, "confident": k, "expected": round(expected, 2), "samples": n},
        )
