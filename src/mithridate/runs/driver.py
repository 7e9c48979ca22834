"""Drives checks over evidence: all of them in lockstep, shard by shard, with the same answer for any sharding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope
from mithridate.core.results import NotApplicable, Result
from mithridate.core.verdict import ALPHA
from mithridate.engines.threads import side_by_side
from mithridate.evidence.view import Evidence

__all__ = ["Outcome", "run_checks", "scope_of"]

_BATCH, _NARROW = 4096, 16384  # samples at once; where they have no vectors
_REASONS = {
    "labels": "the data has no labels, or only one class",
    "content": "there are no labels for a content model to predict",
    "keys": "no key occurs often enough",
    "probes": "there are no labels, or no parts of the samples that could be looked at alone",
    "sources": "no source column was named",
}
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the checks said.

    Attributes:
        results: of every check that was asked, by id of the check.
        ran: checks that had something to look at.
        timings: seconds per check, summed over rounds.
    """

    results: tuple[Result, ...]
    ran: tuple[type[DataCheck], ...]
    timings: dict[str, float] = field(default_factory=dict)


def scope_of(evidence: Evidence, graded: int) -> Scope:
    """What checks may know about this evidence.

    Args:
        evidence: gathered.
        graded: how many checks share the false-alarm budget.
    """
    labels = evidence.labels
    k = len(evidence.classes)
    sizes = np.zeros(k, np.int64) if labels is None else np.bincount(labels[labels >= 0], minlength=k)
    return Scope(
        n=len(evidence.ids),
        classes=evidence.classes,
        sizes=sizes,
        source_names=evidence.source_names,
        tables=evidence.tables,
        accuracy=float("nan") if evidence.content is None else evidence.content.accuracy,
        widths={name: int(array.shape[1]) for name, array in evidence.vectors.items()},
        shapes=evidence.shapes,
        leave_out=evidence.leave_out,
        probes=evidence.probes,
        seed=evidence.seed,
        wording=evidence.wording,
        contrary=evidence.contrary,
        alpha=ALPHA / max(graded, 1),
    )


def run_checks(
    kinds: Iterable[type[DataCheck]],
    evidence: Evidence,
    *,
    jobs: int = 1,
    size: int | None = None,
    elsewhere: int = 0,
    progress: Progress = lambda stage, done, total: None,
) -> Outcome:
    """Fit, merge and score all checks that have something to look at.

    Args:
        kinds: the checks to ask.
        evidence: what they may read.
        jobs: shards worked on at once; the result does not depend on it.
        size: samples per batch, as fits what there is of each when None; the result does not depend on it.
        elsewhere: checks over other evidence of the same data that share the false-alarm budget.
        progress: told (stage, done, total).
    """
    kinds, size = list(kinds), size or (_BATCH if evidence.vectors else _NARROW)
    able, results = _applicable(kinds, evidence)
    scope = scope_of(evidence, elsewhere + sum(kind.card.graded for kind in able))
    checks: list[DataCheck] = []
    for kind in able:
        check = kind(scope)
        reason = check.applicable()
        if reason is None:
            checks.append(check)
        else:
            results.append(NotApplicable(check=kind.card.id, reason=reason))
    timings = {check.card.id: 0.0 for check in checks}
    for round_ in range(max((c.rounds for c in checks), default=0)):
        progress("checks", round_, None)
        _round([c for c in checks if round_ < c.rounds], evidence, jobs, size, timings)
    progress("ranking", 0, None)
    hits = _score(checks, evidence, jobs, size)
    for check, found in zip(checks, hits, strict=True):
        start = perf_counter()
        results.extend(check.results(_ranked(found, evidence.ids, check.most)))
        timings[check.card.id] += perf_counter() - start
    order = {kind.card.id: i for i, kind in enumerate(kinds)}
    results.sort(key=lambda r: order.get(r.check, len(order)))
    return Outcome(results=tuple(results), ran=tuple(type(c) for c in checks), timings=timings)


def _applicable(
    kinds: Sequence[type[DataCheck]], evidence: Evidence
) -> tuple[list[type[DataCheck]], list[Result]]:
    able, results = [], list[Result]()
    for kind in kinds:
        missing = [need for need in kind.card.needs if need not in evidence.names]
        if evidence.modality not in kind.card.modalities:
            reason = f"not made for {evidence.modality} data"
        elif missing:
            reason = _REASONS.get(missing[0], f"no {missing[0].removeprefix('vector:')} vectors here")
        else:
            able.append(kind)
            continue
        results.append(NotApplicable(check=kind.card.id, reason=reason))
    return able, results


def _needs(checks: Sequence[DataCheck]) -> frozenset[str]:
    return frozenset(need for check in checks for need in check.card.needs)


def _round(
    checks: Sequence[DataCheck],
    evidence: Evidence,
    jobs: int,
    size: int,
    timings: dict[str, float],
) -> None:
    shards = [checks] + [[_fork(check) for check in checks] for _ in range(jobs - 1)]

    def fit(number: int) -> list[float]:
        spent = [0.0] * len(checks)
        for batch in evidence.batches(_needs(checks), size, (number, jobs)):
            for i, check in enumerate(shards[number]):
                start = perf_counter()
                check.fit(batch)
                spent[i] += perf_counter() - start
        return spent

    for spent in side_by_side(fit, range(jobs), jobs):
        for check, seconds in zip(checks, spent, strict=True):
            timings[check.card.id] += seconds
    for i, check in enumerate(checks):
        start = perf_counter()
        for other in shards[1:]:
            check.merge(other[i])
        check.advance()
        check.round += 1
        timings[check.card.id] += perf_counter() - start


def _fork(check: DataCheck) -> DataCheck:
    return copy.deepcopy(check, {id(check.scope): check.scope})


def _score(checks: Sequence[DataCheck], evidence: Evidence, jobs: int, size: int) -> list[list[Hits]]:
    def score(number: int) -> list[list[Hits]]:
        hits: list[list[Hits]] = [[] for _ in checks]
        for batch in evidence.batches(_needs(checks), size, (number, jobs)):
            for i, check in enumerate(checks):
                hits[i].extend(check.score(batch))
        return hits

    parts = side_by_side(score, range(jobs), jobs)
    return [[hit for part in parts for hit in part[i]] for i in range(len(checks))]


def _ranked(hits: Sequence[Hits], ids: Sequence[str], most: int | None) -> dict[int, Ranked]:
    groups: dict[int, list[Hits]] = {}
    for hit in hits:
        groups.setdefault(hit.group, []).append(hit)
    return {number: _rank(parts, ids, most) for number, parts in sorted(groups.items())}


def _rank(parts: Sequence[Hits], ids: Sequence[str], most: int | None) -> Ranked:
    rows: NDArray[np.int64] = np.concatenate([p.rows for p in parts])
    scores = np.concatenate([p.scores for p in parts]).astype(np.float64)
    if most is not None and len(rows) > most:
        worst = (
            scores >= np.partition(scores, len(scores) - most)[len(scores) - most]
        )  # ties go by name, below
        rows, scores = rows[worst], scores[worst]
    names = np.array([ids[row] for row in rows], dtype=object)
    by_name = np.argsort(names, kind="stable")
    order = by_name[np.argsort(-scores[by_name], kind="stable")][:most]
    return Ranked(
        ids=tuple(names[order].tolist()),
        rows=rows[order],
        scores=tuple(float(f"{s:.8g}") for s in scores[order].tolist()),
    )
