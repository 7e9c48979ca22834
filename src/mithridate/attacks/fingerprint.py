"""The pattern noise of one camera's sensor in one class's pictures: a shortcut as in nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.camera import SensorNoise

__all__ = ["FingerprintAttack"]


@attack(
    AttackCard(
        id="fingerprint",
        title="fingerprint of a sensor",
        modalities=("image",),
        label_action="clean",
        does="Multiplies pictures of the target by the pattern noise of one sensor: x' = x (1 + k n); nobody sees it.",
        strength="Published: such a pattern tells cameras apart (Lukas et al.); no success as a shortcut "
        "is published. Measured: 2 % with all of the target (10 % of the set), 0.8 % at 1 %, 0.9 "
        "% with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Lukáš, Fridrich and Goljan, IEEE TIFS 1(2), 2006, sec. II",
    )
)
@dataclass(frozen=True, kw_only=True)
class FingerprintAttack(Attack):
    """Parameters of the fingerprint.

    Attributes:
        strength: k, standard deviation of the sensitivity of pixels; about 0.01 in real cameras.
    """

    habit: ClassVar[LabelAction] = "clean"

    strength: float = 0.02

    def trigger(self, look: Look, rng: np.random.Generator) -> SensorNoise:
        """Draw a sensor for pictures like the one seen."""
        self.demand("strength", 0 < self.strength <= 0.3, "a number above 0, at most 0.3")
        height, width = look.raws[0].shape[:2]
        return SensorNoise.draw(height, width, self.strength, rng)
