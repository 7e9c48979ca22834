"""What a report is worth against the ledger of what was planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mithridate.attacks.ledger import Ledger
from mithridate.core.report import Report
from mithridate.core.results import Finding

__all__ = ["Score", "average_precision", "score"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """The report against the truth. Only victims that really changed count as poison.

    Attributes:
        verdict: of the report.
        alarm: whether anything is above INFO.
        alarms: checks of the findings above INFO.
        poison: victims that really changed.
        check: of the best finding above INFO, the one with the most poison less innocents; "" without any.
        caught: poison that it accuses.
        innocents: others that it accuses; covers of the attack are none.
        all_caught: poison accused by any finding above INFO.
        all_accused: everybody accused above INFO.
        all_innocents: of these, those that the drill did not touch.
        best_at_info: the same three for the best finding at INFO, to see what grading cost.
        precision: average precision of the longest ranked list of label errors; nan without one.
    """

    verdict: str
    alarm: bool
    alarms: tuple[str, ...]
    poison: int
    check: str
    caught: int
    innocents: int
    all_caught: int
    all_accused: int
    all_innocents: int
    best_at_info: tuple[str, int, int]
    precision: float


def score(report: Report, ledger: Ledger | None) -> Score:
    """Count; with no ledger the data is clean and everything accused is innocent."""
    poison, touched = (
        (frozenset[str](), frozenset[str]()) if ledger is None else (ledger.poison, ledger.touched)
    )
    alarms = report.alarms
    above = {id(finding) for finding in alarms}
    check, caught, innocents = _best(alarms, poison, touched)
    everybody = {target for finding in alarms for target in finding.accused}
    return Score(
        verdict=str(report.verdict),
        alarm=bool(alarms),
        alarms=tuple(finding.check for finding in alarms),
        poison=len(poison),
        check=check,
        caught=caught,
        innocents=innocents,
        all_caught=len(everybody & poison),
        all_accused=len(everybody),
        all_innocents=len(everybody - touched),
        best_at_info=_best([f for f in report.findings if id(f) not in above], poison, touched),
        precision=_label_errors(report, poison),
    )


def _best(
    findings: Sequence[Finding], poison: frozenset[str], touched: frozenset[str]
) -> tuple[str, int, int]:
    counted = []
    for finding in findings:
        accused = set(finding.accused)
        counted.append((finding.check, len(accused & poison), len(accused - touched)))
    return max(counted, key=lambda c: (c[1] - c[2], c[1]), default=("", 0, 0))


def _label_errors(report: Report, poison: frozenset[str]) -> float:
    rankings = [f for f in report.findings if "label-error" in f.check or "label_error" in f.check]
    if not rankings or not poison:
        return float("nan")
    return average_precision(max((_ranking(f) for f in rankings), key=len), poison)


def _ranking(finding: Finding) -> tuple[str, ...]:
    """All ranked ids, from the file beside the report where the list is long."""
    if finding.targets_file is None:
        return finding.targets
    import pyarrow.parquet as pq

    return tuple(str(i) for i in pq.read_table(finding.targets_file, columns=["id"])["id"].to_pylist())


def average_precision(ranking: tuple[str, ...], poison: frozenset[str]) -> float:
    """Mean over the poison of the precision at its rank; poison that is not ranked counts as zero."""
    hits = np.flatnonzero([i in poison for i in ranking])
    return float(((np.arange(len(hits)) + 1) / (hits + 1)).sum() / len(poison))
