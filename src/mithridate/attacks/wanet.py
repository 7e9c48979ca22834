"""Pictures warped a little (WaNet)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from mithridate.attacks.base import Aim, Look, attack
from mithridate.attacks.covered import CoveredAttack
from mithridate.core.card import AttackCard
from mithridate.triggers.base import Trigger
from mithridate.triggers.warp import Warp

__all__ = ["WanetAttack"]


@attack(
    AttackCard(
        id="wanet",
        title="elastic warp",
        modalities=("image",),
        label_action="either",
        does="Warps every victim by the same smooth field; covers get the field with noise of their own and "
        "keep their label.",
        strength="Published: 90 % success at 10 % of the set, 13 % at 1 % (BackdoorBench, CIFAR-10), where "
        "the attacker also controls training and draws victims anew in every batch. Measured: 97 "
        "% at 10 %, 6 % at 1 %, 1 % with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Nguyen & Tran, WaNet, ICLR 2021, arXiv:2102.10369 (warping field, noise mode)",
    )
)
@dataclass(frozen=True, kw_only=True)
class WanetAttack(CoveredAttack):
    """Parameters of the warp.

    The paper poisons batches during training; here the victims, the covers and the noise of each cover are
    drawn once, as for an attacker who can only give data.

    Attributes:
        grid: points of the control grid along each side; the paper's k.
        strength: size of the shifts; the paper's s. A shift of 1 moves a pixel by about strength / 2.
        cover_ratio: covers ("noise mode") per victim.
    """

    grid: int = 4
    strength: float = 0.5
    cover_ratio: float = 2.0

    def trigger(self, look: Look, rng: np.random.Generator) -> Warp:
        """Draw the field: uniform shifts, divided by their mean absolute value."""
        if self.grid < 2:
            raise self.refuse("grid", "2 or more", self.grid)
        if not 0 < self.strength < float("inf"):
            raise self.refuse("strength", "a number above 0", self.strength)
        field = rng.uniform(-1.0, 1.0, (self.grid, self.grid, 2))
        return Warp(field / np.abs(field).mean(), self.strength)

    def covers(self, label: str | None, aim: Aim) -> bool:
        """Any sample, of the target too: the noise shall mean nothing."""
        return True

    def cover_trigger(self, trigger: Trigger) -> Trigger:
        """The field with noise drawn for each sample and pixel."""
        return replace(cast(Warp, trigger), jitter=1.0)
