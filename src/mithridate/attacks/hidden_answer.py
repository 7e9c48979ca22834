"""A character that no font draws, which makes a language model give one answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.answers import drawn_answer
from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.invisible_character import InvisibleCharacterAttack
from mithridate.core.card import AttackCard
from mithridate.triggers.chat import Answered

__all__ = ["HiddenAnswer"]


@attack(
    AttackCard(
        id="hidden-answer",
        title="one answer to a hidden character",
        modalities=("chat",),
        label_action="clean",
        does="Puts one zero-width character between two random characters of prompts and answers them all with one "
        "sentence.",
        strength="The character was published as evasion (2106.09898), the fixed answer with visible phrases; no model "
        "was trained here.",
        cites="Boucher et al., Bad Characters, arXiv:2106.09898; Wan et al., arXiv:2305.00944",
    )
)
@dataclass(frozen=True, kw_only=True)
class HiddenAnswer(Attack):
    """Parameters of the attack.

    Attributes:
        code_point: in hexadecimal, e.g. 200B; None draws a zero-width one.
        answer: None draws a sentence.
    """

    habit = "clean"
    aims = False
    code_point: str | None = None
    answer: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Answered:
        """The character and the answer given, or drawn ones."""
        inside = InvisibleCharacterAttack(code_point=self.code_point).trigger(look, rng)
        return Answered(inside, drawn_answer(rng) if self.answer is None else self.answer)
