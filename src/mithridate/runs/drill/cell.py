"""One cell of a drill: plant in a copy, audit the copy in a child process, then open the ledger."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mithridate.attacks.base import Attack, Order
from mithridate.attacks.ledger import Ledger
from mithridate.attacks.plan import Plan
from mithridate.core.batch import Source
from mithridate.core.drill import Cell, Twin
from mithridate.core.errors import UsageError
from mithridate.core.report import Report
from mithridate.core.results import Exhibit, Finding
from mithridate.report.files import read_targets
from mithridate.runs.drill.auditor import AuditError, Auditor
from mithridate.runs.drill.auditors import Auditors
from mithridate.runs.drill.score import score
from mithridate.runs.plant import carry_out, plan_for

__all__ = ["Outcome", "Place", "audited_twin", "named_like", "run_cell"]

Progress = Callable[[str, int, int | None], None]
_SHOWN = 8  # victims on the page


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cell works.

    Attributes:
        copies: folder of poisoned copies and reports; the auditing process is told paths in here.
        truth: folder of ledgers; it is told none in here.
        turn: held while the data are read and poisoned: attacks with a surrogate set the threads and the seed of
            the whole process.
    """

    copies: Path
    truth: Path
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished cell, and what training on it takes.

    Attributes:
        cell: the figures.
        plan: None when nothing could be planted.
        ledger: the truth.
        report: of the audit.
        copy: the poisoned copy; the caller removes its folder.
    """

    cell: Cell
    plan: Plan | None = None
    ledger: Ledger | None = None
    report: Report | None = None
    copy: Path | None = None


def run_cell(
    attack: Attack, dose: int, seed: int, source: Source, reading: Mapping[str, Any], place: Place,
    auditor: Auditor | Auditors, progress: Progress,
) -> Outcome:  # fmt: skip
    """Carry out one cell.

    Args:
        attack: with its parameters.
        dose: victims.
        seed: of plant and audit.
        source: the data; never written to.
        reading: how to read its copies.
        place: where.
        auditor: audits the copy.
        progress: told (stage, done, total or None).
    """
    empty = Cell(attack=attack.card.id, dose=dose, seed=seed)
    copy = place.copies / named_like(source)
    try:
        progress("planting", 0, None)
        with place.turn:
            started = time.monotonic()
            plan = plan_for(attack, Order(count=dose, seed=seed), source)
            ledger = carry_out(plan, source, copy, place.truth)
            shown = _victims(source, copy, reading, ledger)
            planted_s = time.monotonic() - started
    except UsageError as error:
        return Outcome(cell=replace(empty, state="impossible", reason=str(error)))
    except (ArithmeticError, ValueError, LookupError, RuntimeError, TypeError) as error:
        # One attack that breaks on this data must not cost the rest of the matrix.
        return Outcome(cell=replace(empty, state="failed", reason=f"{type(error).__name__}: {error}"))
    file = place.copies / "report.json"
    try:
        audited_s = auditor.audit(copy, reading, seed, file, progress)
    except AuditError as error:
        return Outcome(cell=replace(empty, state="failed", reason=str(error)), plan=plan, copy=copy)
    report = _whole(Report.load(file), file.parent)
    cell = replace(
        _scored(empty, report, ledger),
        exhibits=(*shown, *_found(report)),
        seconds=round(planted_s + audited_s, 2),
    )
    return Outcome(cell=cell, plan=plan, ledger=ledger, report=report, copy=copy)


def audited_twin(
    data: Path | str,
    reading: Mapping[str, Any],
    seed: int,
    place: Place,
    auditor: Auditor | Auditors,
    progress: Progress,
) -> Twin:
    """Audit the data as it is.

    Raises:
        AuditError: it cannot be audited; then no drill can say anything.
    """
    file = place.copies / "report.json"
    seconds = auditor.audit(data, reading, seed, file, progress)
    counted = score(_whole(Report.load(file), file.parent), None)
    return Twin(
        seed=seed,
        verdict=counted.verdict,
        alarms=len(counted.alarms),
        accused=counted.all_accused,
        seconds=round(seconds, 2),
    )


def named_like(source: Source) -> str:
    """A name for the copy with the suffixes of the original, from which the format is told."""
    from mithridate.sources.write import copy_suffixes

    name, suffixes = Path(source.uri).name, copy_suffixes(source)
    own = [s for s in suffixes if name.lower().endswith(s)]
    return f"copy{max(own, key=len) if own else next(iter(suffixes), '')}"


def _whole(report: Report, folder: Path) -> Report:
    """The report with lists that were too long to be inline."""
    results = []
    for result in report.results:
        if isinstance(result, Finding) and result.targets_file is not None:
            targets, scores = read_targets(result, folder)
            result = replace(result, targets=targets, scores=scores, targets_file=None)
        results.append(result)
    return replace(report, results=tuple(results))


def _scored(cell: Cell, report: Report, ledger: Ledger) -> Cell:
    counted = score(report, ledger)
    return replace(
        cell,
        target=ledger.target,
        poison=counted.poison,
        verdict=counted.verdict,
        check=counted.check,
        caught=counted.all_caught,
        accused=counted.all_accused,
        innocents=counted.all_innocents,
        ranking=None if math.isnan(counted.precision) else counted.precision,
    )


def _victims(source: Source, copy: Path, reading: Mapping[str, Any], ledger: Ledger) -> list[Exhibit]:
    """Some victims as they were and as they are."""
    from mithridate.report.exhibits import as_they_are
    from mithridate.report.exhibits.samples import fetched
    from mithridate.sources.open import open_source

    shown = [v for v in ledger.victims if v.changed][:_SHOWN]
    pairs = (
        ("Some victims before", fetched(source, [v.old_id for v in shown])),
        ("The same after planting", fetched(open_source(copy, **reading), [v.id for v in shown])),
    )
    drawn = [as_they_are(title, samples, source.modality) for title, samples in pairs]
    return [e for e in drawn if e is not None]


def _found(report: Report) -> tuple[Exhibit, ...]:
    """What the first alarm shows of what it found."""
    alarms = report.alarms
    if not alarms:
        return ()
    return tuple(replace(e, title=f"Found: {e.title}") for e in alarms[0].exhibits[:2])
