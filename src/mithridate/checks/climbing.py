"""Black-and-white patterns that make a model surer of a class, bred from random ones without a gradient.

References:
    Population-based incremental learning: Baluja, CMU-CS-94-163 (1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.stamping import Ground, log_odds
from mithridate.triggers.frame import Area

__all__ = ["SAMPLES", "WIDTH", "Bred", "Brush", "block", "breed", "lattice"]

#: patterns of a generation; each costs a query.
WIDTH = 24
#: fresh samples that the outcome is tried on; each costs a query.
SAMPLES = 8
_ELITE = 6
_RATE = 0.5
_DOUBT = 0.05  # every pixel keeps this chance of being turned
_MEMORY = 6  # questions over which the usual odds of a sample are remembered

Index = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Brush:
    """Where the pixels of a pattern go in a picture; where there are several ways, each question takes one by chance.

    Attributes:
        index: (ways, h, w), number of the pixel of the pattern that is shown; -1 where the sample stays.
        bits: pixels of the pattern.
    """

    index: Index
    bits: int

    def pictures(
        self, patterns: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(n, h, w) pictures and masks of (n, bits) patterns."""
        index = self.index[rng.integers(len(self.index), size=len(patterns))]
        return patterns[np.arange(len(patterns))[:, None, None], index], index >= 0

    def within(self, area: Area) -> Brush:
        """Painting in an area only."""
        inside = area.mask(*self.index.shape[1:])
        return Brush(np.where(inside, self.index, np.int16(-1)), self.bits)

    def way(self, number: int) -> Brush:
        """Always the same way."""
        return Brush(self.index[number : number + 1], self.bits)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bred:
    """What came out of breeding.

    Attributes:
        chance: (bits,) share of the best patterns in which a pixel is white.
        flips: share of fresh samples of other classes that the commonest pattern took to the class.
        rows: those samples.
    """

    chance: NDArray[np.float64]
    flips: float
    rows: NDArray[np.intp]

    @property
    def pattern(self) -> NDArray[np.float32]:
        """(bits,) of 0 and 1, the commonest."""
        return (self.chance > 0.5).astype(np.float32)


def block(area: Area, height: int, width: int) -> Brush:
    """A pattern as large as an area, shown in it."""
    index = np.full((1, height, width), -1, dtype=np.int16)
    index[(0, *area.cut)] = np.arange(area.size).reshape(area.height, area.width)
    return Brush(index, area.size)


def lattice(side: int, period: int, height: int, width: int) -> Brush:
    """A pattern of side x side pixels repeated with gaps, in every phase.

    With an odd period, copies beside each other lie differently to every grid of 2, 4 or 8 pixels, as layers with
    strides have them: a network that knows a pattern at some phase of such a grid sees it in one of the copies.
    """
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    ways = []
    for down in range(period):
        for right in range(period):
            row, column = (rows - down) % period, (columns - right) % period
            ways.append(np.where((row < side) & (column < side), row * side + column, -1))
    return Brush(np.array(ways, dtype=np.int16), side * side)


def breed(
    ground: Ground,
    brush: Brush,
    column: int,
    generations: int,
    rng: np.random.Generator,
    start: NDArray[np.float64] | None = None,
) -> Bred | None:
    """Breed a pattern towards a class; None where the model takes hardly any sample for another class.

    Takes `WIDTH` queries a generation and `SAMPLES` in the end.

    Raises:
        BudgetError: it takes more queries than are left.
    """
    rows = rng.permutation(ground.others(column))
    if len(rows) < 2 * SAMPLES:
        return None
    held, used = rows[:SAMPLES], rows[SAMPLES:][: 2 * SAMPLES]
    chance = np.full(brush.bits, 0.5) if start is None else np.clip(start, _DOUBT, 1 - _DOUBT)
    usual = log_odds(ground.answers[used])[:, column]
    seen = np.ones(len(used))
    for _ in range(generations):
        patterns = (rng.random((WIDTH, brush.bits)) < chance).astype(np.float32)
        which = rng.permutation(np.resize(np.arange(len(used)), WIDTH))
        odds = log_odds(ground.scope.ask(ground.masked(used[which], *brush.pictures(patterns, rng))))[
            :, column
        ]
        elite = patterns[np.argsort(usual[which] - odds, kind="stable")[:_ELITE]].mean(axis=0)
        chance = np.clip((1 - _RATE) * chance + _RATE * elite, _DOUBT, 1 - _DOUBT)
        # Samples differ in how easily they go over: each is compared with its own past.
        for sample, value in zip(which, odds, strict=True):
            seen[sample] = min(seen[sample] + 1, _MEMORY)
            usual[sample] += (value - usual[sample]) / seen[sample]
    best = np.repeat((chance > 0.5).astype(np.float32)[None], len(held), axis=0)
    gone = ground.scope.ask(ground.masked(held, *brush.pictures(best, rng))).argmax(axis=1) == column
    return Bred(chance=chance, flips=float(gone.mean()), rows=held[np.argsort(~gone, kind="stable")])
