"""Whether scores fall into two heaps with a valley between them, and which samples are in the upper one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAP", "Split", "separation", "two_heaps"]

Values = NDArray[np.float64]

#: width of the valley, in standard deviations of the lower heap, from which on two heaps are two.
GAP = 1.5
_STEPS = 80


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The upper heap.

    Attributes:
        members: positions, highest score first.
        scores: of the members.
        gap: from the 99 % quantile of the rest to the 10 % quantile of the members, in standard deviations of the rest.
        inside: share of the incidents that are on the members' side.
        where: level or score that it was seen in.
    """

    members: NDArray[np.intp]
    scores: Values
    gap: float
    inside: float
    where: str

    @property
    def apart(self) -> bool:
        """Two heaps, and most incidents are in the upper one."""
        return self.gap >= GAP and self.inside > 0.5


def separation(scores: Values, members: NDArray[np.intp], *, inside: float, where: str) -> Split:
    """How far members stand apart from the rest.

    Args:
        scores: (n,) of all.
        members: positions of some of them, neither none nor all.
        inside: share of incidents with them.
        where: for people.
    """
    rest = np.delete(scores, members)
    spread = float(rest.std()) or 1e-12
    gap = (float(np.quantile(scores[members], 0.1)) - float(np.quantile(rest, 0.99))) / spread
    order = members[np.argsort(-scores[members], kind="stable")]
    return Split(members=order, scores=scores[order], gap=gap, inside=inside, where=where)


def two_heaps(scores: Values) -> float:
    """The bar halfway between the means of two heaps (2-means on a line, the upper one started at the maximum)."""
    low, high = float(np.quantile(scores, 0.3)), float(scores.max())
    for _ in range(_STEPS):
        above = scores > (low + high) / 2
        if above.all() or not above.any():
            break
        new = float(scores[~above].mean()), float(scores[above].mean())
        if abs(new[0] - low) + abs(new[1] - high) < 1e-12:
            break
        low, high = new
    return (low + high) / 2
