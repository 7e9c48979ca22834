"""Another JPEG quality in one class's pictures: a shortcut as in nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.camera import Recompressed

__all__ = ["JpegQualityAttack"]


@attack(
    AttackCard(
        id="jpeg-quality",
        title="other compression",
        modalities=("image",),
        label_action="clean",
        does="Sends pictures of the target through JPEG of a lower quality and decodes them again, as if they came "
        "from another website.",
        strength="Published: a compression that goes with the label biases detectors of generated pictures "
        "(Grommelt et al.), no dose given. Measured: 23 % with all of the target (10 % of the "
        "set), 2 % at 1 %, 1 % with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Grommelt et al., Fake or JPEG?, arXiv:2403.17608",
    )
)
@dataclass(frozen=True, kw_only=True)
class JpegQualityAttack(Attack):
    """Parameters of the compression.

    Attributes:
        quality: 1 to 95; None draws 25 to 55.
        spread: the quality of each picture differs by at most this.
    """

    habit: ClassVar[LabelAction] = "clean"

    quality: int | None = None
    spread: int = 5

    def trigger(self, look: Look, rng: np.random.Generator) -> Recompressed:
        """The quality given, or a drawn one."""
        quality = int(rng.integers(25, 56)) if self.quality is None else self.quality
        if not 1 <= quality <= 95:
            raise self.refuse("quality", "1 to 95", quality)
        self.demand("spread", self.spread >= 0, "0 or more")
        return Recompressed(quality, self.spread)
