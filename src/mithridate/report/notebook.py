"""A report in a notebook cell: verdict, findings, a folded list of limits."""

from __future__ import annotations

from importlib.resources import files

from markupsafe import Markup

from mithridate.core.report import Report
from mithridate.core.results import Severity, Skip
from mithridate.report.page import environment, first, limits, title_of

__all__ = ["render_notebook"]

_FINDINGS, _EXHIBITS = 20, 3


def render_notebook(report: Report) -> str:
    """A fragment of HTML for `Report._repr_html_`: no script, styles scoped to it, as safe as the page."""
    alarms, more = first(report.news, _FINDINGS)
    style = files("mithridate.report").joinpath("templates/notebook.css").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("notebook.html.j2")
        .render(
            report=report,
            alarms=alarms,
            more=more,
            known=[f for f in report.alarms if f.known][:_FINDINGS],
            infos=[f for f in report.findings if f.severity is Severity.INFO][:_FINDINGS],
            skips=[r for r in report.results if isinstance(r, Skip)][:_FINDINGS],
            limits=limits(report)[:_FINDINGS],
            title_of=lambda check: title_of(report, check),
            most=_EXHIBITS,
            style=Markup(style),  # noqa: S704 - a file of this package
        )
    )
