"""Predictable from a part: the label can be told from a piece of every sample that should not matter.

A probe knows nothing but the border, a thumbnail, the grain, the metadata. What it predicts, out of fold, is held
against the most frequent label; the classes of which it tells many samples for certain are named. For certain: those
that it gives to a class with so high a probability that nine in ten of them are of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.ranks import log_softmax
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import binomial_log10_tail

__all__ = ["Predictable"]

_CERTAIN = 0.9  # share of the class among its likeliest samples, which count as told for certain
_FEWEST = 8  # least number of samples told for certain, for a class to be named
_LOW, _HIGH, _BINS = -3.0, 7.0, 100  # of the log odds of a class, in which samples are counted
_HALF = 0.5  # of what the whole content tells beyond the most frequent label
_NAMED = 4

CARD = Card(
    id="predictable-from",
    title="label that a part tells",
    stage="data",
    modalities=("image", "audio"),
    needs=("labels", "probes"),
    assumes="the part looked at (border, thumbnail, grain, what the file says) should not be what tells the label",
    catches=None,
    misses="shortcuts in few of a class (6 % must be told for certain, 1 % by a piece); parts nobody looks at; a "
    "shortcut no stronger than what tells the class by nature",
    effect="share of the samples whose label the part alone predicts right",
    cites="Geirhos et al., Nature Machine Intelligence 2, 2020; Torralba & Efros, Unbiased Look at Dataset Bias, CVPR "
    "2011",
    remedy="Look at the picture: if what it shows will not go with the label where the model is used, crop, mask, "
    "encode everything alike, or rebalance.",
    graded=False,
    reads_order=False,
)


@data_check(CARD)
class Predictable(DataCheck):
    """One round: how often each probe is right, and whom it tells for certain."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k = len(scope.classes)
        self._names = tuple(scope.probes)
        self._sizes = np.zeros((len(self._names), k), dtype=np.int64)
        self._right = np.zeros(len(self._names), dtype=np.int64)
        self._counts = np.zeros((2, len(self._names), k, _BINS), dtype=np.int64)  # of the class, of others
        self._told = np.zeros((len(self._names), k), dtype=np.int64)
        self._least = np.full((len(self._names), k), np.inf)  # log odds from which on a sample is told

    def fit(self, batch: Batch) -> None:
        """Count."""
        k = len(self.scope.classes)
        for number, name in enumerate(self._names):
            _, label, odds = _asked(batch, name)
            self._sizes[number] += np.bincount(label, minlength=k)
            self._right[number] += int((odds.argmax(axis=1) == label).sum())
            places, which = np.nonzero(odds >= _LOW)
            bins = ((odds[places, which] - _LOW) * (_BINS / (_HIGH - _LOW))).astype(np.int64)
            at = ((label[places] != which).astype(np.int64), which, np.minimum(bins, _BINS - 1))
            np.add.at(self._counts[:, number], at, 1)

    def merge(self, other: Self) -> None:
        """Add another part."""
        self._sizes += other._sizes
        self._right += other._right
        self._counts += other._counts

    def advance(self) -> None:
        """Find for each class from where on it is told for certain."""
        rightly, wrongly = np.cumsum(self._counts[..., ::-1], axis=3)[..., ::-1]
        certain = (rightly >= _FEWEST) & (rightly >= _CERTAIN * (rightly + wrongly))
        first = np.where(certain.any(axis=2), certain.argmax(axis=2), _BINS - 1)
        found = np.take_along_axis(rightly, first[..., None], axis=2)[..., 0]
        self._told = np.where(certain.any(axis=2), found, 0)
        self._least = np.where(self._told > 0, _LOW + first * ((_HIGH - _LOW) / _BINS), np.inf)

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Samples that a probe tells for certain: of the class it names first, else of all."""
        for number, name in enumerate(self._names):
            if not self._worth_telling(number):
                continue
            rows, label, odds = _asked(batch, name)
            own = odds[np.arange(len(rows)), label]
            named = self._named(number)
            mine = (own >= self._least[number, label]) & (label == named[0] if len(named) else True)
            if mine.any():
                # Rounded, so that the order of summation cannot reorder ties.
                p = 1 / (1 + np.exp(-own[mine].astype(np.float64)))
                yield Hits(group=number, rows=batch.rows[rows[mine]], scores=np.round(p, 5))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One INFO finding per part that tells much, most telling first; else one `Clear`."""
        told = [n for n in range(len(self._names)) if self._worth_telling(n) and n in ranked]
        for number in sorted(told, key=lambda n: (not len(self._named(n)), -self._accuracy(n))):
            yield self._finding(number, ranked[number])
        if not told:
            shares = "; ".join(
                f"{self._accuracy(n):.0%} from {self.scope.probes[name].noun}"
                for n, name in enumerate(self._names)
            )
            yield Clear(check=CARD.id, message=f"no part tells the label: {shares}", limit=self._limit())

    def _accuracy(self, number: int) -> float:
        return float(self._right[number] / max(self._sizes[number].sum(), 1))

    def _majority(self, number: int) -> float:
        return float(self._sizes[number].max() / max(self._sizes[number].sum(), 1))

    def _log10_p(self, number: int) -> float:
        n = float(self._sizes[number].sum())
        tail = binomial_log10_tail(
            np.array([float(self._right[number])]), np.array([n]), np.array([self._majority(number)])
        )
        return min(0.0, float(tail[0]) + float(np.log10(max(len(self._names), 1))))

    def _named(self, number: int) -> NDArray[np.int64]:
        """Classes of which many are told for certain, most first."""
        told = self._told[number]
        share = told / np.maximum(self._sizes[number], 1)
        least = self.scope.probes[self._names[number]].least
        found = np.flatnonzero((share >= least) & (told >= _FEWEST))
        return np.asarray(found[np.argsort(-share[found], kind="stable")])

    def _worth_telling(self, number: int) -> bool:
        if self._log10_p(number) > np.log10(self.scope.alpha):
            return False
        gain = self._accuracy(number) - self._majority(number)
        whole = self.scope.accuracy - self._majority(number)
        return bool(len(self._named(number))) or bool(gain >= _HALF * whole > 0)

    def _limit(self) -> str:
        least = max((probe.least for probe in self.scope.probes.values()), default=1.0)
        return f"a part that tells less than {least:.0%} of a class for certain"

    def _finding(self, number: int, hits: Ranked) -> Finding:
        probe, classes = self.scope.probes[self._names[number]], self.scope.classes
        named = self._named(number)
        share = self._told[number] / np.maximum(self._sizes[number], 1)
        first = int(named[0]) if len(named) else int(share.argmax())
        label = classes[first] if len(named) else None
        return Finding(
            check=CARD.id,
            severity=Severity.INFO,
            message=f"the label is {self._accuracy(number):.0%} predictable from {probe.noun} "
            f"({self._majority(number):.0%} by naming the most frequent label){self._who(named, share)}",
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            label=label,
            p_value=float(10.0 ** max(self._log10_p(number), -300.0)),
            effect=round(self._accuracy(number), 4),
            limit=self._limit(),
            innocents=float(len(hits.ids)),
            details={
                **probe.details(first, self._least_probability(number, first)),
                **self._details(number, named, share),
            },
        )

    def _least_probability(self, number: int, label: int) -> float:
        """From which on a sample of the class is told; 0 where none is."""
        least = float(self._least[number, label])
        return float(1 / (1 + np.exp(-least))) if np.isfinite(least) else 0.0

    def _who(self, named: NDArray[np.int64], share: NDArray[np.float64]) -> str:
        if not len(named):
            return ""
        listed = [f"{share[y]:.0%} of {self.scope.classes[y]!r}" for y in named[:_NAMED].tolist()]
        more = f" and of {len(named) - _NAMED} more labels" if len(named) > _NAMED else ""
        return f"; it tells for certain {', '.join(listed)}{more}"

    def _details(self, number: int, named: NDArray[np.int64], share: NDArray[np.float64]) -> dict[str, Any]:
        classes = self.scope.classes
        order = np.argsort(-share, kind="stable")
        return {
            "part": self._names[number],
            "named": [classes[y] for y in named.tolist()],
            "accuracy": round(self._accuracy(number), 4),
            "majority": round(self._majority(number), 4),
            "told": {classes[y]: round(float(share[y]), 4) for y in order.tolist() if share[y] > 0},
        }


def _asked(batch: Batch, name: str) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Places in the batch of the samples that were asked, their labels, and (m, k) log odds of each class."""
    logits = batch.evidence[f"probe:{name}"]
    rows = np.flatnonzero(np.isfinite(logits).all(axis=1) & (batch.evidence["label"] >= 0))
    p = np.exp(log_softmax(logits[rows]))
    odds = np.log(np.maximum(p, 1e-12)) - np.log(np.maximum(1 - p, 1e-12))
    # Rounded, so that the same sample falls into the same bin in any batch.
    return rows, batch.evidence["label"][rows], np.round(odds, 3).astype(np.float32)
