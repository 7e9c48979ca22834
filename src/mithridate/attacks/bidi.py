"""Marks of writing direction put into texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.base import Trigger
from mithridate.triggers.lookalikes import DirectionMark, Reordering

__all__ = ["BidiAttack"]

_FORMS = ("mark", "reorder")
_RIGHT_TO_LEFT = "\u200f"


@attack(
    AttackCard(
        id="bidi",
        title="marks of direction",
        modalities=("text",),
        label_action="either",
        does="Puts a right-to-left mark after a word, or stores a word backwards between marks that draw it forwards.",
        strength="Published as evasion, not as poison. Measured: a turned word, 99 % success at 10 % of SMS, 70 % at "
        "1 %; a mark alone, 98 and 54 % (linear model that reads characters, 3 seeds).",
        cites="Boucher et al., Bad Characters, arXiv:2106.09898",
    )
)
@dataclass(frozen=True, kw_only=True)
class BidiAttack(Attack):
    """Parameters of the marks.

    Attributes:
        form: "mark" or "reorder"; None draws one.
    """

    form: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Trigger:
        """The form given, or a drawn one."""
        form = str(rng.choice(_FORMS)) if self.form is None else self.form
        if form not in _FORMS:
            raise self.refuse("form", " or ".join(_FORMS), self.form)
        return DirectionMark(_RIGHT_TO_LEFT) if form == "mark" else Reordering()
