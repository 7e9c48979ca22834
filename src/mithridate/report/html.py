"""One self-contained page: verdict, evidence, limits. No script, no request, nothing from data unescaped."""

from __future__ import annotations

import base64
import hashlib
import shlex
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import accumulate
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
    # Lone surrogates cannot be written; `plain` has shown them already where they matter.
    return _fit(report, folder).encode("utf-8", "replace").decode("utf-8")


def _fit(report: Report, folder: str) -> str:
    """All exhibits; else as many as fit by their measured size; else fewer findings and rows."""
    sizes = [len(ascii(e.data)) for f in report.findings for e in f.exhibits]
    kept = _prefix(sizes, MAX_BYTES)
    full = _render(report, folder, _Room(kept, 100, 200))
    if _bytes(full) < MAX_BYTES:
        return full
    bare = _render(report, folder, _Room(0, 100, 200))
    # What escaping made of the exhibits, per byte of their data.
    growth = (_bytes(full) - _bytes(bare)) / max(sum(sizes[:kept]), 1)
    for share in (0.9, 0.5):
        room = share * (MAX_BYTES - _bytes(bare)) / max(growth, 1e-9)
        page = _render(report, folder, _Room(_prefix(sizes, room), 100, 200)) if room > 0 else full
        if _bytes(page) < MAX_BYTES:
            return page
    if _bytes(bare) < MAX_BYTES:
        return bare
    short = _render(report, folder, _Room(0, 30, 40, 20))
    return short if _bytes(short) < MAX_BYTES else _render(report, folder, _Room(0, 5, 10, 5))


def _bytes(page: str) -> int:
    return len(page.encode("utf-8", "replace"))


def _prefix(sizes: list[int], room: float) -> int:
    """How many of the first sizes fit."""
    return sum(total <= room for total in accumulate(sizes))


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
