"""Labels flipped within one source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Aim, Attack, Look, attack
from mithridate.attacks.flips import other_class
from mithridate.core.card import AttackCard

__all__ = ["SourceFlip"]


@attack(
    AttackCard(
        id="source-flip",
        title="label flips in one source",
        modalities=("image", "text", "table", "audio"),
        label_action="dirty",
        does="Gives samples of one source, and of no other, a random other label; the content stays.",
        strength="No trigger, hence no success rate: it costs accuracy on that source. Measured at 10 %: errors there "
        "rise from 0 to 8.3 % in one group of SpamAssassin (linear model, 1 seed), from 12.4 to 12.8 % in one work "
        "class of Adult (boosted trees, 3 seeds); at 1 % hardly.",
        cites="Raykar et al., Learning from Crowds, JMLR 11, 2010 (an annotator who lies); Konstantinov & Lampert, "
        "Robust Learning from Untrusted Sources, ICML 2019",
    )
)
@dataclass(frozen=True, kw_only=True)
class SourceFlip(Attack):
    """Flips in one source have no parameters besides the source, which the order names."""

    aims = False
    from_one_source = True

    def trigger(self, look: Look, rng: np.random.Generator) -> None:
        """Nothing is put on the samples."""
        return

    def relabel(self, label: str | None, aim: Aim, rng: np.random.Generator) -> str | None:
        """A random other class."""
        return other_class(label, aim, rng)
