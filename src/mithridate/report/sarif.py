"""SARIF 2.1.0 (OASIS, 2020): one result per finding, for services that collect scanner results."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mithridate.core.fingerprint import fingerprint
from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity, Skip
from mithridate.report.page import title_of
from mithridate.report.safe import plain
from mithridate.report.sarif_places import place, related

__all__ = ["to_sarif"]

_LEVEL = {
    Severity.INFO: "note",
    Severity.SUSPICIOUS: "warning",
    Severity.LIKELY: "error",
    Severity.PROVEN: "error",
}
_IDS = 100


def to_sarif(report: Report, base: Path | None = None) -> dict[str, Any]:
    """The findings as SARIF. `ruleId` is the id of the check, which is stable.

    Args:
        report: of an audit or scan.
        base: the folder that locations are relative to, as a rule the checkout; the current one when None.
    """
    base = Path.cwd() if base is None else base
    checks = list(dict.fromkeys(f.check for f in report.findings))
    driver = {
        "name": "Mithridate",
        "version": _version(),
        "rules": [_rule(report, check) for check in checks],
    }
    skips = [r for r in report.results if isinstance(r, Skip)]
    seen = Counter[str]()
    results = []
    for finding in report.findings:
        mark = fingerprint(finding)
        seen[mark] += 1
        results.append(_result(report, finding, checks.index(finding.check), f"{mark}:{seen[mark]}", base))
    run = {
        "tool": {"driver": driver},
        "results": results,
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": report.exit_code,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": plain(f"{s.reason}. {s.remedy}")}} for s in skips
                ],
            }
        ],
        "properties": {"verdict": str(report.verdict), "digest": report.subject.digest, "seed": report.seed},
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _version() -> str:
    try:
        return version("mithridate")
    except PackageNotFoundError:
        return "unknown"


def _rule(report: Report, check: str) -> dict[str, Any]:
    card = report.cards.get(check, {})
    rule: dict[str, Any] = {
        "id": check,
        "shortDescription": {"text": plain(title_of(report, check))},
        "properties": {"tags": ["security", "machine-learning"]},
    }
    if card.get("assumes"):
        rule["fullDescription"] = {"text": plain(card["assumes"])}
    parts = {"What to do": "remedy", "What it does not see": "misses", "After": "cites"}
    told = {head: plain(card[name]) for head, name in parts.items() if card.get(name)}
    if told:
        rule["help"] = {"text": "\n".join(f"{head}: {text}" for head, text in told.items())}
    return rule


def _result(report: Report, finding: Finding, rule: int, mark: str, base: Path) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "level": _LEVEL[finding.severity],
        "message": {"text": plain(finding.message)},
        "locations": [place(report, finding, base)],
        # The second is the one that GitHub goes by; it would otherwise make one of the first line of the data.
        "partialFingerprints": {"mithridate/v2": mark, "primaryLocationLineHash": mark},
        "properties": {
            "severity": finding.severity.name,
            "pValue": finding.p_value,
            "count": finding.count,
            "accused": [plain(i, 400) for i in finding.accused[:_IDS]],
        },
    }
    others = related(report, finding, base)
    if others:
        result["relatedLocations"] = others
    if report.baseline:
        result["baselineState"] = _state(finding)
    return result


def _state(finding: Finding) -> str:
    """As SARIF calls it (section 3.27.24)."""
    if not finding.known:
        return "updated" if "news" in finding.details else "new"
    told = finding.details["known"]
    return "updated" if isinstance(told, dict) and told.get("newcomers") else "unchanged"
