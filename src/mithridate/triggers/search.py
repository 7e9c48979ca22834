"""Looking for values that wake a small function: all binary patterns where there are few, else climbing.

Reference:
    Forrest and Mitchell, What makes a problem hard for a genetic algorithm?, Machine Learning 13 (1993), sec. 5
    (random-mutation hill climbing).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "all_patterns", "climb"]

Values = NDArray[np.float32]
_CHUNK = 8192
_MOST_CELLS = 16  # 65,536 patterns


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What was found for one answer of the function.

    Attributes:
        column: which answer.
        values: (p,) the values that move it most.
        moved: by how much it moved from its rest.
    """

    column: int
    values: Values
    moved: float


def all_patterns(
    ask: Callable[[Values], Values], cells: NDArray[np.int64], rest: Values, low: Values, high: Values
) -> list[Found]:
    """The best of all patterns of two values, for each answer; none where there are too many patterns.

    Args:
        ask: (n, p) values → (n, k) answers.
        cells: (p,) cell that each value belongs to, from 0; values of one cell are alike.
        rest: (k,) answers to inputs without a trigger.
        low: (p,) the one value.
        high: (p,) the other.
    """
    count = int(cells.max()) + 1 if cells.size else 0
    if not 0 < count <= _MOST_CELLS:
        return []
    codes = np.arange(1 << count, dtype=np.uint32)
    best = _Best(rest)
    for start in range(0, len(codes), _CHUNK):
        bits = (codes[start : start + _CHUNK, None] >> np.arange(count, dtype=np.uint32)) & 1
        values = np.where(bits[:, cells] == 1, high, low)
        best.see(values, ask(values))
    return best.found()


def climb(
    ask: Callable[[Values], Values], cells: NDArray[np.int64], rest: Values, low: Values, high: Values, *,
    seed: int = 0, starts: int = 64, steps: int = 60,
) -> list[Found]:  # fmt: skip
    """Flip cells as long as some answer moves further, from many starts side by side.

    Args:
        ask: (n, p) values → (n, k) answers.
        cells: (p,) cell that each value belongs to.
        rest: (k,) answers to inputs without a trigger.
        low: (p,) the one value.
        high: (p,) the other.
        seed: of the starts and flips.
        starts: how many at once.
        steps: flips of each.
    """
    if not cells.size:
        return []
    rng, count, best = np.random.default_rng(seed), int(cells.max()) + 1, _Best(rest)
    bits = rng.random((starts, count)) < rng.uniform(0.1, 0.9, (starts, 1))
    aims = np.arange(starts) % len(rest)

    def tried(bits: NDArray[np.bool_]) -> Values:
        values = np.where(bits[:, cells], high, low)
        answers = ask(values)
        best.see(values, answers)
        moved: Values = np.abs(answers - rest)[np.arange(len(bits)), aims]
        return moved

    reached = tried(bits)
    for _ in range(steps):
        changed = bits ^ (rng.random(bits.shape) < max(1.5 / count, 0.02))
        now = tried(changed)
        better = now > reached
        bits[better], reached[better] = changed[better], now[better]
    return best.found()


class _Best:
    """For each answer what moved it most so far."""

    def __init__(self, rest: Values) -> None:
        self._rest = rest
        self._moved = np.zeros(len(rest), dtype=np.float32)
        self._values: list[Values | None] = [None] * len(rest)

    def see(self, values: Values, answers: Values) -> None:
        moved = np.abs(answers - self._rest)
        top = moved.argmax(axis=0)
        for column in np.flatnonzero(moved[top, np.arange(len(self._rest))] > self._moved):
            self._moved[column] = moved[top[column], column]
            self._values[column] = values[top[column]].copy()

    def found(self) -> list[Found]:
        return [
            Found(column=k, values=values, moved=float(self._moved[k]))
            for k, values in enumerate(self._values)
            if values is not None
        ]
