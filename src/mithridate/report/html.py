"""One self-contained page: verdict, evidence, limits. No script, no request, nothing from data unescaped."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any

from mithridate.core.report import Report
from mithridate.core.results import Finding, NotApplicable, Severity, Skip
from mithridate.report.fit import MAX_BYTES, fitted, style
from mithridate.report.page import environment, excisions, first, histogram, limits, title_of
from mithridate.report.words import repaired

__all__ = ["MAX_BYTES", "render_html"]

_IDS = 50


@dataclass(frozen=True)
class _Room:
    """How much of a report is put on the page."""

    exhibits: int
    findings: int
    rows: int
    ids: int = _IDS


def render_html(report: Report, *, folder: str = "mithridate-report") -> str:
    """The page as one string below `MAX_BYTES` of UTF-8.

    Args:
        report: what to show; everything in it is treated as hostile.
        folder: where the report lies, as the reader would type it in a command.
    """
    # Lone surrogates cannot be written; `plain` has shown them already where they matter.
    return _fit(report, folder).encode("utf-8", "replace").decode("utf-8")


def _fit(report: Report, folder: str) -> str:
    return fitted(
        [len(ascii(e.data)) for f in report.findings for e in f.exhibits],
        lambda kept: _render(report, folder, _Room(kept, 100, 200)),
        (
            lambda: _render(report, folder, _Room(0, 30, 40, 20)),
            lambda: _render(report, folder, _Room(0, 5, 10, 5)),
        ),
    )


def _render(report: Report, folder: str, room: _Room) -> str:
    trimmed, dropped = _keep_exhibits(report, room.exhibits)
    look = style("style.css")
    return (
        environment()
        .get_template("report.html.j2")
        .render(**_context(trimmed, folder, room), dropped=dropped, style=look.text, style_hash=look.digest)
    )


def _context(report: Report, folder: str, room: _Room) -> dict[str, Any]:
    alarms, more_alarms = first(report.news, room.findings)
    known, more_known = first([f for f in report.alarms if f.known], room.findings)
    infos, more_infos = first([f for f in report.findings if f.severity is Severity.INFO], room.findings)
    skips, more_skips = first([r for r in report.results if isinstance(r, Skip)], room.rows)
    seen, more_limits = first(limits(report), room.rows)
    bars, more_classes = histogram(report.subject.classes)
    return {
        "report": report,
        "alarms": alarms,
        "more_alarms": more_alarms,
        "known": known,
        "more_known": more_known,
        "done": infos if repaired(report) else [],
        "infos": [] if repaired(report) else infos,
        "more_infos": more_infos,
        "limits": seen,
        "more_limits": more_limits,
        "skips": skips,
        "more_skips": more_skips,
        "absent": [r for r in report.results if isinstance(r, NotApplicable)][: room.rows],
        "histogram": bars,
        "more_classes": more_classes,
        "cards": list(report.cards.items())[: room.rows],
        "options": {k: v for k, v in report.subject.options.items() if v not in (None, "", [], {})},
        "command": _command(report, folder),
        "title_of": lambda check: title_of(report, check),
        "ids": room.ids,
    }


def _command(report: Report, folder: str) -> str:
    """What a reader types next; "" where there is nothing to type."""
    if report.subject.modality != "model":
        return f"mithridate clean {shlex.quote(folder)} --to cleaned"
    names = excisions(report)
    return f"mithridate repair {shlex.quote(report.subject.uri)} --excise {names[0]}" if names else ""


def _keep_exhibits(report: Report, keep: int) -> tuple[Report, int]:
    """Drop exhibits from the end of the report.

    Returns:
        The report with at most `keep` exhibits, and how many went.
    """
    results, dropped = [], 0
    for result in report.results:
        if isinstance(result, Finding):
            shown = result.exhibits[: max(keep, 0)]
            dropped += len(result.exhibits) - len(shown)
            keep -= len(shown)
            result = replace(result, exhibits=shown) if len(shown) < len(result.exhibits) else result
        results.append(result)
    return replace(report, results=tuple(results)), dropped
