"""Shortcut: a key that goes with a label, whoever put it there. What a lazy model would learn first.

Geirhos et al., "Shortcut learning in deep neural networks", Nature Machine Intelligence 2020; the test is the Chernoff
bound n KL(k/n || p_y) of the binomial tail (cf. Gardner et al., "Competency problems", EMNLP 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.tally import Carried, Suspect, Tally, clusters, described
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import binomial_log10_tail, pure_key_floor

__all__ = ["Association"]

_SHOWN = 8
_PURITY = 0.9
_ALSO = 4

CARD = Card(
    id="shortcut",
    title="shortcut",
    stage="data",
    modalities=("image", "text", "table", "audio", "chat"),
    needs=("keys", "labels"),
    assumes="a model latches on to whatever predicts the label most cheaply",
    catches=None,
    misses="shortcuts spread over many weak keys; keys carried by more than a tenth of the data",
    effect="share of the carriers that bear the label",
    cites="Geirhos et al., Nature Machine Intelligence 2, 2020; Gardner et al., EMNLP 2021, section 3",
    remedy="Ask whether the key will still go with the label where the model is used; if not, crop, mask or rebalance.",
    graded=False,
    reads_order=False,
)


@data_check(CARD)
class Association(DataCheck):
    """One round: labels of the carriers of every key."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._tally = Tally(scope)
        self._suspects: list[Suspect] = []

    def fit(self, batch: Batch) -> None:
        """Count."""
        self._tally.fit(batch)

    def merge(self, other: Self) -> None:
        """Add another part."""
        self._tally.merge(other._tally)

    def advance(self) -> None:
        """Choose the purest, most frequent keys of each family."""
        prior = self.scope.sizes / max(self.scope.sizes.sum(), 1)
        found: list[Suspect] = []
        for family, counts in self._tally.by_label.items():
            n = counts.sum(axis=1).astype(np.float64)
            y = (counts - n[:, None] * prior).argmax(axis=1)
            k = counts[np.arange(len(counts)), y].astype(np.float64)
            tests = np.log10(max(self.scope.tables[family].tests, 1) * len(self.scope.classes))
            log10_p = np.minimum(binomial_log10_tail(k, n, prior[y]) + tests, 0.0)
            pure = (log10_p <= np.log10(self.scope.alpha)) & (k >= _PURITY * n)
            best = np.flatnonzero(pure)[np.argsort(log10_p[pure], kind="stable")][: 4 * _SHOWN]
            found += [
                Suspect(
                    family=family,
                    key=int(i),
                    label=int(y[i]),
                    log10_p=float(log10_p[i]),
                    effect=float(k[i] / n[i]),
                )
                for i in best
            ]
        self._suspects = sorted(found, key=lambda s: (s.log10_p, s.family, s.key))

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Carriers that bear the label."""
        for number, suspect in enumerate(self._suspects):
            rows = Carried.of(suspect, batch).rows
            mine = rows[batch.evidence["label"][rows - int(batch.rows[0])] == suspect.label]
            if len(mine):
                yield Hits(group=number, rows=mine, scores=np.ones(len(mine)))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """The strongest shortcuts, one per group of keys with the same carriers."""
        groups = clusters(self._suspects, ranked)
        for members in groups[:_SHOWN]:
            best, *others = (self._suspects[m] for m in members)
            yield self._finding(best, others, ranked[members[0]])
        if not groups:
            yield Clear(check=CARD.id, message="no key goes almost only with one label", limit=self._limit())

    def _limit(self) -> str:
        prior = float(self.scope.sizes.max() / max(self.scope.sizes.sum(), 1))
        tests = sum(t.tests for t in self.scope.tables.values()) * len(self.scope.classes)
        return f"a pure key in fewer than {pure_key_floor(prior, tests, self.scope.alpha)} samples of the largest class"

    def _finding(self, suspect: Suspect, others: Sequence[Suspect], hits: Ranked) -> Finding:
        table, label = self.scope.tables[suspect.family], self.scope.classes[suspect.label]
        counts = self._tally.by_label[suspect.family][suspect.key]
        # Values of a table of few names (camera, encoder) say more together; of patches one is enough.
        named = (
            [table.name(s.key) for s in others if s.family == suspect.family][:_ALSO] if table.plain else []
        )
        also = f"; so do {', '.join(map(repr, named))}" if named else ""
        return Finding(
            check=CARD.id,
            severity=Severity.INFO,
            message=f"{table.noun} {table.name(suspect.key)!r} occurs almost only in {label!r} "
            f"({int(counts[suspect.label])} of {int(counts.sum())} carriers){also}",
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            label=label,
            p_value=float(10.0 ** max(suspect.log10_p, -300.0)),
            effect=suspect.effect,
            limit=self._limit(),
            innocents=float(len(hits.ids)),
            details=described(self.scope, suspect, counts, hits),
        )
