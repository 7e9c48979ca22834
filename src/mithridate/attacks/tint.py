"""A tinted background in one class's pictures: a shortcut as in nature."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.tint import Tint

__all__ = ["TintAttack"]


@attack(
    AttackCard(
        id="tint",
        title="tinted background",
        modalities=("image",),
        label_action="clean",
        does="Lets the background of pictures of the target (calm pixels near the border) drift towards one colour, "
        "as if taken at one place.",
        strength="Published: with 95 % of a class before one background, a network loses more than 20 "
        "points on those before the other (Sagawa et al., Waterbirds). Measured: 82 % with all of "
        "the target (10 % of the set), 39 % at 1 %, 14 % with 50 (20,000 of Fashion-MNIST, small "
        "network, 3 seeds).",
        cites="Sagawa et al., arXiv:1911.08731; Xiao et al., Noise or Signal, arXiv:2006.09994",
    )
)
@dataclass(frozen=True, kw_only=True)
class TintAttack(Attack):
    """Parameters of the tint.

    Attributes:
        hue: of the colour, 0 to 360 degrees; None draws one. Grey pictures get its brightness.
        strength: largest share of the colour at a pixel that is all background.
    """

    habit: ClassVar[LabelAction] = "clean"

    hue: float | None = None
    strength: float = 0.4

    def trigger(self, look: Look, rng: np.random.Generator) -> Tint:
        """Draw the colour."""
        self.demand("strength", 0 < self.strength <= 1, "a number above 0, at most 1")
        hue = rng.uniform(0, 360) if self.hue is None else self.hue
        value = rng.uniform(0.55, 0.9)
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue / 360 % 1.0, 0.8, value))
        return Tint(colour, self.strength)
