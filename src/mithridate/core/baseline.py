"""What is new since an earlier report: findings that accuse only what was accused before are known.

The samples decide, not the words of a finding: each accused sample goes by a digest of its content and its label
(`details["contents"]`), so that rows may move and files be renamed, but nothing that was added, altered or relabelled
since passes as known. At most `MOST` newcomers do, fewer than any check could find by themselves, and they are
counted from the first report on. docs/report-format.md has the rule in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mithridate.core.errors import ReportError
from mithridate.core.fingerprint import fingerprint
from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity
from mithridate.core.verdict import Verdict, verdict

__all__ = ["folded", "only_new", "refuse_incomparable"]

#: Newcomers that a known finding may have at most, and the share of its known samples that they may be at most.
MOST, SHARE = 2, 0.25
_FINDING = (Verdict.FLAGGED, Verdict.INCOMPLETE, Verdict.CLEAN)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """Something that a report says.

    Attributes:
        kind: (check, label, rule).
        severity: of it.
        count: how many it accuses.
        contents: digests of all of them; empty where they are not known.
        grown: newcomers since it was first seen.
    """

    kind: tuple[str, str | None, str]
    severity: int
    count: int
    contents: Counter[str]
    grown: int = 0


def folded(finding: Finding) -> dict[str, Any]:
    """What is kept of a finding that another one stands for, as JSON values."""
    return {
        "check": finding.check,
        "label": finding.label,
        "rule": str(finding.details.get("rule", "")),
        "severity": finding.severity.name,
        "count": finding.count,
        "contents": list(finding.details.get("contents", ())),
    }


def refuse_incomparable(baseline: Report, modality: str) -> None:
    """Refuse a baseline that cannot be one.

    Args:
        baseline: as it was read.
        modality: of what is examined.

    Raises:
        ReportError: of another kind of data, or of a repair or trace.
    """
    if baseline.verdict not in _FINDING:
        raise ReportError(
            "the report of an audit or scan", f"one that says {baseline.verdict}", "baseline", "Give another."
        )
    if baseline.subject.modality != modality:
        got = f"a report about {baseline.subject.modality} ({baseline.subject.uri})"
        raise ReportError(f"a report about {modality}", got, "baseline", "Give one about the same subject.")


def only_new(report: Report, baseline: Report) -> Report:
    """Mark what an earlier report said already; only what is new counts for the verdict.

    Args:
        report: of an audit or scan.
        baseline: an earlier one, of the same data set or model as it was then.

    Returns:
        The report with `details["known"]` in findings that are known, `details["news"]` in those that are more than
        they were, the verdict over what is new, and a note. No finding is removed.

    Raises:
        ReportError: the two cannot be compared.
    """
    refuse_incomparable(baseline, report.subject.modality)
    before = [*_seen(baseline)]
    quiet = Counter[str]()
    for finding in baseline.findings:
        quiet[fingerprint(finding)] = max(quiet[fingerprint(finding)], _whole(finding.count))
    results = tuple(_marked(r, before, quiet) if isinstance(r, Finding) else r for r in report.results)
    compared = replace(report, results=results, baseline=baseline.subject.digest)
    return replace(compared, verdict=verdict(results), notes=(*report.notes, _told(compared, baseline)))


def _told(report: Report, baseline: Report) -> str:
    known = sum(f.known for f in report.alarms)
    where = f"{baseline.subject.uri} ({baseline.subject.digest[:12]})"
    told = f"compared with an earlier report on {where}: known findings {known} of {len(report.alarms)}"
    gone = len({fingerprint(f) for f in baseline.alarms} - {fingerprint(f) for f in report.findings})
    told += f", {gone} of that report not found again" if gone else ""
    mine, theirs = set(report.subject.classes), set(baseline.subject.classes)
    told += "; no label in common: is it of other data?" if mine and theirs and not mine & theirs else ""
    bare = any(not _contents(f.details) for f in baseline.alarms)
    return told + ("; some of it cannot be compared and counts as new" if bare else "")


def _marked(finding: Finding, before: list[_Seen], quiet: Mapping[str, int]) -> Finding:
    if finding.severity is Severity.INFO:
        old = quiet.get(fingerprint(finding))
        known = old is not None and finding.count - old <= min(MOST, SHARE * old)
        return _with(finding, known={"newcomers": max(finding.count - (old or 0), 0)}) if known else finding
    mine = [*_of(finding)]
    newcomers = [_newcomers(one, before) for one in mine]
    if all(n is not None and n <= _room(one) for one, n in zip(mine, newcomers, strict=True)):
        return _with(finding, known={"newcomers": max(n or 0 for n in newcomers)})
    first = newcomers[0]
    if first is None or first >= finding.count:
        return finding
    return _with(finding, news={"newcomers": first, "known": finding.count - first})


def _with(finding: Finding, **more: Any) -> Finding:
    return replace(finding, details={**finding.details, **more})


def _room(one: _Seen) -> float:
    return min(MOST, SHARE * one.count)


def _newcomers(one: _Seen, before: Iterable[_Seen]) -> int | None:
    """How many samples were not accused of the same before, those that came since it was first seen included.

    Returns:
        None where the same was never said, not as surely, or the samples cannot be told.
    """
    same = [b for b in before if b.kind == one.kind and b.severity >= one.severity and b.contents]
    if not same or one.contents.total() != one.count:
        return None
    known = Counter[str]()
    for other in same:
        known |= other.contents  # as often as a sample was there: copies of an accused sample are new
    return (one.contents - known).total() + max(other.grown for other in same)


def _seen(report: Report) -> Iterable[_Seen]:
    for finding in report.alarms:
        yield from _of(finding)


def _of(finding: Finding) -> Iterable[_Seen]:
    """A finding and those that it stands for. A report may come from anywhere: what is odd in it is left out."""
    details = finding.details
    known = details.get("known")
    grown = _whole(known.get("newcomers")) if isinstance(known, Mapping) else 0
    rule = str(details.get("rule", ""))
    yield _Seen(
        kind=(finding.check, finding.label, rule), severity=finding.severity, count=_whole(finding.count),
        contents=_contents(details), grown=grown,
    )  # fmt: skip
    others = details.get("folded", ())
    for other in others if isinstance(others, list | tuple) else ():
        if isinstance(other, Mapping) and other.get("severity") in Severity.__members__:
            yield _Seen(
                kind=(str(other.get("check")), other.get("label"), str(other.get("rule", ""))),
                severity=Severity[other["severity"]], count=_whole(other.get("count")), contents=_contents(other),
                grown=grown,
            )  # fmt: skip


def _contents(details: Mapping[str, Any]) -> Counter[str]:
    contents = details.get("contents", ())
    sound = isinstance(contents, list | tuple) and all(isinstance(c, str) for c in contents)
    return Counter(contents if sound else ())


def _whole(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0
