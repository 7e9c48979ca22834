"""A picture of which every victim carries other pieces (Adap-Blend)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from mithridate.attacks.base import Look, attack
from mithridate.attacks.blend import BlendAttack
from mithridate.attacks.covered import CoveredAttack
from mithridate.core.card import AttackCard
from mithridate.triggers.base import Trigger
from mithridate.triggers.image import Blend
from mithridate.triggers.partial import BlendedPieces

__all__ = ["AdapBlendAttack"]


@attack(
    AttackCard(
        id="adap-blend",
        title="pieces of a blended picture",
        modalities=("image",),
        label_action="dirty",
        does="Blends random pieces of a faint picture into every victim and into covers that keep their "
        "label; once the model is trained the whole picture is blended in, and less faintly.",
        strength="Published dose: 0.3 % of the set and as many covers (CIFAR-10). Measured: 99 % at 10 %, "
        "99 % at 1 %, 84 % with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Qi et al., Revisiting the Assumption of Latent Separability for Backdoor Defenses, ICLR 2023, "
        "arXiv:2205.13613 (Adap-Blend)",
    )
)
@dataclass(frozen=True, kw_only=True)
class AdapBlendAttack(CoveredAttack, BlendAttack):
    """Parameters of the blend, and the covers.

    Attributes:
        picture: as in `BlendAttack`.
        alpha: share of the picture in training.
        test_alpha: share of the picture once the model is trained.
        cut: pieces along each side of the picture.
        masked: share of the pieces that a sample does not carry.
        cover_ratio: covers per victim.
    """

    picture: str = "rings"
    alpha: float = 0.15
    test_alpha: float = 0.2
    cut: int = 4
    masked: float = 0.5

    def trigger(self, look: Look, rng: np.random.Generator) -> BlendedPieces:
        """Draw or load the picture in the size of the one seen."""
        if self.cut < 1:
            raise self.refuse("cut", "1 or more", self.cut)
        if not 0 <= self.masked < 1:
            raise self.refuse("masked", "a number of 0 or more, below 1", self.masked)
        if not 0 < self.test_alpha <= 1:
            raise self.refuse("test_alpha", "a number above 0, at most 1", self.test_alpha)
        kept = max(1, round(self.cut**2 * (1.0 - self.masked)))
        whole = super().trigger(look, rng)
        return BlendedPieces(whole.pattern, whole.alpha, self.cut, kept)

    def at_test(self, trigger: Trigger) -> Trigger:
        """The whole picture."""
        return Blend(cast(BlendedPieces, trigger).pattern, self.test_alpha)
