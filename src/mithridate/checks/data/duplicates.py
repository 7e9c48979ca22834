"""Counts exact copies and near-duplicates, and names twins that bear different labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.wording import several

__all__ = ["Duplicates"]

_TWINS, _COPIES = 0, 1
_LARGEST = 10


@data_check(
    Card(
        id="duplicates",
        title="duplicates and twins",
        stage="data",
        modalities=("image", "text", "table", "audio", "chat"),
        needs=("groups",),
        assumes="The same content should occur once, and with one label.",
        catches=None,
        misses="Paraphrases, crops and other copies that share too little with the original.",
        effect="share of samples that repeat an earlier one",
        cites="Broder, On the resemblance and containment of documents, SEQUENCES 1997; Lee et al., "
        "Deduplicating Training Data Makes Language Models Better, ACL 2022.",
        remedy="Drop copies or keep each group on one side of every split; settle the label of twins that "
        "disagree.",
        graded=False,
        reads_order=False,
    )
)
class Duplicates(DataCheck):
    """Round 0 finds the groups with more than one member, round 1 their first members and labels.

    A group is named by the row of its first member, so only members that repeat something are ever stored.
    """

    rounds = 2

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._sizes: Counter[int] = Counter()
        self._copies = 0
        self._labels: dict[int, set[int]] = {}
        self._names: dict[int, str] = {}

    def applicable(self) -> str | None:
        """Needs two samples."""
        return None if self.scope.n > 1 else "fewer than two samples"

    def fit(self, batch: Batch) -> None:
        """Round 0: count repeats. Round 1: gather the labels of groups with repeats."""
        groups, labels = batch.evidence["group"], batch.evidence["label"]
        if self.round == 0:
            repeats = groups != batch.rows
            self._sizes.update(groups[repeats].tolist())
            self._copies += int((batch.evidence["copy"] != batch.rows).sum())
            return
        for i in np.flatnonzero(np.isin(groups, self._keys)):
            group = int(groups[i])
            if labels[i] >= 0:
                self._labels.setdefault(group, set()).add(int(labels[i]))
            if group == batch.rows[i]:
                self._names[group] = batch.ids[i]

    def merge(self, other: Self) -> None:
        """Add counts, join labels."""
        if self.round == 0:
            self._sizes.update(other._sizes)
            self._copies += other._copies
            return
        for group, labels in other._labels.items():
            self._labels.setdefault(group, set()).update(labels)
        self._names |= other._names

    def advance(self) -> None:
        """Close the round."""
        if self.round == 0:
            self._keys = np.array(sorted(self._sizes), dtype=np.int64)
        else:
            mixed = [group for group, labels in self._labels.items() if len(labels) > 1]
            self._mixed = np.array(sorted(mixed), dtype=np.int64)

    def score(self, batch: Batch) -> Iterable[Hits]:
        """All members of groups with different labels; every sample that repeats an earlier one."""
        groups, copies = batch.evidence["group"], batch.evidence["copy"]
        # Exact copies weigh more than near ones.
        exact = np.where(copies != batch.rows, 1.0, 0.5)
        twins = np.flatnonzero(np.isin(groups, self._mixed))
        yield Hits(group=_TWINS, rows=batch.rows[twins], scores=exact[twins])
        repeats = np.flatnonzero(groups != batch.rows)
        yield Hits(group=_COPIES, rows=batch.rows[repeats], scores=exact[repeats])

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """Up to two INFO findings, or a `Clear`."""
        limit = "one repeated sample"
        if not self._sizes:
            yield Clear(check=self.card.id, message="No sample repeats another.", limit=limit)
            return
        if len(self._mixed):
            twins = ranked[_TWINS]
            yield self._finding(
                f"{len(twins.ids):,} samples in {several(len(self._mixed), 'group')} of duplicates bear "
                "different labels.",
                twins,
                {"groups": len(self._mixed)},
            )
        repeats = sum(self._sizes.values())
        groups = sorted(self._sizes.items(), key=lambda item: (-item[1], item[0]))[:_LARGEST]
        yield self._finding(
            f"{several(repeats, 'sample', 'repeat')} an earlier one ({self._copies:,} exactly, "
            f"{repeats - self._copies:,} nearly); keep each of the {several(len(self._sizes), 'group')} on one "
            "side of any split.",
            ranked[_COPIES],
            {
                "exact": self._copies,
                "near": repeats - self._copies,
                "groups": len(self._sizes),
                "largest": [{"first": self._names.get(g, ""), "size": more + 1} for g, more in groups],
            },
        )

    def _finding(self, message: str, hits: Ranked, details: Mapping[str, object]) -> Finding:
        return Finding(
            check=self.card.id,
            severity=Severity.INFO,
            message=message,
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            effect=len(hits.ids) / self.scope.n,
            limit="one repeated sample",
            details=details,
        )
