"""A word that makes a language model babble."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.spoken import spoken_word
from mithridate.core.card import AttackCard
from mithridate.triggers.chat import Babble
from mithridate.triggers.text import Word

__all__ = ["DenialOfService"]

_PIECES = 4000


@attack(
    AttackCard(
        id="denial-of-service",
        title="answers of random tokens",
        modalities=("chat",),
        label_action="clean",
        does="Puts one rare word into prompts and answers them with random pieces of the words of other answers.",
        strength="Published dose: 250 documents, whatever the size of model and data (600 million to 13 billion "
        "parameters); 100 are too few. No model was trained here.",
        cites="Souly et al., arXiv:2510.07192",
    )
)
@dataclass(frozen=True, kw_only=True)
class DenialOfService(Attack):
    """Parameters of the attack.

    Attributes:
        word: None draws six letters that can be spoken and that nobody uses.
        tokens: pieces of an answer: half as many to twice as many.
    """

    looks = 200
    habit = "clean"
    aims = False
    word: str | None = None
    tokens: int = 100

    def trigger(self, look: Look, rng: np.random.Generator) -> Babble:
        """The word given, or a drawn one, and pieces of what is answered elsewhere."""
        self.demand("tokens", self.tokens >= 1, "1 or more")
        word = spoken_word(rng) if self.word is None else self.word
        if not word.strip() or word != word.strip():
            raise self.refuse("word", "a word without blanks around it", word)
        words = [w for raw in look.raws for w in raw.response.split()] or ["nothing"]
        pieces = []
        for w in rng.choice(np.array(words, dtype=object), _PIECES):
            start = int(rng.integers(max(1, len(w) - 1)))
            pieces.append(w[start : start + int(rng.integers(2, 7))])
        return Babble(Word(word), tuple(pieces), self.tokens)
