"""A drill as one self-contained page: matrix, power curves, twins, training. No script, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mithridate.core.drill import Cell, Drill
from mithridate.core.results import Exhibit
from mithridate.report import drill_view as view
from mithridate.report import words
from mithridate.report.drill_command import command_of
from mithridate.report.drill_curve import Curve, curve
from mithridate.report.fit import fitted, style
from mithridate.report.page import environment, first, sound

__all__ = ["render_drill"]


@dataclass(frozen=True)
class _Room:
    """How much of a drill is put on the page; `longest` in characters, for one reason."""

    attacks: int
    doses: int
    seeds: int
    longest: int


@dataclass(frozen=True)
class _Shown:
    """A cell and the exhibits of it that fit."""

    cell: Cell
    exhibits: tuple[Exhibit, ...]


@dataclass(frozen=True)
class _Square:
    """A square of the matrix, and what it opens."""

    anchor: str
    square: view.Square
    shown: tuple[_Shown, ...]
    more: int


@dataclass(frozen=True)
class _Row:
    """All about one attack."""

    anchor: str
    attack: str
    title: str
    card: Mapping[str, Any]
    noticed: int | None
    sentence: str
    squares: tuple[_Square, ...]
    curve: Curve
    catches: Sequence[str] | None
    arms: tuple[tuple[int, tuple[view.ArmRow, ...]], ...]


_ROOMS = (_Room(100, 12, 10, 800), _Room(40, 8, 3, 300), _Room(12, 4, 2, 200), _Room(4, 3, 1, 100))


def render_drill(drill: Drill, *, catches: Mapping[str, Sequence[str]] | None = None) -> str:
    """The page as one string below `MAX_BYTES` of UTF-8.

    Args:
        drill: what to show; everything in it is treated as hostile.
        catches: {attack: checks that claim to catch it}; None leaves that out.
    """
    order = _order(drill)
    sizes = [len(ascii(drill.cells[c].exhibits[e].data)) for c, e in order]

    def draw(kept: int, room: _Room = _ROOMS[0]) -> str:
        return _render(drill, catches, order[:kept], len(order) - kept, room)

    page = fitted(sizes, draw, [lambda room=room: draw(0, room) for room in _ROOMS[1:]])  # type: ignore[misc]
    # Lone surrogates cannot be written; `plain` has shown them already where they matter.
    return page.encode("utf-8", "replace").decode("utf-8")


def _order(drill: Drill) -> list[tuple[int, int]]:
    """(cell, exhibit), the one to drop last first: one seed of every cell, victims before what was found."""
    seeds = {seed: n for n, seed in enumerate(drill.seeds)}
    attacks, doses = set(list(drill.attacks)[: _ROOMS[0].attacks]), set(drill.doses[: _ROOMS[0].doses])
    shown = [c for c, cell in enumerate(drill.cells) if cell.attack in attacks and cell.dose in doses]
    every = [(c, e) for c in shown for e in range(len(drill.cells[c].exhibits))]
    # Pictures come in pairs (before and after), and half of a pair says little.
    return sorted(every, key=lambda ce: (seeds.get(drill.cells[ce[0]].seed, len(seeds)), ce[1] // 2, ce))


def _render(
    drill: Drill,
    catches: Mapping[str, Sequence[str]] | None,
    kept: Sequence[tuple[int, int]],
    dropped: int,
    room: _Room,
) -> str:
    attacks, more_attacks = first(list(drill.attacks), room.attacks)
    doses, more_doses = first(drill.doses, room.doses)
    refused, more_refused = first(view.refusals(drill), room.attacks)
    troubles, more_troubles = first(view.troubles(drill), room.attacks)
    twins, more_twins = first(drill.twins, 10 * room.seeds)
    shown = _shown(drill, kept)
    rows = [_row(drill, n, a, doses, shown, catches, room) for n, a in enumerate(attacks, 1)]
    outcomes = [s.square.outcome for row in rows for s in row.squares]
    look = style("style.css", "drill.css")
    return environment().get_template("drill.html.j2").render(
        drill=drill,
        view=view,
        rows=rows,
        doses=doses,
        twins=twins,
        refused=refused,
        left_out={
            "attack": more_attacks,
            "dose": more_doses,
            "clean twin": more_twins,
            "thing that was not possible": more_refused,
            "problem of training": more_troubles,
            "exhibit": dropped,
        },
        outcomes={o: outcomes.count(o) for o in view.STATES if o in outcomes},
        trained=[row for row in rows if row.arms],
        arm_names=view.in_order(a.name for row in rows for _, arms in row.arms for a in arms),
        tone=_tone(drill, outcomes),
        amount=words.amount_of(drill.subject),
        seconds=words.span(_seconds(drill)),
        reference=view.reference(drill),
        troubles=troubles,
        command=command_of(drill),
        longest=room.longest,
        style=look.text,
        style_hash=look.digest,
    )  # fmt: skip


def _shown(drill: Drill, kept: Sequence[tuple[int, int]]) -> dict[tuple[str, int], list[_Shown]]:
    """The cells of each (attack, dose) with the exhibits that fit."""
    chosen = frozenset(kept)
    shown: dict[tuple[str, int], list[_Shown]] = {}
    for c, cell in enumerate(drill.cells):
        exhibits = tuple(x for e, x in enumerate(cell.exhibits) if (c, e) in chosen and sound(x))
        shown.setdefault((cell.attack, cell.dose), []).append(_Shown(cell, exhibits))
    return shown


def _row(
    drill: Drill,
    n: int,
    attack: str,
    doses: Sequence[int],
    shown: Mapping[tuple[str, int], Sequence[_Shown]],
    catches: Mapping[str, Sequence[str]] | None,
    room: _Room,
) -> _Row:
    squares = [view.square(drill, attack, dose) for dose in doses]
    noticed = drill.noticed_from(attack)
    return _Row(
        anchor=f"attack-{n}",
        attack=attack,
        title=view.title_of(drill, attack),
        card=drill.attacks[attack],
        noticed=noticed,
        sentence=view.sentence(drill, attack, squares),
        squares=tuple(
            _Square(f"cell-{n}-{k}", s, *_some(shown.get((attack, s.dose), ()), room.seeds))
            for k, s in enumerate(squares, 1)
        ),
        curve=curve(squares, noticed),
        catches=None if catches is None else catches.get(attack, ()),
        arms=tuple(
            (s.dose, tuple(view.arm_rows(s.summary.cells)))
            for s in squares
            if view.with_training(s.summary.cells)
        ),
    )


def _some(cells: Sequence[_Shown], most: int) -> tuple[tuple[_Shown, ...], int]:
    few, more = first(cells, most)
    return tuple(few), more


def _tone(drill: Drill, outcomes: Sequence[view.Outcome]) -> str:
    """Colour of the head: the same three as those of a verdict."""
    if any(t.verdict == "FLAGGED" for t in drill.twins) or not {"caught", "partly"} & set(outcomes):
        return "flagged"
    return "incomplete" if {"partly", "missed", "failed", "not run"} & set(outcomes) else "clean"


def _seconds(drill: Drill) -> float:
    """All the work; what ran at the same time counts twice."""
    spent = [c.seconds for c in drill.cells] + [t.seconds for t in drill.twins]
    arms = [a for c in drill.cells for a in c.arms] + [t.arm for t in drill.twins if t.arm is not None]
    return float(sum(s or 0.0 for s in spent + [a.seconds for a in arms]))
