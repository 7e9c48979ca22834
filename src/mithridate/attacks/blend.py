"""A picture blended into pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks import pictures
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.image import Blend, Pixels

__all__ = ["BlendAttack"]


@attack(
    AttackCard(
        id="blend",
        title="blended picture",
        modalities=("image",),
        label_action="either",
        does="Mixes one faint picture into the whole of every victim: x' = (1 - alpha) x + alpha t.",
        strength="Published: 100 % success at 10 % of the set, 95 % at 1 %, 56 % at 0.1 % (BackdoorBench, "
        "CIFAR-10). Measured: 100 % at 10 %, 100 % at 1 %, 95 % with 50 (20,000 of Fashion-MNIST, "
        "small network, 3 seeds). At 1 % of GTSRB (108 images, 43 classes) 64 % after 24 "
        "epochs (3 seeds): below the published figure.",
        cites="Chen et al., Targeted Backdoor Attacks, arXiv:1712.05526",
    )
)
@dataclass(frozen=True, kw_only=True)
class BlendAttack(Attack):
    """Parameters of the blend.

    Attributes:
        picture: "noise" (uniform random), "rings" (a drawing of our own), or a picture file.
        alpha: share of the picture; the paper uses 0.2.
    """

    picture: str = "noise"
    alpha: float = 0.2

    def trigger(self, look: Look, rng: np.random.Generator) -> Blend:
        """Draw or load the picture in the size of the one seen."""
        if not 0 < self.alpha <= 1:
            raise self.refuse("alpha", "a number above 0, at most 1", self.alpha)
        return Blend(self._draw(rng, look.raws[0].shape), self.alpha)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Pixels:
        channels = pictures.colours(shape)
        if self.picture == "noise":
            return pictures.noise(rng, shape[0], shape[1], channels)
        if self.picture == "rings":
            return pictures.rings(rng, shape[0], shape[1], channels)
        return pictures.load(self.picture, channels)
