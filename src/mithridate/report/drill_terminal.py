"""A drill in a terminal: attacks by doses, false alarms, what training on it did. Data is text, never markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mithridate.core.drill import Drill, Spread
from mithridate.report import drill_view as view
from mithridate.report import words
from mithridate.report.safe import plain

__all__ = ["render_drill_terminal"]

#: Entries of each kind that are shown; the rest is counted.
_MOST, _MOST_REASONS, _MOST_NOTES = 60, 10, 5
#: Widths of the columns for the attack, with its margin, and for the smallest dose that is noticed.
_NAME, _FROM = 24, 6
_TONE: dict[view.Outcome, str] = {
    "caught": "cyan",
    "partly": "yellow",
    "missed": "bold red",
    "failed": "magenta",
}


def render_drill_terminal(drill: Drill, console: Console, files: Sequence[object] = ()) -> None:
    """Write a drill to a console.

    Args:
        drill: what to show.
        console: where to; its width decides the layout.
        files: where the drill was written, named in the last line.
    """
    console.print(Text(view.headline(drill), style="bold"))
    console.print(Text(f"{plain(drill.subject.uri, 200)} · {words.amount_of(drill.subject)}", style="dim"))
    for note in drill.notes[:_MOST_NOTES]:
        console.print(Text(f"note: {plain(note, 400)}", style="dim"))
    if unfinished := view.unfinished(drill):
        console.print(Text(unfinished, style="bold yellow"))
    attacks = list(drill.attacks)[:_MOST]
    if attacks and drill.doses:
        _matrix(drill, console, attacks)
        _more(console, len(drill.attacks) - len(attacks), "attack")
    _twins(drill, console)
    _arms(drill, console, attacks)
    _never_poisoned(drill, console)
    _reasons(drill, console)
    if files:
        console.print(Text.assemble("drill: ", (" · ".join(plain(f) for f in files), "bold")))


def _matrix(drill: Drill, console: Console, attacks: Sequence[str]) -> None:
    """Recall and alarms; a list where there is no room for a table."""
    rows = {a: [view.square(drill, a, dose) for dose in drill.doses] for a in attacks}
    cells = max(len(_cell(s)) for squares in rows.values() for s in squares)
    if console.width < _NAME + (max(cells, 7) + 2) * len(drill.doses) + _FROM:
        _list(drill, console, rows)
    else:
        grid = _grid()
        for dose in drill.doses:
            grid.add_column(f"{dose:,}", no_wrap=True)
        grid.add_column("from", no_wrap=True, justify="right")
        for attack, squares in rows.items():
            grid.add_row(Text(_title(drill, attack)), *map(_cell, squares), _from(drill, attack))
        console.print(grid)
    seen = {s.outcome for squares in rows.values() for s in squares}
    told = [f"{symbol} {outcome}" for outcome, (symbol, _) in view.STATES.items() if outcome in seen]
    legend = (
        f"{' · '.join(told)} · share of the poison accused, audits that raised the alarm · from: the dose "
    )
    console.print(Padding(Text(f"{legend}at and above which it is caught", style="dim"), (0, 0, 0, 2)))


def _grid() -> Table:
    """A table whose first column is the attack."""
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("attack", min_width=_NAME - 2, max_width=_NAME - 2)
    return grid


def _list(drill: Drill, console: Console, rows: Mapping[str, Sequence[view.Square]]) -> None:
    for attack, squares in rows.items():
        noticed = _from(drill, attack)
        told = "not noticed" if noticed == "–" else f"from {noticed}"
        console.print(Text.assemble((_title(drill, attack), "bold"), f" · {told}"))
        for square in squares:
            word = "" if square.carried_out else f" {square.outcome}"
            console.print(Text.assemble(f"{square.dose:>8,}  ", _cell(square), word))


def _title(drill: Drill, attack: str) -> str:
    return plain(view.title_of(drill, attack), 60)


def _from(drill: Drill, attack: str) -> str:
    noticed = drill.noticed_from(attack)
    return "–" if noticed is None else f"{noticed:,}"


def _cell(square: view.Square) -> Text:
    """`✓ 97% 3/3`; the symbol alone where nothing was carried out."""
    if not square.carried_out:
        return Text(square.symbol, style=_TONE.get(square.outcome, "dim"))
    summary = square.summary
    percent = view.percent(summary.recall.mean).replace(" ", "")
    figures = f"{square.symbol} {percent:>4} {summary.alarms}/{summary.done}"
    return Text(figures, style=_TONE[square.outcome])


def _twins(drill: Drill, console: Console) -> None:
    flagged = [t for t in drill.twins if t.verdict == "FLAGGED"]
    line = Text(f"nothing planted: {view.twin_words(drill)}", style="bold red" if flagged else "")
    if flagged:
        accused = words.samples_of(max(t.accused for t in flagged), drill.subject)
        line.append(f", up to {accused} accused: a false alarm, or poison that was there before", style="red")
    console.print(line)


def _arms(drill: Drill, console: Console, attacks: Sequence[str]) -> None:
    """Attack success and clean accuracy at the largest dose that was trained on."""
    rows = [(attack, dose) for attack in attacks if (dose := _largest(drill, attack)) is not None]
    if not rows:
        return
    names = view.in_order(arm.name for cell in drill.cells for arm in cell.arms)[:8]
    console.print(
        Text("\nattack success / clean accuracy in %, by what the model was trained on", style="bold")
    )
    told = {
        (attack, dose): {a.name: _arm(a) for a in view.arm_rows(drill.summary(attack, dose).cells)}
        for attack, dose in rows
    }
    # Headings break between words; figures do not.
    words_of = {name: plain(name, 20).split() or [""] for name in names}
    widths = {
        name: max([*map(len, words_of[name]), *(len(t[name]) for t in told.values() if name in t)])
        for name in names
    }
    digits = max(len("dose"), *(len(f"{dose:,}") for _, dose in rows))
    if console.width < _NAME + digits + sum(widths.values()) + 2 * len(widths):
        for (attack, dose), figures in told.items():
            console.print(Text(f"{_title(drill, attack)} · {dose:,}", style="bold"))
            for name in names:
                console.print(Text(f"  {plain(name, 20):<16}").append_text(figures.get(name, Text())))
        return
    grid = _grid()
    grid.add_column("dose", justify="right", width=digits)
    for name, width in widths.items():
        grid.add_column(Text(plain(name, 20)), justify="right", width=width)
    for (attack, dose), figures in told.items():
        grid.add_row(Text(_title(drill, attack)), f"{dose:,}", *(figures.get(n, Text()) for n in names))
    console.print(grid)


def _never_poisoned(drill: Drill, console: Console) -> None:
    reference = view.reference(drill)
    if reference is not None:
        figure = f"clean accuracy {view.percent(reference.clean.mean)}" if reference.trained else "! failed"
        console.print(Text(f"{reference.name}, trained on the data as it is: {figure}"))


def _largest(drill: Drill, attack: str) -> int | None:
    return max((c.dose for c in drill.cells if c.attack == attack and c.arms), default=None)


def _arm(row: view.ArmRow) -> Text:
    if not row.trained:
        return Text("! failed", style="magenta")
    return Text(f"{_figure(row.success)} / {_figure(row.clean)}{' !' if row.trained < row.asked else ''}")


def _figure(spread: Spread) -> str:
    return f"{100 * spread.mean:.0f}" if math.isfinite(spread.mean) else "–"


def _reasons(drill: Drill, console: Console) -> None:
    """What was not possible, and what broke."""
    told = [
        (f"{_title(drill, r.attack)}, dose {', '.join(map(str, r.doses[:6]))} ({r.outcome})", r.reason)
        for r in view.refusals(drill)
    ] + [(_models(t), t.problem) for t in view.troubles(drill)]
    for who, why in told[:_MOST_REASONS]:
        text = Text.assemble(("not done: ", "bold yellow"), f"{who}: {plain(why, 300)}")
        console.print(Padding(text, (0, 0, 0, 2)))
    _more(console, len(told) - _MOST_REASONS, "thing not done")


def _models(trouble: view.Trouble) -> str:
    """`training on: undefended, cleaned (rare word, dose 30, seed 0; 12 models in all)`."""
    names = ", ".join(plain(name, 20) for name in trouble.arms[:8])
    others = f"; {trouble.models:,} models in all" if trouble.models > len(trouble.arms) else ""
    return f"training, {names} ({plain(trouble.where, 60)}{others})"


def _more(console: Console, more: int, noun: str) -> None:
    if more > 0:
        console.print(Text(f"  and {words.count_of(more, f'more {noun}')} on the page", style="dim"))
