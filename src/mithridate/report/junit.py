"""JUnit XML, as Jenkins, GitLab and others read it: every check is a test case.

A finding fails its check, and what could not be examined is an error, because not examined is not clean. Elements
are those of the schema of Jenkins' xunit plug-in, junit-10.xsd.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from mithridate.core.fingerprint import fingerprint
from mithridate.core.report import Report
from mithridate.core.results import Clear, Finding, NotApplicable, Result, Severity, Skip
from mithridate.report.page import title_of
from mithridate.report.safe import plain
from mithridate.report.words import severity_word, verb

__all__ = ["to_junit"]

_ITEMS = 20
_MESSAGE = 300


def to_junit(report: Report, least: Severity | None = Severity.SUSPICIOUS) -> bytes:
    """The report as one test suite, in UTF-8.

    Args:
        report: of an audit or scan.
        least: lowest severity that is a failure; None where none is. Known findings never are.
    """
    checks = list(dict.fromkeys([*report.cards, *(r.check for r in report.results)]))
    cases = [_case(report, check, [r for r in report.results if r.check == check], least) for check in checks]
    numbers = {
        "tests": str(len(cases)),
        "failures": str(sum(c.find("failure") is not None for c in cases)),
        "errors": str(sum(c.find("error") is not None for c in cases)),
    }
    time = {"time": _seconds(report.timings.get("total", 0.0))}
    suite = ET.Element("testsuite", {
        "name": plain(f"mithridate {verb(report)}: {report.subject.uri}"), **numbers,
        "skipped": str(sum(c.find("skipped") is not None for c in cases)), **time,
    })  # fmt: skip
    told = ET.SubElement(suite, "properties")
    facts = {"verdict": str(report.verdict), "digest": report.subject.digest, "seed": str(report.seed)}
    for name, value in (facts | ({"baseline": report.baseline} if report.baseline else {})).items():
        ET.SubElement(told, "property", {"name": name, "value": plain(value)})
    suite.extend(cases)
    root = ET.Element("testsuites", {"name": "mithridate", **numbers, **time})
    root.append(suite)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _seconds(value: float) -> str:
    return f"{max(value, 0.0):.3f}"


def _case(report: Report, check: str, results: Sequence[Result], least: Severity | None) -> ET.Element:
    """One check: it failed, could not look, had nothing to look at, or passed, in this order."""
    case = ET.Element("testcase", {
        "name": plain(title_of(report, check)), "classname": f"mithridate.{plain(check)}",
        "time": _seconds(report.timings.get(check, 0.0)),
    })  # fmt: skip
    findings = [r for r in results if isinstance(r, Finding)]
    failed = [f for f in findings if least is not None and f.severity >= least and not f.known]
    skips = [r for r in results if isinstance(r, Skip)]
    rest = [f for f in findings if f not in failed]
    if failed:
        worst = max(f.severity for f in failed).name.lower()
        _outcome(case, "failure", worst, [f.message for f in failed], map(_finding, failed))
    elif skips:
        _outcome(case, "error", "not examined", [s.reason for s in skips], map(_skip, skips))
    elif results and all(isinstance(r, NotApplicable) for r in results):
        reasons = [r.reason for r in results if isinstance(r, NotApplicable)]
        _outcome(case, "skipped", "not applicable", reasons, ())
    told = [
        *(_skip(s) for s in skips if failed),
        *map(_finding, rest),
        *(_clear(r) for r in results if isinstance(r, Clear)),
    ]
    if told:
        ET.SubElement(case, "system-out").text = "\n\n".join(told)
    return case


def _outcome(case: ET.Element, kind: str, type_: str, messages: Sequence[str], body: Iterable[str]) -> None:
    first, more = plain(messages[0], _MESSAGE), len(messages) - 1
    message = f"{first} (and {more:,} more)" if more else first
    ET.SubElement(case, kind, {"type": type_, "message": message}).text = "\n\n".join(body) or None


def _finding(finding: Finding) -> str:
    known = ", known from an earlier report" if finding.known else ""
    lines = [
        f"[{severity_word(finding.severity)}{known}] {plain(finding.message)}",
        *([f"p = {finding.p_value:.2g}"] if finding.p_value is not None else []),
        *([f"accused, worst first: {_names(finding.accused, finding.count)}"] if finding.accused else []),
        f"fingerprint: {fingerprint(finding)}",
    ]
    return "\n".join(lines)


def _skip(skip: Skip) -> str:
    names = f"\n{_names(skip.items, skip.count)}" if skip.items else ""
    return f"not examined: {plain(skip.reason)}. {plain(skip.remedy)}{names}"


def _clear(clear: Clear) -> str:
    return plain(clear.message) + (f"\ncould not have seen: {plain(clear.limit)}" if clear.limit else "")


def _names(ids: Sequence[str], count: int) -> str:
    shown = ", ".join(plain(i, 200) for i in ids[:_ITEMS])
    more = max(count, len(ids)) - len(ids[:_ITEMS])
    return f"{shown} and {more:,} more" if more else shown
