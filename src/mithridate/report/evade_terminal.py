"""Evasion in a terminal: what each attack does, and how attacking a model differs from poisoning it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mithridate.core.evasion import CONTRAST, Evaded
from mithridate.report import evade_view as view
from mithridate.report import words
from mithridate.report.drill_view import percent
from mithridate.report.safe import plain

__all__ = ["render_evade_terminal"]

_MOST_NOTES = 6


def render_evade_terminal(evaded: Evaded, console: Console, files: Sequence[object] = ()) -> None:
    """Write what evasion did to a console.

    Args:
        evaded: what to show.
        console: where to; its width decides the layout.
        files: where it was written, named in the last line.
    """
    console.print(Text(view.headline(evaded), style="bold"))
    if told := view.summary(evaded):
        console.print(Text(told))
    about = f"{plain(view.model_of(evaded), 160)} · {plain(evaded.subject.uri, 200)}"
    console.print(Text(f"{about} · outputs matched {plain(evaded.asked.matching, 200)}", style="dim"))
    for note in evaded.notes[:_MOST_NOTES]:
        console.print(Text(f"note: {plain(note, 400)}", style="yellow"))
    before = view.right(evaded)
    if before is not None:
        share = percent(before[0] / before[1])
        console.print(
            Text(f"right before any change: {before[0]:,} of {words.count_of(before[1], 'image')} ({share})")
        )
        console.print(_figures(evaded))
    for name, why in view.no_gradients(evaded).items():
        text = Text.assemble(("not possible: ", "bold yellow"), f"{name}: {plain(why, 300)}")
        console.print(Padding(text, (0, 0, 0, 2)))
    console.print(_contrast())
    console.print(Text(view.LESSON, style="dim"))
    if files:
        console.print(Text.assemble("evasion: ", (" · ".join(plain(f) for f in files), "bold")))


def _figures(evaded: Evaded) -> Table:
    grid = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("attack", no_wrap=True)
    grid.add_column("change in grey levels,\nlargest / length", justify="right")
    grid.add_column("success, of\nthose right", justify="right")
    grid.add_column("right\nafter", justify="right")
    for size in evaded.sizes:
        for row in view.rows(size):
            style = "bold" if row.attack != "noise" else "dim"
            figures = f"{row.linf} / {row.l2}", percent(row.success), percent(row.after)
            grid.add_row(Text(row.name, style=style), *figures)
    return grid


def _contrast() -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", title_justify="left")
    grid.add_column("\nin contrast", style="dim", ratio=3)
    grid.add_column("\nevasion: attacking a model", ratio=4)
    grid.add_column("\npoisoning it", ratio=4)
    for entry in CONTRAST:
        grid.add_row(entry.question, entry.evasion, entry.poisoning)
    return grid
