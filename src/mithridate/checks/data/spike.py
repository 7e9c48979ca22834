"""Recurring stamp: a textured patch recurs exactly at one place, and nothing close to it exists.

Natural texture fades into its neighbours: around any patch, the samples that are merely close outnumber those that are
equal. A stamp has equals and no neighbours. Needs no label, so it sees clean-label and all-to-all stamps.
"Equal" is a cell 16 grey levels wide, "close" a ball of radius 48: even if patches varied along one line only, at most
one in six of the close ones would be equal, so with n equal and c merely close p <= P(Binomial(n + c, 1/4) >= n).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.tally import Carried, Suspect, Tally, clusters, described, with_kin
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import binomial_log10_tail

__all__ = ["Spike"]

_LOOKUPS = 64
_EQUAL = 0.25  # most of the close ones that are equal by nature
_NATURAL = (
    0.25  # share of other samples with recurring texture above which exact recurrence is this data's nature
)
_CROWD = 8  # more separate spikes than this, and exact recurrence is this data's nature

CARD = Card(
    id="recurring-stamp",
    title="recurring stamp",
    stage="data",
    modalities=("image",),
    needs=("keys",),
    assumes="texture does not recur exactly at one place unless somebody put it there",
    catches=("patch", "all-to-all", "untargeted", "tact"),
    misses="stamps at moving places, stamps re-encoded after stamping, data in which exact recurrence is natural "
    "(drawings, screenshots)",
    effect="carriers over carriers and near neighbours: n / (n + c)",
    cites="Turner et al., arXiv 1912.02771 (clean-label stamps); Chernoff, Ann. Math. Stat. 23, 1952 (binomial tail)",
    remedy="Look at the stamp; if nobody can explain it (watermark, camera overlay), quarantine its carriers.",
    graded=True,
    reads_order=False,
)


@data_check(CARD)
class Spike(DataCheck):
    """One round: carriers of every key."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._tally = Tally(scope)
        self._covered = 0
        self._suspects: list[Suspect] = []
        self._best = 0.0

    def applicable(self) -> str | None:
        """Needs a family whose keys have texture and neighbours."""
        return None if self._families() else "no family of keys here has texture and neighbours in value"

    def fit(self, batch: Batch) -> None:
        """Count carriers."""
        self._tally.fit(batch)
        covered = np.zeros(len(batch.ids), dtype=bool)
        for family in self._families():
            keys, textured = batch.evidence[f"keys:{family}"], self.scope.tables[family].textured
            assert textured is not None
            covered[keys.rows[textured[keys.keys]]] = True
        self._covered += int(covered.sum())

    def merge(self, other: Self) -> None:
        """Add another part."""
        self._tally.merge(other._tally)
        self._covered += other._covered

    def advance(self) -> None:
        """Choose the keys that recur more than their neighbourhood allows."""
        found: list[Suspect] = []
        for family in self._families():
            table = self.scope.tables[family]
            near, textured = table.near, table.textured
            assert near is not None
            assert textured is not None
            n, able = self._tally.carriers[family].astype(np.float64), textured & (near >= 0)
            log10_p = binomial_log10_tail(n, n + np.maximum(near, 0), np.full(len(n), _EQUAL))
            corrected = np.minimum(np.where(able, log10_p + np.log10(max(table.tests, 1)), 0.0), 0.0)
            self._best = min(self._best, float(corrected.min(initial=0.0)))
            found += [
                Suspect(
                    family=family, key=int(key), label=-1, log10_p=float(corrected[key]),
                    effect=float(n[key] / (n[key] + near[key])),
                )
                for key in np.flatnonzero(corrected <= np.log10(self.scope.alpha))
            ]  # fmt: skip
        found.sort(key=lambda s: (s.log10_p, s.family, s.key))
        self._suspects = [with_kin(self.scope, s) for s in found[:_LOOKUPS]]

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Everybody who carries the stamp."""
        for number, suspect in enumerate(self._suspects):
            carried = Carried.of(suspect, batch)
            if len(carried.rows):
                yield Hits(group=number, rows=carried.rows, scores=carried.closeness)

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One finding per stamp; many stamps mean that recurrence is natural here, and they are only shown."""
        groups = clusters(self._suspects, ranked)
        for members in groups[:_CROWD]:
            hits = ranked[members[0]]
            natural = len(groups) > _CROWD or self._recurs(len(hits.ids))
            yield self._finding(self._suspects[members[0]], hits, natural)
        if not groups:
            yield Clear(
                check=CARD.id,
                message="no textured patch recurs exactly at one place",
                limit=self._limit(),
                p_value=min(1.0, 10.0**self._best),
            )

    def _families(self) -> list[str]:
        tables = self.scope.tables.items()
        return [f for f, t in tables if t.near is not None and t.textured is not None and t.textured.any()]

    def _recurs(self, carriers: int) -> bool:
        """Whether many of the samples that do not carry a stamp carry other textures that recur exactly."""
        return self._covered - carriers > _NATURAL * max(self.scope.n - carriers, 1)

    def _limit(self) -> str:
        if self._recurs(0):
            return (
                f"no power: {self._covered / self.scope.n:.0%} of the samples carry texture that recurs exactly, as in "
                "drawings"
            )
        tests = sum(self.scope.tables[f].tests for f in self._families())
        least = int(np.ceil((np.log10(max(tests, 1)) - np.log10(self.scope.alpha)) / -np.log10(_EQUAL)))
        return f"a stamp in fewer than {max(least, 12)} samples, or one that resembles natural texture at its place"

    def _finding(self, suspect: Suspect, hits: Ranked, natural: bool) -> Finding:
        table = self.scope.tables[suspect.family]
        details = described(self.scope, suspect, self._tally.by_label[suspect.family][suspect.key], hits)
        shown = details["label_counts"]
        why = (
            "; such patches are common in this data" if natural else "; nothing similar exists at that place"
        )
        return Finding(
            check=CARD.id,
            severity=Severity.INFO if natural else Severity.LIKELY,
            message=f"{len(hits.ids)} samples carry the same {table.noun} ({table.name(suspect.key)}){why}",
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            label=max(shown, key=lambda c: shown[c]) if shown else None,
            p_value=float(10.0 ** max(suspect.log10_p, -300.0)),
            effect=suspect.effect,
            limit=self._limit(),
            innocents=0.0,
            details=details,
        )
