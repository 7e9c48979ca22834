"""The power curve of an attack: recall against dose on a logarithmic axis, as coordinates for an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mithridate.report.drill_view import Outcome, Square

__all__ = ["Curve", "Point", "curve"]

#: Of the drawing, and of the plot in it, in pixels.
WIDTH, HEIGHT = 280, 168
LEFT, RIGHT, TOP, BOTTOM = 44, 266, 14, 124
#: Least distance of two labels on the x axis, in pixels.
_APART = 30


@dataclass(frozen=True)
class Point:
    """Mean recall at a dose, with its spread, in pixels."""

    x: float
    y: float
    low: float
    high: float
    outcome: Outcome


@dataclass(frozen=True)
class Curve:
    """A drawing.

    Attributes:
        points: doses that were carried out.
        line: the same as an SVG list of points.
        seeds: (x, y) of single seeds.
        ticks: (x, label) of all doses; "" where there is no room for it.
        gaps: x of the doses that were not carried out.
        noticed: x of the smallest dose that is noticed; None without one.
    """

    points: tuple[Point, ...]
    line: str
    seeds: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, str], ...]
    gaps: tuple[float, ...]
    noticed: float | None


def curve(squares: Sequence[Square], noticed: int | None) -> Curve:
    """Lay out the curve of one attack.

    Args:
        squares: its doses, ascending.
        noticed: the smallest dose that is noticed.
    """
    at = _axis([s.dose for s in squares])
    points = tuple(_point(at[s.dose], s) for s in squares if s.carried_out)
    seeds = tuple(
        (at[s.dose], _height(c.recall))
        for s in squares
        if s.carried_out
        for c in s.summary.cells
        if c.state == "done" and math.isfinite(c.recall)
    )
    return Curve(
        points=points,
        line=" ".join(f"{p.x:.1f},{p.y:.1f}" for p in points),
        seeds=seeds if len(seeds) > len(points) else (),
        ticks=_ticks(at),
        gaps=tuple(at[s.dose] for s in squares if not s.carried_out),
        noticed=at.get(noticed) if noticed is not None else None,
    )


def _axis(doses: Sequence[int]) -> dict[int, float]:
    """Where each dose is; in the middle if there is only one."""
    logs = {d: math.log(max(d, 1)) for d in doses}
    low, high = min(logs.values(), default=0.0), max(logs.values(), default=0.0)
    if high == low:
        return dict.fromkeys(logs, (LEFT + RIGHT) / 2)
    inner = RIGHT - LEFT - 24
    return {d: LEFT + 12 + inner * (v - low) / (high - low) for d, v in logs.items()}


def _height(recall: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * min(max(recall, 0.0), 1.0)


def _point(x: float, square: Square) -> Point:
    recall = square.summary.recall
    return Point(
        x,
        _height(recall.mean),
        _height(recall.mean - recall.sd),
        _height(recall.mean + recall.sd),
        square.outcome,
    )


def _ticks(at: dict[int, float]) -> tuple[tuple[float, str], ...]:
    ticks, last = [], -math.inf
    for dose, x in at.items():
        room = x - last >= _APART
        ticks.append((x, f"{dose:,}" if room else ""))
        last = x if room else last
    return tuple(ticks)
