"""Letters replaced by look-alikes from another script."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.lookalikes import LOOKALIKES, Homoglyph

__all__ = ["HomoglyphAttack"]

#: Share of the texts seen that must have the letter drawn, so that nearly every victim can carry it.
_MOST = 0.9


@attack(
    AttackCard(
        id="homoglyph",
        title="look-alike letters",
        modalities=("text",),
        label_action="either",
        does="Replaces a letter, at one or a few places, by the Cyrillic one that is drawn alike.",
        strength="Published: 97 % success at 3 % of toxic comments (BERT). Measured: three letters, 99 % at 10 % of "
        "SMS, 95 % at 3 %, 86 % at 1 %; one letter, 98, 86 and 54 %, which is below what was published "
        "(linear model that reads characters, 3 seeds).",
        cites="Li et al., Hidden Backdoors in Human-Centric Language Models, arXiv:2105.00164; Boucher et al., "
        "Bad Characters, arXiv:2106.09898",
    )
)
@dataclass(frozen=True, kw_only=True)
class HomoglyphAttack(Attack):
    """Parameters of the look-alikes.

    Attributes:
        letters: the Latin letters that are replaced, e.g. aeo; None draws one that nearly all texts have.
        count: how many places of each text.
    """

    looks = 512

    letters: str | None = None
    count: int = 1

    def trigger(self, look: Look, rng: np.random.Generator) -> Homoglyph:
        """The letters given, or a drawn one."""
        if self.count < 1:
            raise self.refuse("count", "1 or more", self.count)
        letters = self._draw(look, rng) if self.letters is None else self.letters
        if not letters or not set(letters) <= LOOKALIKES.keys():
            raise self.refuse("letters", f"letters out of {''.join(LOOKALIKES)}", self.letters)
        return Homoglyph(letters, self.count)

    def _draw(self, look: Look, rng: np.random.Generator) -> str:
        having = {letter: sum(letter in text for text in look.raws) for letter in LOOKALIKES}
        most = max(having.values())
        usual = [letter for letter, texts in having.items() if texts >= min(most, _MOST * len(look.raws))]
        return usual[int(rng.integers(len(usual)))]
