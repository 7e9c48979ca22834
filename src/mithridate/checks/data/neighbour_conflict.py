"""Labels that the nearest neighbours contradict, where embeddings say who is near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import binomial_log10_tail

__all__ = ["NeighbourConflict"]

_VOTES = "vector:votes"
_MOST = 0.5  # share of the neighbours with one other label that makes a conflict
_ODD = 0.5  # of the median agreement in its class, below which a member is odd there
_BINS = 21
_CELLS = 4_000_000
_NAMED = 10


@data_check(
    Card(
        id="neighbour-conflict",
        title="labels unlike their neighbours'",
        stage="data",
        modalities=("image", "text", "table", "audio"),
        needs=("labels", "content", _VOTES),
        assumes="Samples that an encoder finds alike bear the same label, and the encoder never saw these labels.",
        catches=None,
        misses="Wrong labels in a crowd that is half of its class; classes that are several crowds; "
        "classes that the encoder does not tell apart.",
        effect="share of labelled samples most of whose neighbours bear one other label",
        cites="Peri et al., Deep k-NN Defense against Clean-label Data Poisoning, arXiv:1909.13374, section 3; Zhu et "
        "al., Detecting Corrupted Labels Without Training a Model, ICML 2022 (votes of neighbours).",
        remedy="Look at the first of the list, first at pairs of classes and sources that are named.",
        graded=False,
        reads_order=False,
    )
)
class NeighbourConflict(DataCheck):
    """Samples most of whose neighbours bear one other label, where that is odd in their class; worst first.

    Round 0: how many neighbours agree, by class. Round 1: conflicts by pair of classes and by source. Near-duplicates
    do not vote. How many innocents are expected is what the content model says of them, out of fold.
    """

    rounds = 2

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k, s = len(scope.classes), len(scope.source_names)
        self._agree = np.zeros((k, _BINS), dtype=np.int64)
        self._usual = np.zeros(k)  # median agreement in each class
        self._pairs = np.zeros((k, k) if k * k <= _CELLS else (0, 0), dtype=np.int64)
        self._sources = np.zeros((2, s, k) if s * k <= _CELLS else (2, 0, k), dtype=np.int64)

    def _conflicts(self, batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Rows in the batch of conflicts, their votes (c, 3), and of all that voted."""
        votes, labels = batch.evidence[_VOTES].astype(np.float64), batch.evidence["label"]
        voted = np.flatnonzero(np.isfinite(votes).all(axis=1) & (labels >= 0))
        mine = votes[voted]
        odd = (mine[:, 0] <= _ODD * self._usual[labels[voted]]) & (mine[:, 2] > _MOST)
        return voted[odd], mine[odd], voted

    def fit(self, batch: Batch) -> None:
        """Add one batch to the counts of this round."""
        labels = batch.evidence["label"]
        rows, votes, voted = self._conflicts(batch)
        if self.round == 0:
            np.add.at(self._agree, (labels[voted], _bin(batch.evidence[_VOTES][voted, 0])), 1)
            return
        if self._pairs.size:
            np.add.at(self._pairs, (labels[rows], votes[:, 1].astype(np.int64)), 1)
        if self._sources.size and "source" in batch.evidence:
            source = batch.evidence["source"]
            known = voted[source[voted] >= 0]
            np.add.at(self._sources[0], (source[known], labels[known]), 1)
            mine = rows[source[rows] >= 0]
            np.add.at(self._sources[1], (source[mine], labels[mine]), 1)

    def merge(self, other: Self) -> None:
        """Add counts."""
        if self.round == 0:
            self._agree += other._agree
        else:
            self._pairs += other._pairs
            self._sources += other._sources

    def advance(self) -> None:
        """Round 0: the usual agreement in each class. A median, because wrong labels may be many."""
        if self.round == 0:
            half = self._agree.sum(axis=1, keepdims=True) / 2
            self._usual = (self._agree.cumsum(axis=1) >= half).argmax(axis=1) / (_BINS - 1)

    def score(self, batch: Batch) -> Iterable[Hits]:
        """All labelled samples, conflicts first, by how many neighbours bear the other label rather than this one."""
        rows, _, voted = self._conflicts(batch)
        votes = batch.evidence[_VOTES][voted].astype(np.float64)
        lead = votes[:, 2] - votes[:, 0] - np.where(np.isin(voted, rows), 0.0, 2.0)
        yield Hits(group=0, rows=batch.rows[voted], scores=np.round(lead, 6))
        yield Hits(group=1, rows=batch.rows[rows], scores=_likely(batch, rows))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One INFO finding with the ranking, or a `Clear`."""
        limit = (
            "single labels; of groups alike with the same wrong label, those of less than half their class"
        )
        hits, count = ranked.get(0), len(ranked[1].ids) if 1 in ranked else 0
        if hits is None or not count:
            yield Clear(
                check=self.card.id, message="No label is unlike those of its neighbours.", limit=limit
            )
            return
        total = int(self._agree.sum())
        yield Finding(
            check=self.card.id,
            severity=Severity.INFO,
            message=f"{count:,} of {total:,} labels are unlike those of most of the samples nearest to theirs.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            effect=count / max(total, 1),
            limit=limit,
            innocents=round(float(np.sum(ranked[1].scores)), 1),
            details={"between": self._worst_pairs(), "sources": self._worst_sources()},
        )

    def _worst_pairs(self) -> list[dict[str, object]]:
        """Pairs in which conflicts go one way rather than the other; p as if both ways were alike, for all pairs."""
        if not self._pairs.size:
            return []
        sizes = np.maximum(self._agree.sum(axis=1), 1).astype(np.float64)
        rate = self._pairs / sizes[:, None]
        there, back = self._pairs.astype(np.float64), self._pairs.T.astype(np.float64)
        # Of both counts, the share that one class would have by its size, at least a half.
        share = np.maximum(sizes[:, None] / (sizes[:, None] + sizes[None, :]), 0.5)
        log10_p = binomial_log10_tail(there, there + back, share) + np.log10(
            max(int((there + back > 0).sum()) // 2, 1)
        )
        order = np.lexsort((-rate.ravel(), log10_p.ravel()))[:_NAMED]
        cells = [divmod(int(i), len(sizes)) for i in order]
        names = self.scope.classes
        return [
            {
                "label_says": names[a], "neighbours_say": names[b], "count": int(there[a, b]),
                "reverse": int(back[a, b]), "p": float(10.0 ** min(log10_p[a, b], 0.0)),
            }
            for a, b in cells
            if there[a, b] > 0
        ]  # fmt: skip

    def _worst_sources(self) -> list[dict[str, object]]:
        """Sources with more conflicts than the same labels have elsewhere; p for all sources together."""
        found: list[tuple[float, dict[str, object]]] = []
        n, hit = self._sources.astype(np.float64)
        for number in range(len(n)):
            rest = n.sum(axis=0) - n[number]
            rate = (hit.sum(axis=0) - hit[number] + 1.0) / (rest + 2.0)
            expected, count = float((n[number] * rate).sum()), float(hit[number].sum())
            total = max(float(n[number].sum()), 1.0)
            if count <= expected:
                continue
            tail = binomial_log10_tail(np.array([count]), np.array([total]), np.array([expected / total]))
            p = float(10.0 ** min(float(tail[0]) + np.log10(len(n)), 0.0))
            told = {
                "source": self.scope.source_names[number],
                "count": int(count),
                "expected": round(expected, 1),
                "p": p,
            }
            found.append((p, told))
        return [told for _, told in sorted(found, key=lambda pair: pair[0])[:_NAMED]]


def _likely(batch: Batch, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of the labels of these rows by their content; 1 where nothing is known."""
    z = batch.evidence["logits"][rows].astype(np.float64)
    z = np.exp(z - z.max(axis=1, keepdims=True))
    p = z[np.arange(len(rows)), batch.evidence["label"][rows]] / z.sum(axis=1)
    return np.asarray(np.round(np.nan_to_num(p, nan=1.0), 6))


def _bin(share: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(np.round(share * (_BINS - 1)), dtype=np.int64)
