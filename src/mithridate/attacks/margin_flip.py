"""Label flips placed by the margin of a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Aim, Attack, Choice, Look, attack
from mithridate.attacks.flips import other_class
from mithridate.attacks.margins import LinearMargins
from mithridate.core.card import AttackCard

__all__ = ["MarginFlip"]

_PLACES = ("furthest", "nearest")
_KNOWN = 0.5  # share of the samples seen that train the attacker's model: another seed, another attacker


@attack(
    AttackCard(
        id="margin-flip",
        title="worst-case label flips",
        modalities=("image", "text", "table"),
        label_action="dirty",
        does="Flips the labels that a linear model is surest of, which hurts most, or those at its border, which are "
        "hardest to notice; the content stays.",
        strength="Published: costs an SVM more accuracy than random flips do. Measured at 10 %: furthest first costs "
        "8.0 points of accuracy on SMS (linear model) and 9.6 on Adult (boosted trees), nearest first 5.2 "
        "and 1.6, random flips 3.0 and 0.3; at 1 % at most 0.9 (3 seeds).",
        cites="Xiao, Xiao & Eckert, Adversarial Label Flips Attack on Support Vector Machines, ECAI 2012 "
        "(furthest-first and nearest-first flips; their optimisation, ALFA, is not implemented); Biggio et al., "
        "Support Vector Machines Under Adversarial Label Noise, ACML 2011",
    )
)
@dataclass(frozen=True, kw_only=True)
class MarginFlip(Attack):
    """Parameters of the flips.

    Attributes:
        place: "furthest" from the border of the attacker's model, or "nearest" to it.
    """

    looks = 8192
    aims = False

    place: str = "furthest"

    def trigger(self, look: Look, rng: np.random.Generator) -> None:
        """Nothing is put on the samples."""
        return

    def relabel(self, label: str | None, aim: Aim, rng: np.random.Generator) -> str | None:
        """A random other class."""
        return other_class(label, aim, rng)

    def choice(self, look: Look, rng: np.random.Generator) -> Choice:
        """The order in which samples are flipped."""
        if self.place not in _PLACES:
            raise self.refuse("place", " or ".join(_PLACES), self.place)
        known = sorted(rng.permutation(len(look.raws))[: max(2, round(_KNOWN * len(look.raws)))].tolist())
        part = replace(look, raws=[look.raws[k] for k in known], labels=[look.labels[k] for k in known])
        margins = LinearMargins(part if len(set(part.labels) - {None}) > 1 else look)

        def wanted(raws: Sequence[Any], labels: Sequence[str | None]) -> NDArray[np.float64]:
            margin = margins(raws, labels)
            score = margin if self.place == "furthest" else -np.abs(margin)
            return np.nan_to_num(score, nan=-np.inf, neginf=-np.inf)

        return wanted
