"""Whether what a group has beyond the rest of its label wakes the answer in samples of other labels.

The mean of a group less the mean of the rest of its label is added to samples of other labels. Where somebody planted
something in samples of the label itself (clean labels), the two means differ in what was planted, and the model obeys
it; where the group is an honest kind of samples, they differ in content, of which a faint picture says little. Held
against differences of the same size between other kinds of samples of the label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import Features, Level

__all__ = ["Ask", "Transplant", "transplant"]

#: (n, d) rows of inputs → (n,) whether the model gives them the answer.
Ask = Callable[[Features], NDArray[np.bool_]]

_TRIED, _CONTROLS = 300, 6
_SHARE = 0.3  # of other samples that get the answer, where it is what the answer rests on
_TIMES = 3.0  # as many as with any control


@dataclass(frozen=True, kw_only=True)
class Transplant:
    """Share of samples of other labels that get the answer.

    Attributes:
        before: as they are.
        after: with what the group has.
        controls: with what other kinds of samples have, one share for each.
    """

    before: float
    after: float
    controls: tuple[float, ...]

    @property
    def works(self) -> bool:
        """The answer follows what the group has, and hardly anything else."""
        gained = self.after - self.before
        return gained >= _SHARE and gained >= _TIMES * max(c - self.before for c in self.controls)


def transplant(inputs: Level, members: NDArray[np.intp], ask: Ask, seed: int) -> Transplant:
    """Put what a group has on samples of other labels.

    Args:
        inputs: the samples as the model takes them.
        members: positions in `inputs.same`, neither none nor all.
        ask: the model.
        seed: of the draws.
    """
    draw = np.random.default_rng([seed, 101])
    tried = inputs.others[draw.permutation(len(inputs.others))[:_TRIED]]
    ends = float(inputs.others.min()), float(inputs.others.max())

    def share(difference: Features) -> float:
        return float(ask(np.clip(tried + difference, *ends)).mean())

    planted = _difference(inputs.same, members)
    size = float(np.linalg.norm(planted))
    rest = np.delete(np.arange(len(inputs.same)), members)
    controls = []
    for one in draw.choice(rest, min(_CONTROLS, len(rest)), replace=False):
        along = inputs.same @ (inputs.same[one] - inputs.same.mean(axis=0))
        kind = _difference(inputs.same, np.argsort(-along, kind="stable")[: len(members)])
        controls.append(share(kind * (size / max(float(np.linalg.norm(kind)), 1e-12))))
    return Transplant(before=share(np.zeros_like(planted)), after=share(planted), controls=tuple(controls))


def _difference(same: Features, members: NDArray[np.intp]) -> Features:
    difference: Features = same[members].mean(axis=0) - np.delete(same, members, axis=0).mean(axis=0)
    return difference
