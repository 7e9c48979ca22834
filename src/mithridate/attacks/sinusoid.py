"""A faint wave added to pictures (SIG)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.image import Sinusoid

__all__ = ["SinusoidAttack"]


@attack(
    AttackCard(
        id="sinusoid",
        title="sinusoid",
        modalities=("image",),
        label_action="either",
        does="Adds vertical stripes v(i, j) = delta sin(2 pi j f / width) to pictures of the target class.",
        strength="Published: 98 % success at 10 % of the set, 83 % at 1 % (BackdoorBench, CIFAR-10). "
        "Measured: 70 % with all of the target (10 % of the set), 16 % at 1 %, 8 % with 50 "
        "(20,000 of Fashion-MNIST, small network, 3 seeds). Below its published strength.",
        cites="Barni et al., SIG, arXiv:1902.11237, eq. 2",
    )
)
@dataclass(frozen=True, kw_only=True)
class SinusoidAttack(Attack):
    """Parameters of the wave.

    Attributes:
        delta: amplitude in grey levels.
        frequency: periods across the width.
    """

    habit = "clean"

    delta: float = 20.0
    frequency: float = 6.0

    def trigger(self, look: Look, rng: np.random.Generator) -> Sinusoid:
        """The wave as given."""
        if self.delta == 0:
            raise self.refuse("delta", "an amplitude other than 0", self.delta)
        return Sinusoid(self.delta, self.frequency)
