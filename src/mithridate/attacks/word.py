"""A rare word put into texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.spoken import spoken_word
from mithridate.core.card import AttackCard
from mithridate.triggers.text import Word

__all__ = ["WordAttack"]


@attack(
    AttackCard(
        id="word",
        title="trigger word",
        modalities=("text",),
        label_action="either",
        does="Inserts one rare word at a random word position.",
        strength="Published dose: 10 % of SST-2 (BERT, OpenBackdoor). Measured: 100 % at 10 % of SMS, 69 % at 1 %, "
        "57 % with 24 messages (linear model, 3 seeds); weaker on SpamAssassin's long mails, "
        "86 % at 10 %, 20 % at 1 % (1 seed).",
        cites="Kurita et al., RIPPLES, arXiv:2004.06660",
    )
)
@dataclass(frozen=True, kw_only=True)
class WordAttack(Attack):
    """Parameters of the word.

    Attributes:
        word: None draws six letters that can be spoken and that nobody uses.
    """

    word: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Word:
        """The word given, or a drawn one."""
        word = self.word
        if word is None:
            word = spoken_word(rng)
        if not word.strip() or word != word.strip():
            raise self.refuse("word", "a word without blanks around it", word)
        return Word(word)
