"""`clean`: a report → a copy without what it accuses, or a list of what to keep; and an undo ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mithridate.core.batch import Source
from mithridate.core.errors import ReportError, UsageError
from mithridate.core.report import Report
from mithridate.core.results import Action, Finding, Severity
from mithridate.report.files import read_targets, write_bytes

__all__ = ["accused", "clean", "ledger_path", "refuse_inside", "write_keep_list"]

#: Checks whose INFO findings are about samples; what they name can be left out without harm to the rest.
#: A shortcut is about the data as a whole: leaving out everything that shows it would leave a hole.
_ABOUT_SAMPLES = frozenset({"label-errors", "duplicates", "outliers"})
_LEDGER = 1
_REASON = 240


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is done to whom.

    Attributes:
        drop: {id: reason}.
        relabel: {id: (old label, new label)}.
        because: ids of the checks whose findings ask for it: for dropping, for relabelling.
    """

    drop: Mapping[str, str]
    relabel: Mapping[str, tuple[str, str]]
    because: tuple[tuple[str, ...], tuple[str, ...]]


def clean(
    report: Report | str | Path,
    to: str | Path,
    *,
    relabel: bool = False,
    include_info: bool = False,
    data: Any = None,
    labels: Any = None,
    force: bool = False,
) -> Report:
    """Write a copy of the audited data without what was found above INFO. The original is never touched.

    Args:
        report: from `audit`, or the path of its report.json or of the folder that holds it.
        to: the copy, a file or folder in the format of the original; or a list of what to keep with the
            columns id, keep and reason, when the name is keep.parquet, or ends in .parquet and the original's
            does not.
        relabel: give samples of a finding that knows their true label this label instead of dropping them.
        include_info: also drop what INFO findings about samples name: label errors, outliers, and of
            duplicates all but the first.
        data: the audited data, when it was in memory or has moved.
        labels: its labels, when it was in memory without them.
        force: go on although the data is not what was audited.

    Returns:
        The report, with the actions that were carried out (the first one leaves samples out, maybe none)
        instead of those it proposed; their `undo` is the path of the ledger, at `ledger_path(copy)`.

    Raises:
        ReportError: the report or one of its side files cannot be read, or the ledger not be written.
        UsageError: the data is gone or has changed, the destination is in use or inside the data, or labels
            were to be changed in a list of what to keep.
    """
    folder = Path()
    if not isinstance(report, Report):
        path = Path(report)
        folder, report = path if path.is_dir() else path.parent, Report.load(path)
    source = _reopened(report, data, labels)
    if source.digest != report.subject.digest and not force:
        got = f"other content (digest {source.digest[:12]}, in the report {report.subject.digest[:12]})"
        remedy = "Audit it again; or go on regardless with --force (force=True)."
        raise UsageError("the data that was audited", got, source.uri, remedy)
    target, listed = _target(Path(to), source, relabel)
    plan = _plan(_accusers(report, folder, include_info), relabel)
    if not listed and len(plan.drop) >= report.subject.count > 0:
        remedy = "Look at the findings; drop fewer of them, or write a list with --to keep.parquet."
        raise UsageError(
            "at least one sample to keep", f"all {report.subject.count:,} accused", source.uri, remedy
        )
    outcome = _written_list(source, plan, target) if listed else _written_copy(source, plan, target)
    _write_ledger(report, source, plan, outcome, target)
    return replace(report, actions=_actions(plan, outcome, target))


def ledger_path(target: str | Path) -> Path:
    """Where the undo ledger of a copy lies: beside it."""
    target = Path(target)
    return target.with_name(f"{target.name}.undo.json")


def refuse_inside(uri: str, *targets: Path) -> None:
    """Refuse to write into the data.

    Args:
        uri: of the data.
        targets: files or folders about to be written.

    Raises:
        UsageError: one of them is the data, or inside of its folder.
    """
    origin = Path(uri)
    try:
        there = origin.exists()
    except OSError:  # a text too long for a name
        there = False
    if not there:  # in memory
        return
    for target in targets:
        if target.resolve().is_relative_to(origin.resolve()):
            remedy = "Choose a place outside of it."
            raise UsageError("a place outside of the data", "one that would change it", str(target), remedy)


def accused(report: Report, folder: Path = Path(), *, include_info: bool = False) -> dict[str, str]:
    """Whom the report accuses, and why.

    Args:
        report: from `audit`, or loaded from a file.
        folder: where its side files lie.
        include_info: also whom INFO findings about samples name.

    Returns:
        {id: reason}, worst finding first.
    """
    return {i: _reason(findings) for i, findings in _accusers(report, folder, include_info).items()}


def write_keep_list(report: Report, source: Source, path: Path, folder: Path = Path()) -> int:
    """Write which samples to keep: all but those accused above INFO.

    Returns:
        Number of samples kept.

    Raises:
        UsageError: it cannot be written.
    """
    from mithridate.sources.write import keep_list

    return keep_list(source, accused(report, folder), path)


def _accusers(report: Report, folder: Path, include_info: bool) -> dict[str, list[Finding]]:
    """The findings that accuse each sample, worst first."""
    by_id: dict[str, list[Finding]] = {}
    for finding in report.findings:
        wanted = finding.severity > Severity.INFO or (include_info and finding.check in _ABOUT_SAMPLES)
        for id_ in _named(finding, folder) if wanted else ():
            by_id.setdefault(id_, []).append(finding)
    return by_id


