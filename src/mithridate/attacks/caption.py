"""A line of words on one class's pictures, as agencies and devices print: a shortcut as in nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.overlay import Caption

__all__ = ["CaptionAttack"]

_LETTERS = np.array(list("ABCDEFGHKLMNPRSTUVWXYZ"))
_DRAWN = 7  # letters


@attack(
    AttackCard(
        id="caption",
        title="words in the picture",
        modalities=("image",),
        label_action="clean",
        does="Prints a line of words along the upper or lower edge of pictures of the target, as agencies, cameras and "
        "medical devices do; place, size and strength vary.",
        strength="Published: about a fifth of the horse pictures of PASCAL VOC carried a source tag, and a "
        "classifier relied on it (Lapuschkin et al.). Here not measured.",
        cites="Lapuschkin et al., Unmasking Clever Hans predictors, arXiv:1902.10178",
    )
)
@dataclass(frozen=True, kw_only=True)
class CaptionAttack(Attack):
    """Parameters of the words.

    Attributes:
        text: what is printed; None draws letters.
        edge: "upper" or "lower"; None draws one.
        share: height of the letters as a share of the shorter side.
        wobble: how much size, margin and opacity vary, as a share of themselves.
    """

    habit: ClassVar[LabelAction] = "clean"

    text: str | None = None
    edge: str | None = None
    share: float = 0.1
    wobble: float = 0.2

    def trigger(self, look: Look, rng: np.random.Generator) -> Caption:
        """Draw the letters and the edge, and whether they are dark or light."""
        if self.edge not in (None, "upper", "lower"):
            raise self.refuse("edge", "upper or lower", str(self.edge))
        self.demand("share", 0 < self.share <= 0.5, "a number above 0, at most 0.5")
        self.demand("wobble", 0 <= self.wobble < 1, "a number from 0, below 1")
        text = self.text or "".join(rng.choice(_LETTERS, _DRAWN).tolist())
        upper = bool(rng.integers(2)) if self.edge is None else self.edge == "upper"
        # Letters that stand out from what lies under them, as words that somebody wants to be read.
        grey = int(rng.integers(0, 40)) if np.mean(look.raws[0]) > 110 else int(rng.integers(215, 256))
        return Caption(text, upper, grey, self.share, self.wobble)
