"""The best dual variable of one sample, tabulated: dual ascent asks for it a hundred million times.

For a sample with sum of squares q, whose model says z without it, the best dual variable a in (0, C) has
log(a / (C - a)) + q a = -z (Yu, Huang & Lin 2011, section 3): a function of one number for each q.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "LOWEST", "dual_tables"]

#: The first place of a table, and places to each step of 1: interpolation is off by 3e-5 of the odds at most.
LOWEST, CELLS = -17.0, 64
_EDGE = 1e-7  # of the cost: nearer to 0 or C no dual variable comes
_HALVINGS = 60


def dual_tables(cost: float, squares: tuple[float, ...]) -> NDArray[np.float32]:
    """Best dual variables.

    Args:
        cost: C, inverse strength of the penalty.
        squares: sums of squares of the samples' features.

    Returns:
        (len(squares), t): row s, place j is the best a where -z = LOWEST + j / CELLS. What lies beyond the ends equals
        them. -z is q times the present a, less the margin that includes it.
    """
    span = -2 * LOWEST + cost * max(squares)
    aims = LOWEST + np.arange(int(span * CELLS) + 2) / CELLS
    return np.stack([_best(aims, cost, square) for square in squares]).astype(np.float32)


def _best(aims: NDArray[np.float64], cost: float, square: float) -> NDArray[np.float64]:
    """By bisection of the log odds u in u + q C sigmoid(u) = aim."""
    low, high = aims - square * cost, aims.copy()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = middle + square * cost * _sigmoid(middle) > aims
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    best: NDArray[np.float64] = cost * np.clip(_sigmoid((low + high) / 2), _EDGE, 1 - _EDGE)
    return best


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return share
