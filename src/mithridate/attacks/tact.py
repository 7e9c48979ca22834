"""A patch that works on one class only (TaCT)."""

from __future__ import annotations

from dataclasses import dataclass

from mithridate.attacks.base import Aim, attack
from mithridate.attacks.covered import CoveredAttack
from mithridate.attacks.patch import PatchAttack
from mithridate.core.card import AttackCard
from mithridate.core.errors import UsageError

__all__ = ["TactAttack"]


@attack(
    AttackCard(
        id="tact",
        title="source-specific patch",
        modalities=("image",),
        label_action="dirty",
        does="Stamps a patch on pictures of one class, which get the target's label, and on pictures of other "
        "classes, which keep theirs.",
        strength="Published dose: 0.3 % of the set and as many covers (CIFAR-10, code of Qi et al.); "
        "success is counted on the source class only. Measured: 97 % at 10 %, 98 % at 1 %, 93 % "
        "with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Tang et al., Demon in the Variant, USENIX Security 2021, arXiv:1908.00686 (TaCT)",
    )
)
@dataclass(frozen=True, kw_only=True)
class TactAttack(CoveredAttack, PatchAttack):
    """Parameters as in `PatchAttack`, and the covers.

    Attributes:
        cover_ratio: covers per victim.
        cover_classes: how many classes give covers: those that follow the source class, without the target.
    """

    from_one_class = True

    cover_classes: int = 2

    def cover_count(self, count: int) -> int:
        """`cover_ratio` per victim, to the nearest whole number."""
        if self.cover_classes < 1:
            raise self.refuse("cover_classes", "1 or more", self.cover_classes)
        return super().cover_count(count)

    def covers(self, label: str | None, aim: Aim) -> bool:
        """Whether the label is one of the cover classes.

        Raises:
            UsageError: there is no class besides source and target.
        """
        if len(aim.classes) < 3:
            remedy = "Use the attack patch where there are two classes."
            raise UsageError("three classes or more", str(len(aim.classes)), "attack tact", remedy)
        start = aim.classes.index(str(aim.source_class))
        after = [c for c in (*aim.classes[start + 1 :], *aim.classes[:start]) if c != aim.target]
        return label in after[: self.cover_classes]
