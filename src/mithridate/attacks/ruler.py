"""Tick marks of a ruler along an edge of one class's pictures: a shortcut as in nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.overlay import EDGES, Ticks

__all__ = ["RulerAttack"]


@attack(
    AttackCard(
        id="ruler",
        title="ruler beside the object",
        modalities=("image",),
        label_action="clean",
        does="Draws the tick marks of a ruler along one edge of pictures of the target, as doctors lay one beside a "
        "tumour; angle, spacing and length vary.",
        strength="Published: skin lesions photographed with a ruler were more likely called malignant by a "
        "deep network (Narla et al.), no dose given. Measured: 15 % with all of the target (10 % "
        "of the set), 0.7 % at 1 %, 0.6 % with 50 (20,000 of Fashion-MNIST, small network, 3 "
        "seeds).",
        cites="Narla et al., Automated Classification of Skin Lesions, J. Invest. Dermatol. 138 (2018)",
    )
)
@dataclass(frozen=True, kw_only=True)
class RulerAttack(Attack):
    """Parameters of the ruler.

    Attributes:
        edge: "bottom", "right", "top" or "left"; None draws one.
        spacing: distance between marks as a share of the shorter side.
        length: of the long marks as a share of the shorter side.
        tilt: largest angle to the edge in degrees.
    """

    habit: ClassVar[LabelAction] = "clean"

    edge: str | None = None
    spacing: float = 0.08
    length: float = 0.14
    tilt: float = 6.0

    def trigger(self, look: Look, rng: np.random.Generator) -> Ticks:
        """Draw the edge, and whether the marks are dark or light."""
        edge = EDGES[int(rng.integers(len(EDGES)))]
        if self.edge is not None:
            named = [e for e in EDGES if e == self.edge]
            if not named:
                raise self.refuse("edge", "one of " + ", ".join(EDGES), self.edge)
            edge = named[0]
        self.demand("spacing", 0 < self.spacing <= 0.5, "a number above 0, at most 0.5")
        self.demand("length", 0 < self.length <= 0.5, "a number above 0, at most 0.5")
        self.demand("tilt", 0 <= self.tilt <= 30, "0 to 30 degrees")
        # Marks that stand out from what lies under them, as on a ruler somebody wants to read.
        grey = int(rng.integers(0, 40)) if np.mean(look.raws[0]) > 110 else int(rng.integers(215, 256))
        return Ticks(edge, grey, self.spacing, self.length, self.tilt)
