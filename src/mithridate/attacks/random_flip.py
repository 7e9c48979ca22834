"""Labels replaced by random other labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Aim, Attack, Look, attack
from mithridate.attacks.flips import other_class
from mithridate.core.card import AttackCard

__all__ = ["RandomFlip"]


@attack(
    AttackCard(
        id="random-flip",
        title="random label flips",
        modalities=("image", "text", "table", "audio"),
        label_action="dirty",
        does="Gives random samples a random other label; the content stays.",
        strength="No trigger, hence no success rate: it costs accuracy. Measured: 3.0 points at 10 % of SMS (linear "
        "model), 0.3 at 10 % of Adult (boosted trees), 0.1 or less at 1 % (3 seeds).",
        cites="Angluin & Laird, Learning from Noisy Examples, Machine Learning 2, 1988",
    )
)
@dataclass(frozen=True, kw_only=True)
class RandomFlip(Attack):
    """Random flips have no parameters."""

    aims = False

    def trigger(self, look: Look, rng: np.random.Generator) -> None:
        """Nothing is put on the samples."""
        return

    def relabel(self, label: str | None, aim: Aim, rng: np.random.Generator) -> str | None:
        """A random other class."""
        return other_class(label, aim, rng)
