"""A patch that turns every class into the next (BadNets, all-to-all)."""

from __future__ import annotations

from dataclasses import dataclass

from mithridate.attacks.base import attack
from mithridate.attacks.patch import PatchAttack
from mithridate.core.card import AttackCard

__all__ = ["AllToAllAttack"]


@attack(
    AttackCard(
        id="all-to-all",
        title="patch, every class to the next",
        modalities=("image",),
        label_action="dirty",
        does="Stamps a patch on pictures of every class and gives each the label of the next class.",
        strength="Published on MNIST without figures at small doses (BadNets). With C classes each of the "
        "C rules is learnt from 1/C of the dose. Measured: 84 % at 10 %, 22 % at 1 %, 0.3 % with "
        "50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Gu et al., BadNets, arXiv:1708.06733, section 4 (all-to-all attack)",
    )
)
@dataclass(frozen=True, kw_only=True)
class AllToAllAttack(PatchAttack):
    """Parameters as in `PatchAttack`; there is no target class."""

    habit = "all-to-all"
    aims = False
