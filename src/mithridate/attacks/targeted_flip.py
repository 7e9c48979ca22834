"""Labels of one class replaced by another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard

__all__ = ["TargetedFlip"]


@attack(
    AttackCard(
        id="targeted-flip",
        title="targeted label flips",
        modalities=("image", "text", "table", "audio"),
        label_action="dirty",
        does="Gives samples of one class the label of another; the content stays.",
        strength="No trigger: samples of the source class are taken for the target. Measured at 10 %: 85 % of spam "
        "passes (SMS, 5 % without poison; linear model), 8.5 % instead of 5.8 % of Adult (boosted trees); "
        "at 1 % 10 and 6.3 % (3 seeds).",
        cites="Paudice et al., Label Sanitization against Label Flipping Poisoning Attacks, arXiv:1803.00992",
    )
)
@dataclass(frozen=True, kw_only=True)
class TargetedFlip(Attack):
    """Targeted flips have no parameters besides the two classes."""

    from_one_class = True

    def trigger(self, look: Look, rng: np.random.Generator) -> None:
        """Nothing is put on the samples."""
        return
