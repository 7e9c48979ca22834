"""Planted trigger: a key whose carriers bear a label that the rest of their content speaks against.

A natural feature agrees with its content; a dirty-label trigger does not (cf. Gardner et al., "Competency problems",
EMNLP 2021, for association alone). For a key with carriers i and label y, k of them bear y, and content alone expects
mu = sum_i p_i(y | rest): Chernoff's bound for the Poisson-binomial tail (Hoeffding, 1956) gives p; a floor on
(k - mu) / n removes frequent natural keys; and the carriers that bear y must look unlike others that bear y.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.tally import Carried, Suspect, Tally, clusters, key_slices, with_kin
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import TILTS, gamma_log10_tail, log_mgf, tail_from_mgf

__all__ = ["Conflict"]

_CLIP = 0.02  # no content model is surer than this about a single sample
_EFFECT = 0.3  # least (k - mu) / n
_UNLIKE = -3.0  # log10 p at which carriers count as unlike other bearers of the label
_CARRIERS = 5
_SCREEN = -3.0  # uncorrected log10 p from which a key's kin are looked up
_LOOKUPS = 64
_BINS = 1024

CARD = Card(
    id="label-conflict",
    title="planted trigger",
    stage="data",
    modalities=("image", "text", "table"),
    needs=("keys", "labels", "content"),
    assumes="the trigger recurs, and its carriers keep the content of another class",
    catches=("patch", "word", "sentence", "invisible-character", "value", "value-pair"),
    misses="clean-label triggers; triggers whose form differs from sample to sample; classes that content cannot tell apart",
    effect="share of the carriers whose label their content does not explain: (k - mu) / n",
    cites="Gu et al., arXiv 1708.06733 (the attack); Gardner et al., EMNLP 2021, section 3 (association tests); Hoeffding, Ann. Math. Stat. 27, 1956 (Poisson-binomial tail)",
    remedy="Look at the carriers; if the label contradicts them, quarantine them and find out which source brought them in.",
    graded=True,
    reads_order=False,
)


@data_check(CARD)
class Conflict(DataCheck):
    """Rounds: 0 labels of carriers and how sure content is of each class; 1 expected labels; 2 the same for kin."""

    rounds = 3

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._tally = Tally(scope)
        self._sure = np.zeros((len(scope.classes), _BINS), dtype=np.int64)
        self._label = {f: np.zeros(t.size, dtype=np.int64) for f, t in scope.tables.items()}
        self._sums = {f: np.zeros((t.size, len(TILTS) + 3)) for f, t in scope.tables.items()}
        self._suspects: list[Suspect] = []
        self._kin = np.zeros((0, len(TILTS) + 4))
        self._best = 0.0

    def fit(self, batch: Batch) -> None:
        """Count, then sum what content expects of the carriers."""
        if self.round == 0:
            self._tally.fit(batch)
            self._fit_sure(batch)
        elif self.round == 1:
            self._fit_expected(batch)
        else:
            self._fit_kin(batch)

    def merge(self, other: Self) -> None:
        """Add another part of the same round."""
        if self.round == 0:
            self._tally.merge(other._tally)
            self._sure += other._sure
        elif self.round == 1:
            for family, sums in self._sums.items():
                sums += other._sums[family]
        else:
            self._kin += other._kin

    def advance(self) -> None:
        """0: choose the label of each key; 1: choose suspects and look up their kin; 2: judge the kin."""
        if self.round == 0:
            prior = self.scope.sizes / max(self.scope.sizes.sum(), 1)
            for family, counts in self._tally.by_label.items():
                excess = counts - counts.sum(axis=1, keepdims=True) * prior
                self._label[family] = excess.argmax(axis=1)
        elif self.round == 1:
            self._suspects = [with_kin(self.scope, s) for s in self._screened()]
            self._kin = np.zeros((len(self._suspects), len(TILTS) + 4))
        else:
            self._suspects = self._judged()

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Carriers that bear the suspect label, ranked by how much their content speaks against it."""
        for number, suspect in enumerate(self._suspects):
            carried = Carried.of(suspect, batch)
            local = carried.rows - int(batch.rows[0])
            mine = batch.evidence["label"][local] == suspect.label
            if mine.any():
                p = _probability(batch.evidence["logits"][local[mine]], suspect.label)
                yield Hits(group=number, rows=carried.rows[mine], scores=1.0 - p)

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One finding per thing planted; all keys that accuse the same samples are one."""
        groups = clusters(self._suspects, ranked)
        for members in groups:
            yield self._finding(members, ranked[members[0]])
        if not groups:
            yield Clear(
                check=CARD.id,
                message="no recurring key goes with a label that its carriers' content speaks against",
                limit=self._limit(),
                p_value=min(1.0, 10.0**self._best),
            )

    def _fit_sure(self, batch: Batch) -> None:
        label, logits = batch.evidence["label"], batch.evidence["logits"]
        known = np.flatnonzero(label >= 0)
        bins = _bin(_probability(logits[known], label[known]))
        self._sure += np.bincount(label[known] * _BINS + bins, minlength=self._sure.size).reshape(
            self._sure.shape
        )

    def _fit_expected(self, batch: Batch) -> None:
        label, logits = batch.evidence["label"], batch.evidence["logits"]
        for family, keys in key_slices(batch):
            rows = keys.rows
            taken = np.flatnonzero(keys.fresh & (label[rows] >= 0))
            key, row = keys.keys[taken], rows[taken]
            rest = logits[row] if keys.offsets is None else logits[row] - keys.offsets[taken]
            y = self._label[family][key]
            values = self._values(rest, y, label[row] == y)
            for column in range(values.shape[1]):
                self._sums[family][:, column] += np.bincount(key, values[:, column], len(self._sums[family]))

    def _fit_kin(self, batch: Batch) -> None:
        label, logits, group = batch.evidence["label"], batch.evidence["logits"], batch.evidence["group"]
        for number, suspect in enumerate(self._suspects):
            if suspect.rows is None:
                continue
            local = Carried.of(suspect, batch).rows - int(batch.rows[0])
            # a near-duplicate counts once: the first carrier of its group, which is the group's own row or alone here
            local = local[(label[local] >= 0)]
            lead = np.isin(group[local], suspect.rows) & (group[local] != local + int(batch.rows[0]))
            local = local[~lead]
            y = np.full(len(local), suspect.label)
            bears = label[local] == suspect.label
            values = self._values(logits[local], y, bears)
            self._kin[number, 0] += len(local)
            self._kin[number, 1:] += values.sum(axis=0)

    def _values(
        self, logits: NDArray[np.float32], y: NDArray[np.int64], bears: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """(m, 3 + tilts): bears y, p(y), -ln of the rank among bearers of y (0 for others), log-mgf."""
        p = _probability(logits, y)
        clipped = np.clip(p, _CLIP, 1 - _CLIP)
        below = np.cumsum(self._sure, axis=1)
        rank = (below[y, _bin(p)] + 1.0) / (below[y, -1] + 1.0) if len(y) else np.zeros(0)
        return np.column_stack(
            [bears, clipped, np.where(bears, -np.log(np.minimum(rank, 1.0)), 0.0), log_mgf(clipped)]
        )

    def _screened(self) -> list[Suspect]:
        found: list[Suspect] = []
        tests = self._tests()
        for family, sums in self._sums.items():
            n = self._tally.by_label[family].sum(axis=1)
            log10_p, effect = _judge(n, sums)
            self._best = min(self._best, float(log10_p.min(initial=0.0)) + tests)
            kept = np.flatnonzero((log10_p <= _SCREEN) & (n >= _CARRIERS))
            found += [
                Suspect(
                    family=family, key=int(key), label=int(self._label[family][key]),
                    log10_p=float(log10_p[key]), effect=float(effect[key]),
                )
                for key in kept
            ]  # fmt: skip
        return sorted(found, key=lambda s: (s.log10_p, s.family, s.key))[:_LOOKUPS]

    def _judged(self) -> list[Suspect]:
        """Each suspect by its own carriers or its kin, whichever is stronger; two looks cost a factor of two."""
        tests, doubled = self._tests(), np.log10(2.0)
        log10_p, effect = _judge(self._kin[:, 0], self._kin[:, 1:])
        judged = []
        for number, suspect in enumerate(self._suspects):
            own = suspect.log10_p
            if suspect.rows is not None and log10_p[number] < own:
                suspect = replace(suspect, log10_p=float(log10_p[number]), effect=float(effect[number]))
            corrected = min(0.0, suspect.log10_p + tests + doubled)
            self._best = min(self._best, corrected)
            if corrected <= np.log10(self.scope.alpha):
                judged.append(replace(suspect, log10_p=corrected))
        return sorted(judged, key=lambda s: (s.log10_p, s.family, s.key))

    def _tests(self) -> float:
        """log10 of how many (key, label) pairs could have been rejected."""
        tests = sum(t.tests for t in self.scope.tables.values())
        return float(np.log10(max(tests, 1) * max(len(self.scope.classes), 1)))

    def _limit(self) -> str:
        least = int(np.ceil((self._tests() + np.log10(2.0) - np.log10(self.scope.alpha)) / -np.log10(_CLIP)))
        floor = max([least] + [min((t.least for t in self.scope.tables.values()), default=_CARRIERS)])
        return (
            f"a trigger in fewer than {floor} samples, or in up to {round(floor / max(self.scope.accuracy, 0.1))} "
            f"where content is as unsure as here (it is right in {self.scope.accuracy:.0%} of cases)"
        )

    def _finding(self, members: list[int], hits: Ranked) -> Finding:
        best = self._suspects[members[0]]
        table, label = self.scope.tables[best.family], self.scope.classes[best.label]
        counts = self._tally.by_label[best.family][best.key]
        shown = {self.scope.classes[i]: int(c) for i, c in enumerate(counts) if c}
        names = [self.scope.tables[self._suspects[m].family].name(self._suspects[m].key) for m in members[:8]]
        return Finding(
            check=CARD.id,
            severity=Severity.LIKELY,
            message=f"{len(hits.ids)} samples labelled {label!r} carry the same {table.noun} ({table.name(best.key)}); "
            "the rest of their content says otherwise",
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            label=label,
            p_value=float(10.0 ** max(best.log10_p, -300.0)),
            effect=best.effect,
            limit=self._limit(),
            innocents=round(float(np.sum([1.0 - s for s in hits.scores])), 2),
            details={**table.details(best.key), "label_counts": shown, "also": names[1:]},
        )


def _probability(logits: NDArray[np.float32], y: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """(m,) softmax probability of class y."""
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return np.asarray(e[np.arange(len(e)), y] / e.sum(axis=1))


def _bin(p: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin of a probability on the logit scale."""
    z = np.log(np.maximum(p, 1e-12) / np.maximum(1 - p, 1e-12))
    return np.clip(((z + 28) / 56 * _BINS).astype(np.int64), 0, _BINS - 1)


def _judge(
    n: NDArray[np.float64] | NDArray[np.int64], sums: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Uncorrected log10 p (0 where the effect is too small or the carriers are like others), and the effect."""
    k, mu, unlike = sums[:, 0], sums[:, 1], sums[:, 2]
    effect = (k - mu) / np.maximum(n, 1)
    odd = gamma_log10_tail(unlike, k)
    passes = (effect >= _EFFECT) & (odd <= _UNLIKE)
    return np.where(passes, tail_from_mgf(k, sums[:, 3:]), 0.0), effect
