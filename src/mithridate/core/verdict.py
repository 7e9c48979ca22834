"""Checks propose, the run grades: one budget of 1 % for the whole audit, shared by the checks that ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from mithridate.core.results import Clear, Finding, Result, Severity, Skip

__all__ = ["ALPHA", "Verdict", "exit_code", "grade", "verdict"]

#: At most this share of clean data sets may be flagged, by all checks together.
ALPHA = 0.01


class Verdict(StrEnum):
    """What a verb says about its subject: the first three find, the next three repair, the last two trace."""

    FLAGGED = "FLAGGED"
    INCOMPLETE = "INCOMPLETE"
    CLEAN = "CLEAN"
    HEALED = "HEALED"
    WORSE = "WORSE"
    NOT_PROVEN = "NOT PROVEN"
    EXPLAINED = "EXPLAINED"
    NO_GROUP = "NO GROUP"


def grade(results: Sequence[Result], graded_checks: Iterable[str]) -> tuple[Result, ...]:
    """Lower to INFO what is not significant at ALPHA / K.

    Args:
        results: what the checks said, severities as proposed.
        graded_checks: ids of the checks whose findings can rise above INFO, one that ran more than once as often. K
            counts those of them that ran.

    Returns:
        The results in the same order. Deterministic findings (`p_value is None`) keep their severity.
    """
    able = Counter(graded_checks)
    ran = {r.check for r in results if isinstance(r, Finding | Clear)}
    cut = ALPHA / max(sum(times for check, times in able.items() if check in ran), 1)

    def judge(result: Result) -> Result:
        if not isinstance(result, Finding) or result.severity is Severity.INFO:
            return result
        significant = result.p_value is None or result.p_value <= cut
        return result if result.check in able and significant else replace(result, severity=Severity.INFO)

    return tuple(judge(r) for r in results)


def verdict(results: Iterable[Result]) -> Verdict:
    """Any result above INFO that is not known flags; else any skip leaves it incomplete; else clean."""
    results = list(results)
    if any(isinstance(r, Finding) and r.severity > Severity.INFO and not r.known for r in results):
        return Verdict.FLAGGED
    return Verdict.INCOMPLETE if any(isinstance(r, Skip) for r in results) else Verdict.CLEAN


def exit_code(verdict_: Verdict) -> int:
    """0 clean, healed or traced, 1 flagged or worse, 3 incomplete or not proven (2 is a usage error or crash)."""
    if verdict_ in (Verdict.CLEAN, Verdict.HEALED, Verdict.EXPLAINED, Verdict.NO_GROUP):
        return 0
    return 1 if verdict_ in (Verdict.FLAGGED, Verdict.WORSE) else 3
