"""One self-contained page: verdict, evidence, limits. No script, no request, nothing from data unescaped."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from mithridate.core.report import Report
from mithridate.core.results import Finding, NotApplicable, Severity, Skip
from mithridate.report.page import environment, first, histogram, limits, title_of

__all__ = ["MAX_BYTES", "render_html"]

#: The page stays below this; exhibits are dropped from the end to keep it so.
MAX_BYTES = 5_000_000
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
    page = ""
    for room in _rooms(report):
        page = _render(report, folder, room)
        if len(page.encode("utf-8", "replace")) < MAX_BYTES:
            break
    # Lone surrogates cannot be written; `plain` has shown them already where they matter.
    return page.encode("utf-8", "replace").decode("utf-8")


def _rooms(report: Report) -> Iterator[_Room]:
    """Ever smaller pages: all exhibits, then as many as fit by their size, then fewer findings and rows."""
    sizes = [len(repr(e.data)) for f in report.findings for e in f.exhibits]
    yield _Room(len(sizes), 100, 200)
    for share in (0.8, 0.4, 0.1):
        budget, kept = MAX_BYTES * share, 0
        for size in sizes:
            budget -= size
            if budget < 0:
                break
            kept += 1
        yield _Room(kept, 100, 200)
    yield _Room(0, 30, 40, 20)
    yield _Room(0, 5, 10, 5)


def _render(report: Report, folder: str, room: _Room) -> str:
    trimmed, dropped = _keep_exhibits(report, room.exhibits)
    style = files("mithridate.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    context = _context(trimmed, folder, room)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            **context,
            dropped=dropped,
            style=Markup(style),  # noqa: S704 - a file of this package
            style_hash=digest,
        )
    )


def _context(report: Report, folder: str, room: _Room) -> dict[str, Any]:
    alarms, more_alarms = first(report.alarms, room.findings)
    infos, more_infos = first([f for f in report.findings if f.severity is Severity.INFO], room.findings)
    skips, more_skips = first([r for r in report.results if isinstance(r, Skip)], room.rows)
    seen, more_limits = first(limits(report), room.rows)
    bars, more_classes = histogram(report.subject.classes)
    return {
        "report": report,
        "alarms": alarms,
        "more_alarms": more_alarms,
        "infos": infos,
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
        "command": f"mithridate clean {shlex.quote(folder)} --to cleaned",
        "title_of": lambda check: title_of(report, check),
        "ids": room.ids,
    }


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
