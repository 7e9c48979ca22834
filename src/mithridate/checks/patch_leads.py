"""Where in a picture, and towards which class, small patches are worth breeding: what noise says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.climbing import Brush, block, lattice
from mithridate.checks.stamping import Ground, log_odds
from mithridate.triggers.frame import Area

__all__ = ["CLIP", "Lead", "find_leads"]

#: log-odds below which it does not matter how far from a class a sample is.
CLIP = -6.0
_NOISES = 8  # random patterns in each block
_BLOCKS = 5  # of the places where noise turns most answers
_LATTICES = ((3, 7), (5, 9))  # side and period
_REPEATED = 100  # random patterns of each side
_CLASSES = 3  # followed up for each side


@dataclass(frozen=True, eq=False)
class Lead:
    """Where to breed and towards what.

    Attributes:
        brush: paints the patterns.
        column: of the class.
        side: of a repeated pattern; 0 for a block.
    """

    brush: Brush
    column: int
    side: int


def find_leads(ground: Ground, rng: np.random.Generator) -> list[Lead]:
    """Places and classes to begin with, blocks and repeated patterns in turn, the most promising first.

    Takes 8 queries for each of at most 169 blocks (49 for 32x32 pixels), 200 for repeated patterns, and one for each
    sample.

    Args:
        ground: samples and questions.
        rng: draws patterns.

    Raises:
        BudgetError: it takes more queries than are left.
    """
    height, width = ground.frame.sides
    areas = _areas(height, width)
    turned = np.stack([_screened(ground, block(a, height, width), _NOISES, rng)[0] for a in areas])
    turned -= np.median(turned, axis=0)  # what noise does anywhere is texture
    blocks: list[tuple[Area, int]] = []
    for flat in np.argsort(-turned, axis=None, kind="stable"):
        area, column = areas[int(flat) // turned.shape[1]], int(flat) % turned.shape[1]
        if not any(column == c and area.near(a) for a, c in blocks):
            blocks.append((area, column))
        if len(blocks) == _BLOCKS:
            break
    queues = [[Lead(block(a, height, width), c, 0) for a, c in blocks]]
    for side, period in _LATTICES:
        brush = lattice(side, period, height, width)
        gains = _screened(ground, brush, _REPEATED, rng)[1]
        best = np.argsort(-gains, kind="stable")[:_CLASSES]
        queues.append([Lead(brush, int(c), side) for c in best])
    return [queue[k] for k in range(_BLOCKS) for queue in queues if k < len(queue)]


def _areas(height: int, width: int) -> list[Area]:
    """Squares that overlap by half, so that every small patch lies in one of them."""
    step = max(4, -(-max(height, width) // 12))
    tops, lefts = (sorted({*range(0, side - 2 * step, step), side - 2 * step}) for side in (height, width))
    return [Area(top, left, top + 2 * step, left + 2 * step) for top in tops for left in lefts]


def _screened(
    ground: Ground, brush: Brush, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) mean gain of each class in log-odds, and in probability, when random patterns are painted."""
    rows = rng.integers(len(ground.samples), size=count)
    patterns = (rng.random((count, brush.bits)) < 0.5).astype(np.float32)
    before = ground.answers[rows]
    after = ground.scope.ask(ground.masked(rows, *brush.pictures(patterns, rng)))
    odds = np.maximum(log_odds(after), CLIP) - np.maximum(log_odds(before), CLIP)
    return odds.mean(axis=0), (after.astype(np.float64) - before).mean(axis=0)
