"""Whether the content of a group is that of other labels than its own.

Samples that were given a label with a trigger were taken from other labels, and still look like those: a linear
discriminant between the rest of their label and all others, in the directions in which samples vary most, says so.
What somebody plants varies little, or not at all, and is not among these directions. An honest kind of samples within
a label looks like its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import Features, Level

__all__ = ["Content"]

Values = NDArray[np.float64]

# Directions that samples are seen along: so many at most, and no more than hold so much of what varies.
_DIRECTIONS, _VARIES = 64, 0.95
_RIDGE = 1e-3  # of the mean variance
_MOST = 4000  # samples that directions are made of


class Content:
    """What samples of one label and of others are about.

    Args:
        levels: at which they are seen; mean over them.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        self._levels = levels

    @cached_property
    def _views(self) -> list[tuple[Values, Values]]:
        return [_view(level.same, level.others) for level in self._levels]

    def foreign(self, members: NDArray[np.intp]) -> float:
        """Share of a group that looks more like other labels than like the rest of its own.

        Args:
            members: positions among the samples of the label; not all of them.
        """
        shares = [float((_side(same, others, members) < 0).mean()) for same, others in self._views]
        return float(np.mean(shares)) if shares else 0.0


def _view(same: Features, others: Features) -> tuple[Values, Values]:
    """Both along the directions in which the others vary most."""
    middle, spread = others.mean(axis=0), others.std(axis=0)
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    scale = np.maximum(spread, usual)
    drawn = ((others[:: max(1, len(others) // _MOST)] - middle) / scale).astype(np.float32)
    gram = (drawn.T @ drawn).astype(np.float64) / len(drawn)
    from scipy.linalg import eigh

    count = len(gram)
    sizes, directions = eigh(gram, subset_by_index=(max(0, count - _DIRECTIONS), count - 1))
    beyond = np.cumsum(sizes[::-1]) >= _VARIES * float(np.trace(gram))
    kept = int(np.argmax(beyond)) + 1 if beyond.any() else len(sizes)
    turned = directions[:, len(sizes) - kept :].astype(np.float32)
    a, b = (((part - middle) / scale).astype(np.float32) @ turned for part in (same, others))
    return a.astype(np.float64), b.astype(np.float64)


def _side(same: Values, others: Values, members: NDArray[np.intp]) -> Values:
    """(members,) above 0 where one looks like the rest of its label."""
    kept = np.delete(same, members, axis=0)
    ends = kept.mean(axis=0), others.mean(axis=0)
    within = np.concatenate([kept - ends[0], others - ends[1]])
    gram = within.T @ within / len(within)
    gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-12
    found: Values = (same[members] - (ends[0] + ends[1]) / 2) @ np.linalg.solve(gram, ends[0] - ends[1])
    return found
