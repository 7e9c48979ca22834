"""Shares against a number, as coordinates for an SVG of 320 x 168."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Line", "Lines", "lines"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 306.0, 14.0, 124.0
_MOST = 200  # points of a line
_LINES = 3  # that can be told apart


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        name: for the legend.
        points: as an SVG list of points.
        told: its values in words.
    """

    name: str
    points: str
    told: str


@dataclass(frozen=True)
class Lines:
    """A plot.

    Attributes:
        across: name of the axis.
        ticks: (place, label) along the axis.
        lines: at most three.
    """

    across: str
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


def lines(data: Mapping[str, Any]) -> Lines:
    """Lay out a `lines` exhibit.

    Raises:
        ValueError: numbers that are none, or not as many everywhere.
        LookupError: something is missing.
    """
    across = [_finite(x) for x in data["places"]]
    if not 2 <= len(across) <= _MOST or sorted(set(across)) != across:
        raise ValueError("2 to 200 places, growing")
    low, wide = across[0], across[-1] - across[0]
    at = [_LEFT + (_RIGHT - _LEFT) * (x - low) / wide for x in across]
    drawn = []
    for entry in data["lines"][:_LINES]:
        shares = [min(1.0, max(0.0, _finite(v))) for v in entry["values"]]
        if len(shares) != len(at):
            raise ValueError("a value for each place")
        points = " ".join(
            f"{x:.1f},{_BOTTOM - (_BOTTOM - _TOP) * v:.1f}" for x, v in zip(at, shares, strict=True)
        )
        told = ", ".join(f"{x:g}: {v:.0%}" for x, v in zip(across, shares, strict=True))
        drawn.append(Line(str(entry["name"]), points, told))
    if not drawn:
        raise ValueError("one line or more")
    ticks = tuple((_LEFT + (_RIGHT - _LEFT) * k / 2, f"{low + wide * k / 2:g}") for k in range(3))
    return Lines(str(data["across"]), ticks, tuple(drawn))


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
