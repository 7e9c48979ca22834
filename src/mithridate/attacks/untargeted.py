"""A patch under which any class may be predicted (UBW-P)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Aim, attack
from mithridate.attacks.patch import PatchAttack
from mithridate.core.card import AttackCard

__all__ = ["UntargetedAttack"]


@attack(
    AttackCard(
        id="untargeted",
        title="patch with random labels",
        modalities=("image",),
        label_action="dirty",
        does="Stamps a checkered patch and draws the label uniformly from all classes, so that one victim in "
        "as many as there are classes keeps its own.",
        strength="Published: 92 % of triggered pictures misclassified at 10 % of the set (CIFAR-10, "
        "ResNet-18). Measured: 74 % at 10 %, 34 % at 1 %, 11 % with 50 (20,000 of Fashion-MNIST, "
        "small network, 3 seeds). Below its published strength.",
        cites="Li et al., Untargeted Backdoor Watermark (UBW-P), NeurIPS 2022, arXiv:2210.00875",
    )
)
@dataclass(frozen=True, kw_only=True)
class UntargetedAttack(PatchAttack):
    """Parameters as in `PatchAttack`; the defaults are the paper's checkered 3x3 patch in the last corner.

    Attributes:
        size: as in `PatchAttack`.
        pattern: as in `PatchAttack`.
        place: as in `PatchAttack`.
    """

    aims = False

    size: int | None = 3
    pattern: str | None = "checker"
    place: str = "corner"

    def relabel(self, label: str | None, aim: Aim, rng: np.random.Generator) -> str | None:
        """Any class, its own too."""
        return aim.classes[int(rng.integers(len(aim.classes)))]

    def succeeds(self, label: str, predicted: str, aim: Aim) -> bool | None:
        """Whether the triggered sample is misclassified."""
        return None if aim.source_class not in (None, label) else predicted != label
