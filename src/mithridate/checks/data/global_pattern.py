"""Global pattern: part of a class shares a faint additive pattern (blend, sinusoid, watermark) under its content.

A matched filter on high-pass residuals, as in camera identification (Lukas, Fridrich & Goljan, IEEE TIFS 2006), but
with the pattern learnt from the data: from the class mean and its principal directions, repeat "average the samples
that respond most, respond again" on one half of the class, then count who responds on the other half. The tail of
responses is extrapolated exponentially from its bulk; more hits than that are a pattern. It counts as planted only if
no other class responds (natural texture does not keep to one label) and the carriers are not copies of one picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.hashing import uniform
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import poisson_log10_tail

__all__ = ["GlobalPattern"]

_DIRECTIONS = 6  # principal directions, each with both signs
_POWERS = 3  # power iterations
_STEPS = 8
_SHARES = ((0.0, 0.05), (0.6, 0.02), (1.0, 0.01))  # share of the class that is averaged, by progress
# Quantiles through which the tail is drawn: the first pair is sharp, the others cannot be moved by many carriers.
_TAILS = ((0.80, 0.95), (0.50, 0.80), (0.25, 0.50))
_BINS = 4096
_FEWEST = 60  # samples of a class
_OTHERS = 0.25  # most responders of other classes, as a share of the class's own
_ALIKE = 0.4  # most mean correlation of the carriers' content
_WRONG = 0.05  # share of innocents among the accused that the cut allows
_DOUBT = 0.2  # content probability of its own label under which a sample counts as contradicted

CARD = Card(
    id="global-pattern",
    title="global pattern",
    stage="data",
    modalities=("image",),
    needs=("vector:residual", "vector:content", "labels", "content"),
    assumes="the pattern is additive, nearly the same in all carriers, and goes with one label",
    catches=("blend", "sinusoid"),
    misses="patterns that differ from sample to sample (warps, trained perturbations); patterns spread over all "
    "labels; very smooth blends; patterns as faint as the texture (a sinusoid) in more than 4 % of a class; classes of "
    "a few hundred samples",
    effect="share of the class that carries the pattern",
    cites="Chen et al., arXiv 1712.05526 (blend); Barni et al., arXiv 1902.11237 (sinusoid); Lukas, Fridrich & Goljan, "
    "IEEE TIFS 1(2), 2006 (residual correlation)",
    remedy="Look at the amplified pattern; if nobody can explain it, quarantine its carriers.",
    graded=True,
    reads_order=False,
)


@dataclass
class _State:
    """Sums of one round; all zero at its start."""

    count: NDArray[np.float64]
    vector: NDArray[np.float64]
    histogram: NDArray[np.int64]
    extra: NDArray[np.float64]

    def add(self, other: _State) -> None:
        """Merge."""
        self.count += other.count
        self.vector += other.vector
        self.histogram += other.histogram
        self.extra += other.extra


@dataclass(frozen=True)
class _Cut:
    """Where the responses of ordinary samples end: expected number above t = n * exp(-(t - start) / scale).

    Attributes:
        start: a quantile of the responses.
        scale: of the exponential.
        n: samples above the quantile.
    """

    start: float
    scale: float
    n: float

    @classmethod
    def through(cls, histogram: NDArray[np.int64], low: float, high: float) -> _Cut:
        """The tail that continues from the quantile `low` to the quantile `high`."""
        start = _quantile(histogram, high)
        scale = (start - _quantile(histogram, low)) / np.log((1 - low) / (1 - high))
        return cls(start=start, scale=max(scale, 0.5 / _BINS), n=(1 - high) * int(histogram.sum()))

    def above(self, expected: float) -> float:
        """Response above which this many ordinary samples are expected."""
        return self.start + self.scale * float(np.log(max(self.n, 1e-9) / expected))

    def expected(self, t: NDArray[Any]) -> NDArray[Any]:
        """Ordinary samples expected above t."""
        return self.n * np.exp(-(t - self.start) / self.scale)


@dataclass(frozen=True)
class _Centred:
    """Residuals about the mean of all data, each of unit length: (x - mean) / lengths, never written out."""

    x: NDArray[np.float32]
    mean: NDArray[np.float32]
    lengths: NDArray[np.float32]

    @classmethod
    def of(cls, residual: NDArray[np.int8], mean: NDArray[np.float32]) -> _Centred:
        """From (b, d) residuals as they are stored; less than one of their steps in all is none."""
        x = residual.astype(np.float32)
        squares = np.einsum("ij,ij->i", x, x) - 2.0 * (x @ mean) + float(mean @ mean)
        return cls(x, mean, np.sqrt(np.maximum(squares, 1.0)).astype(np.float32))

    def on(self, filters: NDArray[np.float32]) -> NDArray[np.float32]:
        """Inner products with (d, m) filters, or with one (d,)."""
        lengths = self.lengths if filters.ndim == 1 else self.lengths[:, None]
        return np.asarray((self.x @ filters - self.mean @ filters) / lengths)

    def summed(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """(d, m) sums of the residuals, weighted by (b, m); (d,) for (b,)."""
        scaled = (weights.T / self.lengths).T
        return np.asarray(self.x.T @ scaled - np.multiply.outer(self.mean, scaled.sum(axis=0)))


def _by_class(label: NDArray[np.int32], classes: Iterable[int]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(class, places in the batch) of those classes that occur in it."""
    for y in classes:
        rows = np.flatnonzero(label == y)
        if len(rows):
            yield y, rows