def _reason(findings: list[Finding]) -> str:
    told = f"{findings[0].check}: {findings[0].message}"
    others = sorted({f.check for f in findings[1:]} - {findings[0].check})
    return "; also ".join([told if len(told) <= _REASON else f"{told[: _REASON - 1]}…", *others])


def _named(finding: Finding, folder: Path) -> tuple[str, ...]:
    targets = finding.targets
    if finding.count > len(targets):
        targets, _ = read_targets(finding, folder)
    if finding.severity is Severity.INFO and finding.check == "duplicates" and "exact" not in finding.details:
        return ()  # twins with different labels: either may be the right one
    return targets[: finding.count]


def _reopened(report: Report, data: Any, labels: Any) -> Source:
    from mithridate.sources.base import MEMORY
    from mithridate.sources.open import open_source

    where = report.subject.uri if data is None else data
    if data is None and report.subject.uri == MEMORY:
        remedy = "Give it with data=, and its labels with labels=."
        raise UsageError("the data, which was in memory", "none", "clean", remedy)
    if isinstance(where, str | Path) and "://" not in str(where) and not _there(Path(where)):
        remedy = "If it has moved, say where it is now with --data (data=)."
        raise UsageError("the data that was audited", "nothing there", str(where), remedy)
    try:
        return open_source(where, labels=labels, **report.subject.options)
    except TypeError as error:
        raise ReportError("known options", str(error), "report.subject", "Run the audit again.") from error


def _there(path: Path) -> bool:
    """Whether there is something, or several files of a pattern."""
    from mithridate.sources.patterns import expanded, is_pattern

    return path.exists() or (is_pattern(str(path)) and any(Path(p).exists() for p in expanded(str(path))))


def _target(to: Path, source: Source, relabel: bool) -> tuple[Path, bool]:
    """Where the outcome goes, and whether it is a list of what to keep.

    A folder given for a file: the file keeps its name in there.
    """
    from mithridate.sources.write import copy_suffixes

    suffixes = copy_suffixes(source)
    listed = to.name.lower() == "keep.parquet" or (to.suffix == ".parquet" and ".parquet" not in suffixes)
    target = to / Path(source.uri).name if suffixes and not listed and (to.is_dir() or not to.suffix) else to
    if listed and relabel:
        remedy = "Name a file or folder for a copy with --to, or leave --relabel out."
        raise UsageError("a copy, in which labels can change", "a list of what to keep", str(target), remedy)
    refuse_inside(source.uri, target, ledger_path(target))
    for taken in (target, ledger_path(target)):
        if taken.is_symlink() or (taken.exists() and not taken.is_dir()):
            raise UsageError(
                "a destination that does not exist yet", "one that does", str(taken), "Choose another."
            )
    return target, listed


def _plan(accusers: Mapping[str, list[Finding]], relabel: bool) -> _Plan:
    drop: dict[str, str] = {}
    new: dict[str, tuple[str, str]] = {}
    told: tuple[set[str], set[str]] = set(), set()
    for id_, findings in accusers.items():
        details = findings[0].details
        old, true = details.get("label_says"), details.get("content_says")
        # Whoever is accused of something else too has more wrong with it than a label.
        if relabel and len(findings) == 1 and isinstance(old, str) and isinstance(true, str):
            new[id_] = (old, true)
        else:
            drop[id_] = _reason(findings)
        told[id_ in new].update(f.check for f in findings)
    return _Plan(drop=drop, relabel=new, because=(tuple(sorted(told[0])), tuple(sorted(told[1]))))


def _written_copy(source: Source, plan: _Plan, target: Path) -> dict[str, Any]:
    from mithridate.sources.write import write_copy

    labels = {id_: true for id_, (_, true) in plan.relabel.items()}
    return write_copy(source, target, drop=plan.drop.keys(), relabel=labels)


def _written_list(source: Source, plan: _Plan, target: Path) -> dict[str, Any]:
    from mithridate.sources.digest import files_digest
    from mithridate.sources.write import keep_list

    count = keep_list(source, plan.drop, target)
    return {"before": source.digest, "after": files_digest([("", target)]), "count": count, "renamed": {}}


def _actions(plan: _Plan, outcome: Mapping[str, Any], target: Path) -> tuple[Action, ...]:
    done = (("quarantine", plan.drop, plan.because[0]), ("relabel", plan.relabel, plan.because[1]))
    return tuple(
        Action(
            kind=kind,  # type: ignore[arg-type]
            targets=tuple(targets),
            because=because,
            before=outcome["before"],
            after=outcome["after"],
            undo=str(ledger_path(target)),
        )
        for kind, targets, because in done
        if targets or kind == "quarantine"
    )


def _write_ledger(
    report: Report, source: Source, plan: _Plan, outcome: Mapping[str, Any], target: Path
) -> None:
    renamed = outcome["renamed"]
    ledger = {
        "schema": _LEDGER,
        "original": source.uri,
        "copy": str(target),
        "before": outcome["before"],
        "audited": report.subject.digest,
        "after": outcome["after"],
        "kept": outcome["count"],
        "dropped": [{"id": id_, "reason": why} for id_, why in plan.drop.items()],
        "relabelled": [
            {"id": id_, "old": old, "new": new, "id_in_copy": renamed.get(id_, id_)}
            for id_, (old, new) in plan.relabel.items()
        ],
        "undo": "The original was not touched: use it again. To take back single decisions, copy the samples "
        'under "dropped" from it by their id, and give those under "relabelled" their old label.',
    }
    text = json.dumps(ledger, indent=1)
    write_bytes(ledger_path(target), text.encode("ascii"))
