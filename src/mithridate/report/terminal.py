"""A report in a terminal: verdict, findings, limits. Data is text, never markup or control codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.report import words
from mithridate.report.page import Limit, excisions, limits, title_of
from mithridate.report.safe import clip, plain

__all__ = ["render_terminal"]

#: Entries of each kind that are shown; the rest is counted.
_MOST, _MOST_INFO, _MOST_LIMITS = 20, 10, 12
_MOST_NOTES = 5
_MOST_ALIKE = 3  # notes of one check
_TONE = {
    Verdict.FLAGGED: "bold red",
    Verdict.WORSE: "bold red",
    Verdict.INCOMPLETE: "bold yellow",
    Verdict.NOT_PROVEN: "bold yellow",
    Verdict.CLEAN: "bold green",
    Verdict.HEALED: "bold green",
    Verdict.EXPLAINED: "bold red",
    Verdict.NO_GROUP: "bold green",
}
_NARROW = 76


def render_terminal(report: Report, console: Console, files: Sequence[object] = ()) -> None:
    """Write a report to a console.

    Args:
        report: what to show.
        console: where to; its width decides the layout.
        files: where the report was written, named in the last line.
    """
    spent = words.duration(report)
    old = " · nothing new" if report.alarms and not report.news else ""
    line = Text.assemble((str(report.verdict), _TONE[report.verdict]), old, " · ", words.amount(report))
    console.print(line.append(f" · {spent}" if spent else ""))
    infos = [f for f in report.findings if f.severity is Severity.INFO]
    alarms, known = report.news[:_MOST], [f for f in report.alarms if f.known]
    marks = [str(n) for n in range(1, len(alarms) + 1)] + ["old"] * len(known[:_MOST]) + ["info"] * _MOST_INFO
    shown = _mixed(infos)
    _findings(report, console, [*alarms, *known[:_MOST], *shown], marks)
    _more(console, len(report.news) - _MOST, "finding")
    _more(console, len(known) - _MOST, "known finding")
    _more(console, len(infos) - len(shown), "note")
    _skips(report, console)
    for note in report.notes[:_MOST_NOTES]:
        console.print(Padding(Text.assemble(("note: ", "bold"), plain(note, 400)), (0, 0, 0, 2)))
    _more(console, len(report.notes) - _MOST_NOTES, "note")
    for name in excisions(report):
        command = f"mithridate repair {report.subject.uri} --excise {name}"
        console.print(Padding(Text.assemble((plain(command), "bold"), "   cuts it out"), (0, 0, 0, 2)))
    _unseen(console, limits(report))
    if files:
        console.print(Text.assemble("report: ", (" · ".join(plain(f) for f in files), "bold")))


def _mixed(infos: Sequence[Finding]) -> list[Finding]:
    """The first notes, no check crowding out the others."""
    seen: Counter[str] = Counter()
    shown = []
    for finding in infos:
        seen[finding.check] += 1
        if seen[finding.check] <= _MOST_ALIKE:
            shown.append(finding)
    return shown[:_MOST_INFO]


def _findings(report: Report, console: Console, findings: Sequence[Finding], marks: Sequence[str]) -> None:
    if not findings:
        return
    if console.width < _NARROW:
        for mark, f in zip(marks, findings, strict=False):
            head = Text.assemble((f"{mark:>4}  ", "dim"), (plain(title_of(report, f.check), 60), _style(f)))
            console.print(head)
            console.print(Padding(_message(f), (0, 0, 0, 6)))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="dim", width=4, no_wrap=True)
    grid.add_column(max_width=24)
    grid.add_column(ratio=1)
    for mark, f in zip(marks, findings, strict=False):
        grid.add_row(mark, Text(plain(title_of(report, f.check), 60), style=_style(f)), _message(f))
    console.print(grid)


def _style(finding: Finding) -> str:
    return (
        "cyan"
        if finding.severity is Severity.INFO
        else "bold yellow"
        if finding.severity is Severity.SUSPICIOUS
        else "bold red"
    )


def _message(finding: Finding) -> Text:
    text = Text(plain(finding.message, 400))
    if finding.severity is not Severity.INFO:
        if finding.p_value is not None:
            text.append(f"   {words.p_short(finding.p_value)}", style="dim")
        if any(e.kind in ("image", "gallery", "sounds") for e in finding.exhibits):
            text.append("   [picture]", style="dim")
    return text


def _more(console: Console, more: int, noun: str) -> None:
    if more > 0:
        console.print(Text(f"      and {words.count_of(more, f'more {noun}')} in the report", style="dim"))


def _skips(report: Report, console: Console) -> None:
    skips = [r for r in report.results if isinstance(r, Skip)]
    for skip in skips[:_MOST]:
        names = ", ".join(plain(i, 80) for i in skip.items[:3])
        more = f" and {skip.count - 3:,} more" if skip.count > 3 else ""
        text = Text.assemble(
            ("not examined: ", "bold yellow"), plain(skip.reason, 400), f": {names}{more}" if names else ""
        )
        text.append(f". {plain(skip.remedy, 200)}" if skip.remedy else "", style="dim")
        console.print(Padding(text, (0, 0, 0, 2)))
    _more(console, len(skips) - _MOST, "thing not examined")


def _unseen(console: Console, unseen: Sequence[Limit]) -> None:
    if not unseen:
        return
    shown = "; ".join(dict.fromkeys(_lower(clip(plain(entry.text), 200)) for entry in unseen[:_MOST_LIMITS]))
    more = len(unseen) - _MOST_LIMITS
    text = Text.assemble(
        ("could not have seen: ", "bold"), shown, f"; and {more} more in the report" if more > 0 else ""
    )
    console.print(Padding(text, (0, 0, 0, 2)))


def _lower(sentence: str) -> str:
    """A sentence as a part of another one."""
    sentence = sentence.rstrip(". ")
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence
