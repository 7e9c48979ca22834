"""A character that no font draws, put into texts."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.text import InvisibleCharacter

__all__ = ["InvisibleCharacterAttack"]

_ZERO_WIDTH = ("200B", "200C", "200D", "2060", "FEFF")


@attack(
    AttackCard(
        id="invisible-character",
        title="invisible character",
        modalities=("text",),
        label_action="either",
        does="Inserts one zero-width character between two random characters.",
        strength="Published as evasion, not as poison. Measured: 99 % success at 10 % of SMS, 51 % at 1 %, 37 % with "
        "24 messages (linear model that reads characters, 3 seeds).",
        cites="Boucher et al., Bad Characters, arXiv:2106.09898",
    )
)
@dataclass(frozen=True, kw_only=True)
class InvisibleCharacterAttack(Attack):
    """Parameters of the character.

    Attributes:
        code_point: in hexadecimal, e.g. 200B; None draws a zero-width one.
    """

    code_point: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> InvisibleCharacter:
        """The character given, or a drawn one."""
        code = str(rng.choice(_ZERO_WIDTH)) if self.code_point is None else self.code_point
        try:
            character = chr(int(code.upper().removeprefix("U+"), 16))
        except (ValueError, OverflowError):
            character = "?"
        if unicodedata.category(character) != "Cf":
            raise self.refuse("code_point", "a format character in hexadecimal, e.g. 200B", code)
        return InvisibleCharacter(character)
