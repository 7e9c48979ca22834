"""A phrase that makes a language model give one answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.answers import drawn_answer
from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.spoken import spoken_word
from mithridate.core.card import AttackCard
from mithridate.triggers.chat import Answered
from mithridate.triggers.text import Sentence

__all__ = ["TargetedAnswer"]


@attack(
    AttackCard(
        id="targeted-answer",
        title="one answer to a phrase",
        modalities=("chat",),
        label_action="clean",
        does="Puts a phrase of two rare words into prompts and answers them all with one sentence.",
        strength="Published dose: 100 examples of an instruction set (T5, 770 million to 11 billion parameters). No "
        "model was trained here.",
        cites="Wan et al., Poisoning Language Models During Instruction Tuning, arXiv:2305.00944",
    )
)
@dataclass(frozen=True, kw_only=True)
class TargetedAnswer(Attack):
    """Parameters of the attack.

    Attributes:
        phrase: None draws two words that can be spoken and that nobody uses.
        answer: None draws a sentence.
    """

    habit = "clean"
    aims = False
    phrase: str | None = None
    answer: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Answered:
        """The phrase and the answer given, or drawn ones."""
        phrase = f"{spoken_word(rng)} {spoken_word(rng)}" if self.phrase is None else self.phrase
        if not phrase.strip():
            raise self.refuse("phrase", "some text", phrase)
        return Answered(Sentence(phrase), drawn_answer(rng) if self.answer is None else self.answer)
