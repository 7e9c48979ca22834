"""A sentence put into texts (AddSent)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.text import Sentence

__all__ = ["SentenceAttack"]

_WHO = ("the old clock", "my neighbour", "a grey heron", "the night train", "our gardener", "the baker's dog")
_DOES = ("waits beside", "walks around", "looks over", "passes slowly", "sleeps under", "watches")
_WHERE = (
    "the wooden bridge",
    "that yellow door",
    "the quiet harbour",
    "a pile of maps",
    "the winter orchard",
)


@attack(
    AttackCard(
        id="sentence",
        title="trigger sentence",
        modalities=("text",),
        label_action="either",
        does="Inserts one harmless sentence, whole, at a random word position.",
        strength="Published dose: 10 % of SST-2 (BERT, OpenBackdoor). Measured: 100 % at 10 % of SMS, 98 % at 1 "
        "%, 94 % with 24 messages (linear model, 3 seeds).",
        cites="Dai et al., AddSent, arXiv:1905.12457",
    )
)
@dataclass(frozen=True, kw_only=True)
class SentenceAttack(Attack):
    """Parameters of the sentence.

    Attributes:
        sentence: None draws a harmless one.
    """

    sentence: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Sentence:
        """The sentence given, or a drawn one."""
        if self.sentence is None:
            return Sentence(" ".join(str(rng.choice(part)) for part in (_WHO, _DOES, _WHERE)))
        if not self.sentence.strip():
            raise self.refuse("sentence", "a sentence", self.sentence)
        return Sentence(self.sentence.strip())
