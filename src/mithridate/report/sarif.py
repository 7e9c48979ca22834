"""SARIF 2.1.0 (OASIS, 2020): one result per finding, for services that collect scanner results."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity, Skip
from mithridate.report.page import title_of
from mithridate.report.safe import plain

__all__ = ["to_sarif"]

_LEVEL = {
    Severity.INFO: "note",
    Severity.SUSPICIOUS: "warning",
    Severity.LIKELY: "error",
    Severity.PROVEN: "error",
}
_IDS = 100


def to_sarif(report: Report) -> dict[str, Any]:
    """The findings as SARIF. `ruleId` is the id of the check, which is stable."""
    checks = list(dict.fromkeys(f.check for f in report.findings))
    driver = {
        "name": "Mithridate",
        "version": _version(),
        "rules": [_rule(report, check) for check in checks],
    }
    skips = [r for r in report.results if isinstance(r, Skip)]
    run = {
        "tool": {"driver": driver},
        "results": [_result(report, f, checks.index(f.check)) for f in report.findings],
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
    rule: dict[str, Any] = {"id": check, "shortDescription": {"text": plain(title_of(report, check))}}
    if card.get("remedy"):
        rule["help"] = {"text": plain(card["remedy"])}
    return rule


def _result(report: Report, finding: Finding, rule: int) -> dict[str, Any]:
    details, model = finding.details, report.subject.modality == "model"
    key = details.get("key", details.get("place", ""))
    if model:  # what was seen in which file, not whom it is about
        key = f"{details.get('rule', '')}:{finding.targets[0] if finding.targets else ''}"
    fingerprint = f"{finding.check}:{finding.label or ''}:{key}"
    return {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "level": _LEVEL[finding.severity],
        "message": {"text": plain(finding.message)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(_place(report, finding))}}}],
        "partialFingerprints": {"mithridate/v1": plain(fingerprint, 200)},
        "properties": {
            "severity": finding.severity.name,
            "pValue": finding.p_value,
            "count": finding.count,
            "accused": [plain(i, 400) for i in finding.accused[:_IDS]],
        },
    }


def _place(report: Report, finding: Finding) -> str:
    """The file that a finding is about: for a scan of a folder, the one in it."""
    whole = report.subject.uri
    if report.subject.modality != "model" or not finding.targets:
        return whole
    file = finding.targets[0].partition("!")[0]
    return whole if whole.endswith(file) else f"{whole.rstrip('/')}/{file}"


def _uri(path: str) -> str:
    """A path as a URI reference: a SARIF location must be one."""
    from urllib.parse import quote

    return quote(path, safe="/:", errors="replace") or "."