@data_check(CARD)
class GlobalPattern(DataCheck):
    """Rounds: means, power iterations, (responses, averages) repeated, hits, then carriers and two refinements."""

    rounds = 1 + _POWERS + 2 * _STEPS + 6

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._d = scope.widths.get("residual", 0)
        self._able = np.flatnonzero(scope.sizes >= _FEWEST)
        k, starts = len(scope.classes), 2 + 2 * _DIRECTIONS
        self._mean = np.zeros(self._d)
        self._centre = np.zeros((k, self._d))
        rng = np.random.default_rng([scope.seed, 11])
        self._basis = rng.standard_normal((k, self._d, _DIRECTIONS))
        self._filters = np.zeros((k, self._d, starts), dtype=np.float32)
        self._cut_at = np.zeros((k, starts))
        self._first = self._centre
        self._found: dict[int, dict[str, float]] = {}
        self._best = 0.0
        self._state = self._zero()

    def applicable(self) -> str | None:
        """Needs a class that is large enough to be halved."""
        return None if len(self._able) else f"no class has {_FEWEST} samples"

    def fit(self, batch: Batch) -> None:
        """Take one batch into the sums of the round."""
        label = batch.evidence["label"]
        late = self.round - (1 + _POWERS + 2 * _STEPS)
        if self.round == 0:
            self._fit_means(batch, label)
        elif late > 0 and late % 2 == 1:
            for y in self._found:
                self._fit_carriers(y, batch, label == y)
        elif late > 0:
            for y, rows in _by_class(label, list(self._found)):
                self._count(y, self._centred(batch, rows).on(self._filters[y][:, :1]))
        else:
            half = self._half(batch)
            chosen = np.where(half == (late < 0), label, -1)
            for y, rows in _by_class(chosen, self._able.tolist()):
                self._fit_half(y, self._centred(batch, rows), late)

    def _fit_half(self, y: int, x: _Centred, late: int) -> None:
        """One class in a round that sees half of it."""
        if self.round <= _POWERS:
            basis = self._basis[y].astype(np.float32)
            self._state.vector[y, :, :_DIRECTIONS] += x.summed(x.on(basis))
            return
        response = x.on(self._filters[y])
        if late < 0 and (self.round - 1 - _POWERS) % 2 == 1:
            self._state.vector[y] += x.summed((response > self._cut_at[y]).astype(np.float32))
        else:
            self._count(y, response)

    def merge(self, other: Self) -> None:
        """Add another part of the same round."""
        self._state.add(other._state)

    def advance(self) -> None:
        """Close the round."""
        late = self.round - (1 + _POWERS + 2 * _STEPS)
        if self.round == 0:
            self._close_means()
        elif self.round <= _POWERS:
            self._close_power()
        elif late < 0:
            step, averaged = divmod(self.round - 1 - _POWERS, 2)
            if averaged:
                self._filters[self._able] = _unit(self._state.vector[self._able], axis=1)
            else:
                self._close_histogram(step)
        elif late == 0:
            self._choose()
        elif late % 2 == 1:
            self._close_carriers(last=late == 5)
        else:
            self._close_cut()
        self._state = self._zero()

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Samples of a found class that respond above the cut."""
        if not self._found:
            return
        for y, rows in _by_class(batch.evidence["label"], list(self._found)):
            response = self._centred(batch, rows).on(self._filters[y][:, 0])
            hit = response > self._found[y]["cut"]
            if hit.any():
                yield Hits(group=y, rows=batch.rows[rows[hit]], scores=response[hit].astype(np.float64))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One finding per class with a pattern."""
        for y, facts in self._found.items():
            if y in ranked:
                yield self._finding(y, facts, ranked[y])
        if not any(y in ranked for y in self._found):
            yield Clear(
                check=CARD.id,
                message="no class has members that share an additive pattern which no other class shows",
                limit=self._limit(),
                p_value=min(1.0, 10.0**self._best),
            )

    # --- rounds -------------------------------------------------------------------------------------------------

    def _fit_means(self, batch: Batch, label: NDArray[np.int32]) -> None:
        residual, half = batch.evidence["vector:residual"].astype(np.float32), self._half(batch)
        sure = _own_probability(batch.evidence["logits"], label) >= _DOUBT
        for y in range(len(self.scope.classes)):
            for column, chosen in enumerate((label == y, (label == y) & half, (label == y) & half & ~sure)):
                self._state.vector[y, :, column] += residual[chosen].sum(axis=0)
                self._state.count[y, column] += int(chosen.sum())

    def _close_means(self) -> None:
        sums, counts = self._state.vector, self._state.count
        self._mean = sums[:, :, 0].sum(axis=0) / max(counts[:, 0].sum(), 1.0)
        self._centre = sums[:, :, 1] / np.maximum(counts[:, 1], 1.0)[:, None]
        self._first = sums[:, :, 2] / np.maximum(counts[:, 2], 1.0)[:, None] - self._centre

    def _close_power(self) -> None:
        for y in self._able:
            self._basis[y], _ = np.linalg.qr(self._state.vector[y, :, :_DIRECTIONS])
        if self.round == _POWERS:
            tops = self._basis[self._able]
            mean = (self._centre - self._mean)[self._able, :, None]
            first = self._first[self._able, :, None]
            self._filters[self._able] = _unit(np.concatenate([mean, first, tops, -tops], axis=2), axis=1)

    def _count(self, y: int, response: NDArray[np.float32]) -> None:
        bins = np.clip(((response + 1) * (_BINS / 2)).astype(np.int64), 0, _BINS - 1)
        for start in range(response.shape[1]):
            self._state.histogram[y, start] += np.bincount(bins[:, start], minlength=_BINS)

    def _close_histogram(self, step: int) -> None:
        share = float(np.interp(step / (_STEPS - 1), *np.array(_SHARES).T))
        for y in self._able:
            for start in range(self._cut_at.shape[1]):
                self._cut_at[y, start] = _quantile(self._state.histogram[y, start], 1 - share)

    def _choose(self) -> None:
        """The start with the most hits on the other half, per class; only significant ones go on."""
        tests = float(np.log10(self._tests()))
        for y in self._able:
            hits = []
            for start in range(self._cut_at.shape[1]):
                histogram = self._state.histogram[y, start]
                for low, high in _TAILS:
                    cut = _Cut.through(histogram, low, high).above(0.05)
                    hits.append((int(histogram[_bin(cut) + 1 :].sum()), -start, cut))
            count, minus, at = max(hits)
            log10_p = min(0.0, poisson_log10_tail(count, 1.0) + tests)
            if log10_p <= np.log10(self.scope.alpha):
                self._found[int(y)] = {"log10_p": log10_p, "cut": at}
                self._filters[y][:, 0] = self._filters[y][:, -minus]
            else:
                self._best = min(self._best, log10_p)

    def _fit_carriers(self, y: int, batch: Batch, mine: NDArray[np.bool_]) -> None:
        x = self._centred(batch, np.arange(len(mine)))
        hit = x.on(self._filters[y][:, 0]) > self._found[y]["cut"]
        own = hit & mine
        self._state.vector[y, :, 0] += x.summed(own.astype(np.float32))
        self._state.count[y, :2] += int(own.sum()), int((hit & ~mine & (batch.evidence["label"] >= 0)).sum())
        content = batch.evidence["vector:content"][own].astype(np.float64)
        lengths = np.linalg.norm(content, axis=1, keepdims=True)
        self._state.extra[y] += (content / np.maximum(lengths, 1e-9)).sum(axis=0)

    def _close_carriers(self, last: bool) -> None:
        for y in list(self._found):
            own, others = self._state.count[y, :2]
            pairs = max(own * (own - 1), 1.0)
            alike = (float((self._state.extra[y] ** 2).sum()) - own) / pairs
            if own < 2 or others > _OTHERS * own or alike > _ALIKE:
                del self._found[y]
                continue
            self._found[y] |= {"own": own, "others": others, "alike": alike}
            if not last:
                self._filters[y][:, 0] = _unit(self._state.vector[y, :, 0], axis=0)

    def _close_cut(self) -> None:
        """The lowest response above which at most the allowed share of samples is expected to be ordinary."""
        edges = np.linspace(-1.0, 1.0, _BINS, endpoint=False, dtype=np.float64)
        for y in self._found:
            histogram = self._state.histogram[y, 0]
            above = np.cumsum(histogram[::-1])[::-1]
            cuts = []
            for low, high in _TAILS:
                tail = _Cut.through(histogram, low, high)
                expected = tail.expected(edges)
                allowed = np.flatnonzero((edges > tail.start) & (expected <= _WRONG * above))
                cuts += [(float(edges[i]), float(expected[i])) for i in allowed[:1]]
            if cuts:
                self._found[y]["cut"], self._found[y]["innocents"] = min(cuts)

    # --- pieces -------------------------------------------------------------------------------------------------

    def _zero(self) -> _State:
        k, starts = len(self.scope.classes), 2 + 2 * _DIRECTIONS
        return _State(
            count=np.zeros((k, 3)),
            vector=np.zeros((k, self._d, starts)),
            histogram=np.zeros((k, starts, _BINS), dtype=np.int64),
            extra=np.zeros((k, self.scope.widths.get("content", 0))),
        )

    def _half(self, batch: Batch) -> NDArray[np.bool_]:
        """The half of the samples on which patterns are learnt."""
        return uniform(batch.ids, self.scope.seed, "half") < 0.5

    def _centred(self, batch: Batch, rows: NDArray[np.int64]) -> _Centred:
        return _Centred.of(batch.evidence["vector:residual"][rows], self._mean.astype(np.float32))

    def _tests(self) -> int:
        return max(len(self._able) * self._cut_at.shape[1] * len(_TAILS), 1)

    def _limit(self) -> str:
        hits = 2
        while poisson_log10_tail(hits, 1.0) + np.log10(self._tests()) > np.log10(self.scope.alpha):
            hits += 1
        return (
            f"a pattern in fewer than about {3 * hits} samples of one class, "
            "or fainter than the texture of the images"
        )

    def _finding(self, y: int, facts: Mapping[str, float], hits: Ranked) -> Finding:
        name, count = self.scope.classes[y], len(hits.ids)
        pattern = self._filters[y][:, 0].astype(np.float64)
        return Finding(
            check=CARD.id,
            severity=Severity.LIKELY,
            message=f"{count} samples labelled {name!r} share one faint additive pattern; "
            f"{facts['others']:.0f} samples of other labels show it",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            label=name,
            p_value=float(10.0 ** max(facts["log10_p"], -300.0)),
            effect=round(count / max(int(self.scope.sizes[y]), 1), 4),
            limit=self._limit(),
            innocents=round(facts.get("innocents", 0.0), 2),
            details={
                "family": "residual",
                "canvas": list(self.scope.shapes.get("residual", (self._d,))),
                "pattern": [round(float(v), 4) for v in pattern / max(float(np.abs(pattern).max()), 1e-12)],
                "label_counts": {name: count},
            },
        )


def _own_probability(logits: NDArray[np.float32], label: NDArray[np.int32]) -> NDArray[np.float64]:
    z = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(z[np.arange(len(z)), np.maximum(label, 0)] / z.sum(axis=1))


def _unit(x: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=axis, keepdims=True), 1e-12), dtype=np.float32)


def _bin(value: float) -> int:
    return int(np.clip((value + 1) * (_BINS / 2), 0, _BINS - 1))


def _quantile(histogram: NDArray[np.int64], q: float) -> float:
    """Upper edge of the bin that holds the quantile."""
    total = int(histogram.sum())
    place = int(np.searchsorted(np.cumsum(histogram), q * total)) if total else 0
    return (min(place, _BINS - 1) + 1) * (2 / _BINS) - 1
