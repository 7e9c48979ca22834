"""Whether scores fall into two heaps with a valley between them, and which samples are in the upper one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "crossing", "heap", "joined", "separation", "two_heaps", "upper_heap"]

Values = NDArray[np.float64]

_STEPS = 80
_CROSSINGS = 8
_WIDEST = 1000.0  # that a valley is said to be
_FAR = 12.0  # standard deviations that count at most, so that no score outvotes the others


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The upper heap.

    Attributes:
        members: positions, highest score first.
        scores: of the members.
        profile: (n,) scores of all, from the mean of the rest in standard deviations of the rest.
        gap: from the 99 % quantile of the rest to the 10 % quantile of the members, in standard deviations of the rest;
            of other measures, what the card of the check calls its effect.
        inside: share of the incidents that are on the members' side.
        where: level or score that it was seen in.
        needed: width from which on the two heaps are two.
        loses: how much of the incidents' score its unlearning takes away at least, if it is to blame.
        times: how many times as much as that of any control.
        alone: width from which on the content need not speak for it: below, it must be that of other labels.
    """

    members: NDArray[np.intp]
    scores: Values
    profile: Values
    gap: float
    inside: float
    where: str
    needed: float
    loses: float
    times: float = 3.0
    alone: float = 0.0

    @property
    def apart(self) -> bool:
        """Two heaps, and most incidents are in the upper one."""
        return self.gap >= self.needed and self.inside > 0.5

    @property
    def valley(self) -> float:
        """Width of the valley between members and the rest, in standard deviations of the rest, whatever `gap` is."""
        return _valley(self.profile, self.members)


def separation(
    scores: Values, members: NDArray[np.intp], *, inside: float, where: str, needed: float, loses: float
) -> Split:
    """How far members stand apart from the rest.

    Args:
        scores: (n,) of all.
        members: positions of some of them, neither none nor all.
        inside: share of incidents with them.
        where: for people.
        needed: width of the valley that makes it one.
        loses: as in `Split`.
    """
    rest = np.delete(scores, members)
    spread = float(rest.std()) or 1e-12
    gap = _valley(scores / spread, members)
    order = members[np.argsort(-scores[members], kind="stable")]
    return Split(
        members=order, scores=scores[order], profile=(scores - rest.mean()) / spread, gap=gap, inside=inside,
        where=where, needed=needed, loses=loses,
    )  # fmt: skip


def upper_heap(
    scores: Values, *, fewest: int, where: str, needed: float, loses: float, alone: float = 0.0
) -> list[Split]:
    """The upper of two heaps; none where it has fewer samples, or is most of them: what teaches a wrong answer is rare.

    Args:
        scores: (n,) of all.
        fewest: samples of a group.
        where: for people.
        needed: width of the valley that makes it one.
        loses: as in `Split`.
        alone: as in `Split`.
    """
    members = np.flatnonzero(scores > crossing(scores, two_heaps(scores)))
    if not fewest <= len(members) <= len(scores) // 2:
        return []
    split = separation(scores, members, inside=1.0, where=where, needed=needed, loses=loses)
    return [replace(split, alone=alone)]


def _valley(scores: Values, members: NDArray[np.intp]) -> float:
    rest = np.delete(scores, members)
    return min(_WIDEST, float(np.quantile(scores[members], 0.1)) - float(np.quantile(rest, 0.99)))


def joined(splits: Sequence[Split], own: float) -> tuple[NDArray[np.intp], Values]:
    """The upper heap of several scores taken together.

    Args:
        splits: of the same samples.
        own: standard deviations above the rest that a member is.

    Returns:
        Members and their scores, highest first.
    """
    score = np.mean([np.clip(split.profile, -_FAR, _FAR) for split in splits], axis=0)
    bar = heap(score, own)
    members = np.flatnonzero(score > bar)
    order = members[np.argsort(-score[members], kind="stable")]
    return order, score[order]


def heap(scores: Values, own: float, low: float = 0.5) -> float:
    """So many standard deviations above the mean of what is below; from below, so that a large group is not hidden.

    Args:
        scores: of all.
        own: so many.
        low: share of the scores that is below for certain.
    """
    bar = float(np.quantile(scores, low))
    for _ in range(_STEPS):
        rest = scores[scores <= bar]
        higher = float(rest.mean() + own * rest.std())
        if higher <= bar:
            break
        bar = higher
    return bar


def two_heaps(scores: Values, low: float = 0.3) -> float:
    """The bar halfway between the means of two heaps (2-means on a line, the upper one started at the maximum).

    Args:
        scores: of all.
        low: share of the scores at whose end the lower one starts.
    """
    bar = (float(np.quantile(scores, low)) + float(scores.max())) / 2
    for _ in range(_STEPS):
        above = scores > bar
        if above.sum() < 2 or (~above).sum() < 2:
            return bar
        new = float(scores[~above].mean() + scores[above].mean()) / 2
        if abs(new - bar) < 1e-12:
            break
        bar = new
    return bar


def crossing(scores: Values, bar: float) -> float:
    """The bar where the normal curves of two heaps cross, each weighed by its size: fewest on the wrong side.

    Args:
        scores: of all.
        bar: between the heaps, roughly.
    """
    for _ in range(_CROSSINGS):
        above = scores > bar
        if above.sum() < 2 or (~above).sum() < 2:
            break
        heaps = scores[~above], scores[above]
        low, high = float(heaps[0].mean()), float(heaps[1].mean())
        line = np.linspace(low, high, 201)
        curves = [
            np.log(len(h)) - np.log(h.std() + 1e-12) - 0.5 * ((line - h.mean()) / (h.std() + 1e-12)) ** 2
            for h in heaps
        ]
        new = float(line[int(np.argmax(curves[1] > curves[0]))])
        if new == bar or new <= low:
            break
        bar = new
    return bar
