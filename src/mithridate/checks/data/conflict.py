"""Planted trigger: a key whose carriers bear a label that the rest of their content speaks against.

A natural feature agrees with its content; a dirty-label trigger does not. For a key with n carriers, k of them
labelled y, and mu = sum_i p_i(y | rest) expected by content, four things must hold:

1. excess: k is larger than mu allows;
2. size: the difference is large;
3. unlike: the carriers labelled y are not ordinary samples of y (`checks/excess.py` has the tests of 1 to 3);
4. like: where the cells of samples can be compared, the carriers labelled y look like a draw from the other classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.controls import Controls, lower
from mithridate.checks.excess import CARRIERS, COMMON, EFFECT, SUMS, SURE, Excess
from mithridate.checks.likeness import LEAST, Likeness
from mithridate.checks.ranks import LabelRanks, log_odds
from mithridate.checks.refined import refined
from mithridate.checks.second_look import prepared
from mithridate.checks.tally import (
    Carried,
    Suspect,
    Tally,
    clusters,
    described,
    key_slices,
)
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.stats import binomial_log10_tail

__all__ = ["Conflict"]

_SCREEN = -3.0  # uncorrected log10 p of the first look
_LOOKS = 2000  # keys that get a second look
_LEARNT = 300  # keys that get one because of their association alone
# Carriers that differ this significantly from other classes are a kind of their own: mostly; where such kinds are known
_UNLIKE, _ALIKE = 1e-2, 3e-2
_APART = 1e-3  # significance of the trials that a key passes before its second look is believed
_NAMED = 8

CARD = Card(
    id="label-conflict",
    title="planted trigger",
    stage="data",
    modalities=("image", "text", "table", "audio", "chat"),
    needs=("keys", "labels", "content"),
    assumes="the trigger recurs, and its carriers keep the content of another class",
    catches=(
        "patch",
        "word",
        "sentence",
        "invisible-character",
        "value",
        "value-pair",
        "homoglyph",
        "bidi",
        "habit",
        "out-of-range",
        "missingness",
        "tone",
        "ultrasonic-tone",
        "chirp",
        "clip-overlay",
        "denial-of-service",
        "targeted-answer",
        "hidden-answer",
        "preference-flip",
    ),
    misses="clean-label triggers; triggers whose form differs from sample to sample; habits of writing that many "
    "texts have by nature (a first word in capitals); "
    "classes that content cannot tell apart; a patch that covers more than a quarter of the picture",
    effect="share of the carriers whose label their content does not explain: (k - mu) / n",
    cites="Gu et al., arXiv 1708.06733 (the attack); Gardner et al., EMNLP 2021, section 3 (association "
    "tests); Hoeffding, Ann. Math. Stat. 27, 1956, theorem 5 (the tail)",
    remedy="Look at the carriers; if the label contradicts them, quarantine them and find out which source "
    "brought them in.",
    graded=True,
    reads_order=False,
)


@data_check(CARD)
class Conflict(DataCheck):
    """Rounds: 0 labels of carriers; 1 a first look at every key; 2 a second look at the suspects and their kin."""

    rounds = 3

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._tally = Tally(scope)
        self._prior = scope.sizes / max(int(scope.sizes.sum()), 1)
        self._label = {f: np.zeros(t.size, dtype=np.int64) for f, t in scope.tables.items()}
        self._likely = {f: np.ones(t.size, dtype=bool) for f, t in scope.tables.items()}
        self._sums = {f: np.zeros((t.size, SUMS)) for f, t in scope.tables.items()}
        self._suspects: list[Suspect] = []
        self._second = np.zeros((0, SUMS))
        self._likeness = Likeness(scope, 0)
        self._ranks = LabelRanks(len(scope.classes))
        self._excess = Excess(self._prior, self._ranks, scope.contrary)
        self._controls = Controls(len(scope.classes), scope.seed)
        self._bearers: list[list[int]] = []
        self._best = 0.0

    def fit(self, batch: Batch) -> None:
        """Count, then sum what content expects of the carriers."""
        if self.round == 0:
            self._tally.fit(batch)
            self._ranks.fit(batch)
            self._controls.fit(batch)
        elif self.round == 1:
            self._first_look(batch)
        else:
            self._second_look(batch)

    def merge(self, other: Self) -> None:
        """Add another part of the same round."""
        if self.round == 0:
            self._tally.merge(other._tally)
            self._ranks.merge(other._ranks)
            self._controls.merge(other._controls)
        elif self.round == 1:
            for family, sums in self._sums.items():
                sums += other._sums[family]
        else:
            self._second += other._second
            pairs = zip(self._bearers, other._bearers, strict=True)
            self._bearers = [mine + more for mine, more in pairs]
            self._likeness.merge(other._likeness)

    def advance(self) -> None:
        """0: choose the label of each key; 1: choose the suspects and find their kin; 2: judge them."""
        if self.round == 0:
            for family, counts in self._tally.by_label.items():
                excess = counts - counts.sum(axis=1, keepdims=True) * self._prior
                self._label[family] = excess.argmax(axis=1)
                k = counts[np.arange(len(counts)), self._label[family]]
                # Whatever content says of the carriers, fewer of one label cannot have the effect asked for.
                self._likely[family] = (k >= CARRIERS) & (k >= (EFFECT + SURE) * counts.sum(axis=1))
        elif self.round == 1:
            self._suspects = prepared(self.scope, self._screened(), self._cut)
            self._second = np.zeros((len(self._suspects), SUMS))
            self._bearers = [[] for _ in self._suspects]
            self._likeness = Likeness(self.scope, len(self._suspects))
        else:
            self._suspects = refined(self.scope, self._judged())

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Carriers that bear the suspect label, ranked by how much their content speaks against it."""
        start, stop = int(batch.rows[0]), int(batch.rows[-1]) + 1
        for number, suspect in enumerate(self._suspects):
            if suspect.named is not None:
                low, high = np.searchsorted(suspect.named.rows, [start, stop])
                rows, doubts = suspect.named.rows[low:high], suspect.named.doubts[low:high]
                if len(rows):
                    yield Hits(group=number, rows=rows, scores=1.0 - doubts)
                continue
            carried = Carried.of(suspect, batch)
            local = carried.rows - start
            mine = batch.evidence["label"][local] == suspect.label
            if mine.any():
                logits = batch.evidence["logits"][local] if carried.logits is None else carried.logits
                p = 1.0 / (1.0 + np.exp(-log_odds(logits[mine], suspect.label)))
                yield Hits(group=number, rows=carried.rows[mine], scores=1.0 - p)

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One finding per thing planted; all keys that accuse the same samples are one."""
        groups = clusters(self._suspects, ranked)
        for members in groups:
            yield self._finding(members, ranked)
        if not groups:
            yield Clear(
                check=CARD.id,
                message="no recurring key goes with a label that its carriers' content speaks against",
                limit=self._limit(),
                p_value=min(1.0, 10.0**self._best),
            )

    def _first_look(self, batch: Batch) -> None:
        label = batch.evidence["label"]
        logits = batch.evidence.get("sketch", batch.evidence["logits"])
        for family, keys in key_slices(batch):
            rows = keys.rows
            taken = np.flatnonzero(keys.fresh & self._likely[family][keys.keys] & (label[rows] >= 0))
            key, row = keys.keys[taken], rows[taken]
            y, sums = self._label[family][key], self._sums[family]
            if keys.offsets is None:
                values, which = self._of_each(logits, label, row, y)
            else:
                values = self._excess.values(logits[row] - keys.offsets[taken], y, label[row] == y)
                which = np.arange(len(row))
            for column in range(values.shape[1]):
                sums[:, column] += np.bincount(key, values[which, column], len(sums))

    def _of_each(
        self,
        logits: NDArray[np.float32],
        label: NDArray[np.int32],
        row: NDArray[np.int64],
        y: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(v, SUMS) values of all pairs of sample and label that occur, and (m,) which of them each entry takes."""
        k = logits.shape[1]
        occurs = np.zeros(len(logits) * k, dtype=bool)
        occurs[row * k + y] = True
        rows, labels = np.divmod(np.flatnonzero(occurs), k)
        values = self._excess.values(logits[rows], labels, label[rows] == labels)
        return values, (np.cumsum(occurs) - 1)[row * k + y]

    def _second_look(self, batch: Batch) -> None:
        label = batch.evidence["label"]
        self._likeness.fit_classes(batch)
        for number, suspect in enumerate(self._suspects):
            carried = Carried.of(suspect, batch)
            local = carried.rows - int(batch.rows[0])
            counts = carried.fresh & (label[local] >= 0)
            local = local[counts]
            y = np.full(len(local), suspect.label)
            bears = label[local] == suspect.label
            self._likeness.fit_suspect(number, batch, local[bears])
            if carried.logits is not None:
                self._second[number] += self._excess.values(carried.logits[counts], y, bears).sum(axis=0)
                self._bearers[number] += carried.rows[counts][bears].tolist()

    def _screened(self) -> list[Suspect]:
        """The keys whose excess is worth a second look, whatever else."""
        found: list[Suspect] = []
        second = self.scope.leave_out is not None
        for family, sums in self._sums.items():
            coarse = second and self.scope.tables[family].kin is not None
            log10_p, effect = self._excess.judge(sums, coarse=coarse)
            if not second:
                self._best = min(self._best, float(log10_p.min(initial=0.0)) + self._tests(family))
            found += [
                Suspect(
                    family=family, key=int(key), label=int(self._label[family][key]),
                    log10_p=float(log10_p[key]), effect=float(effect[key]),
                )
                for key in np.flatnonzero(log10_p <= (_SCREEN if second else self._cut(family)))
            ]  # fmt: skip
        found = _strongest(sorted(found, key=lambda s: (s.log10_p, s.family, s.key)))
        return found + self._associated({(s.family, s.key) for s in found})[:_LEARNT]

    def _associated(self, taken: set[tuple[str, int]]) -> list[Suspect]:
        """Keys with kin that go with a label more than chance allows: a coarse model may have learnt them by heart."""
        found: list[Suspect] = []
        for family, counts in self._tally.by_label.items():
            if self.scope.tables[family].kin is None or self.scope.leave_out is None:
                continue
            n, y = counts.sum(axis=1).astype(np.float64), self._label[family]
            k = counts[np.arange(len(counts)), y].astype(np.float64)
            tail = binomial_log10_tail(k, n, self._prior[y])
            keys = np.flatnonzero((tail <= self._cut(family)) & (k >= COMMON * n) & (k >= CARRIERS))
            strongest = keys[np.argsort(tail[keys], kind="stable")][: len(taken) + _LEARNT]
            found += [
                Suspect(family=family, key=key, label=int(y[key]), log10_p=float(tail[key]), effect=0.0)
                for key in strongest.tolist()
                if (family, key) not in taken
            ]
        return sorted(found, key=lambda s: (s.log10_p, s.family, s.key))

    def _judged(self) -> list[Suspect]:
        """What stands after the second look, or did not need one; corrected for all keys and labels."""
        plain, effect = self._excess.judge(self._second)
        ranked, _ = self._excess.judge(self._second, exact=True)
        exact = np.array([self.scope.tables[s.family].kin is not None for s in self._suspects], dtype=bool)
        log10_p = np.where(exact, ranked, plain)
        significant = []
        for number, suspect in enumerate(self._suspects):
            if suspect.logits is not None:
                suspect = replace(suspect, log10_p=float(log10_p[number]), effect=float(effect[number]))
                self._suspects[number] = suspect
            strong = suspect.log10_p <= self._cut(suspect.family)
            if strong and not self._stands_apart(number):
                continue  # its p-value is the paint's: no evidence
            if suspect.logits is not None:
                self._best = min(self._best, suspect.log10_p + self._tests(suspect.family))
            if strong:
                significant.append(number)
        judged = [
            replace(s, log10_p=s.log10_p + self._tests(s.family), bearers=np.array(bearers, dtype=np.int64))
            for s, bearers in ((self._suspects[n], self._bearers[n]) for n in self._victims(significant))
            if self._beats_parents(s)
        ]
        order = list(self.scope.tables)
        return sorted(judged, key=lambda s: (s.log10_p, order.index(s.family), s.key))

    def _stands_apart(self, number: int) -> bool:
        """Two trials of a second look that paints the key over; what it leaves may look like no class at all.

        Seen whole, by a model that has seen none of them, bearers of the label must look unlike it too. And under the
        same paint, other bearers of the label must look more like it: a key that covers much of a sample takes with it
        what content knows the class by. Where they are no likelier than their class is frequent, nothing is left.
        """
        suspect, leave_out = self._suspects[number], self.scope.leave_out
        without = self.scope.tables[suspect.family].without
        if without is None or leave_out is None or suspect.rows is None or suspect.logits is None:
            return True
        bearers = np.isin(suspect.rows, self._bearers[number])
        whole = log_odds(leave_out(suspect.rows)[bearers], suspect.label)
        if not self._excess.unlike(whole, suspect.label, _APART):
            return False
        rows = self._controls.of(suspect.label, suspect.rows)
        ordinary = without(suspect.key, rows) if len(rows) else None
        if ordinary is None:
            return not len(rows)
        others = log_odds(ordinary, suspect.label)
        prior = self._prior[suspect.label]
        if np.median(others) <= np.log(prior / (1.0 - prior)):
            return False
        return lower(log_odds(suspect.logits[bearers], suspect.label), others) <= _APART

    def _victims(self, numbers: list[int]) -> list[int]:
        """Of significant suspects, those whose carriers look like victims rather than like a kind of their own.

        Where one value of a column decides the label by nature, others do too: the column's keys must look more alike.
        """
        alike = {n: self._likeness.p_value(n, self._suspects[n]) for n in numbers}
        natural: set[int] = set()
        for n, p in alike.items():
            places = self._places(self._suspects[n])
            if p is not None and p < _UNLIKE and len(places) == 1:
                natural.update(places)
        return [
            n
            for n, p in alike.items()
            if p is not None and p >= (_ALIKE if natural & self._places(self._suspects[n]) else _UNLIKE)
        ]

    def _places(self, suspect: Suspect) -> set[int]:
        decides = self.scope.tables[suspect.family].decides
        return set() if decides is None else set(decides(suspect.key))

    def _beats_parents(self, suspect: Suspect) -> bool:
        """Whether the label is more frequent with the key than with each of its parts that conflict themselves."""
        parents = self.scope.tables[suspect.family].parents
        if parents is None:
            return True
        mine = self._tally.by_label[suspect.family][suspect.key].astype(np.float64)
        for parent in parents[1][suspect.key]:
            if parent < 0 or self._excess.judge(self._sums[parents[0]][parent : parent + 1])[0][0] > _SCREEN:
                continue
            rest = np.maximum(self._tally.by_label[parents[0]][parent] - mine, 0.0)
            rate = (rest[suspect.label] + 0.5) / (rest.sum() + 1.0)
            if binomial_log10_tail(mine[suspect.label], mine.sum(), rate) > _SCREEN:
                return False
        return True

    def _tests(self, family: str) -> float:
        """log10 of the family's Bonferroni factor: families share the budget equally, its keys and labels theirs."""
        keys = max(self.scope.tables[family].tests, 1) * len(self.scope.tables)
        return float(np.log10(keys * max(len(self.scope.classes), 1)))

    def _cut(self, family: str) -> float:
        """Uncorrected log10 p that is significant."""
        return float(np.log10(self.scope.alpha)) - self._tests(family)

    def _limit(self) -> str:
        cut = max((self._cut(family) for family in self.scope.tables), default=0.0)
        least = int(np.ceil(cut / np.log10(SURE)))
        floor = max(least, min((t.least for t in self.scope.tables.values()), default=CARRIERS))
        floor = max(floor, LEAST if self.scope.widths.get("cells") else 0)
        return (
            f"a trigger in fewer than {floor} samples, or in fewer than about "
            f"{round(floor / max(self.scope.accuracy, 0.1) ** 2)} where content is as unsure as on average here "
            f"(right in {self.scope.accuracy:.0%} of cases)"
        )

    def _finding(self, members: list[int], ranked: Mapping[int, Ranked]) -> Finding:
        from scipy.special import softmax

        spoken = self._spoken(members, ranked)
        best, hits = self._suspects[spoken], ranked[spoken]
        table, label = self.scope.tables[best.family], self.scope.classes[best.label]
        counts = self._tally.by_label[best.family][best.key]
        others = [self._suspects[m] for m in members[:_NAMED] if m != spoken]
        more: dict[str, Any] = {
            "also": [f"{s.family}: {self.scope.tables[s.family].name(s.key)}" for s in others]
        }
        if best.logits is not None:
            expected = softmax(best.logits.astype(np.float64), axis=1).sum(axis=0)
            more["expected_counts"] = {
                c: round(float(e), 1) for c, e in zip(self.scope.classes, expected, strict=True)
            }
        return Finding(
            check=CARD.id,
            severity=Severity.LIKELY,
            message=f"{len(hits.ids)} samples {self.scope.wording.format(label)} carry the same {table.noun} "
            f"({table.name(best.key)}); the rest of their content says otherwise",
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            label=label,
            p_value=float(10.0 ** max(self._suspects[members[0]].log10_p, -300.0)),
            effect=round(best.effect, 4),
            limit=self._limit(),
            innocents=round(float(np.sum([1.0 - s for s in hits.scores])), 2),
            details=described(self.scope, best, counts, hits, **more),
        )

    def _spoken(self, members: list[int], ranked: Mapping[int, Ranked]) -> int:
        """Of the keys of one thing, all well attested, the one that accuses most victims less innocents.

        A key that misses carriers, or has natural ones besides, can have the smallest p-value by chance. Of a
        carrier whose label content expects with p, half of the keys being of one mind about it, it is known that a
        share `effect` of all carriers are victims; otherwise it is one with probability 1 - p.
        """
        bar = 0.5 * self._suspects[members[0]].log10_p
        attested = [m for m in members if self._suspects[m].log10_p <= bar]
        rows, times = np.unique(np.concatenate([ranked[m].rows for m in attested]), return_counts=True)
        common = rows[times >= 0.5 * len(attested)]

        def worth(member: int) -> float:
            effect, p = self._suspects[member].effect, 1.0 - np.array(ranked[member].scores)
            agreed = effect / np.maximum(effect + (1.0 - effect) * p, 1e-12)
            victim = np.where(np.isin(ranked[member].rows, common), agreed, 1.0 - p)
            return round(float((2.0 * victim - 1.0).sum()), 6)

        return max(attested, key=worth)


def _strongest(found: list[Suspect]) -> list[Suspect]:
    """At most `_LOOKS` of the suspects, strongest first: of each label as many, so that none crowds others out."""
    seen: Counter[int] = Counter()
    ranks = []
    for suspect in found:
        ranks.append(seen[suspect.label])
        seen[suspect.label] += 1
    kept = sorted(sorted(range(len(found)), key=lambda n: (ranks[n], n))[:_LOOKS])
    return [found[n] for n in kept]
