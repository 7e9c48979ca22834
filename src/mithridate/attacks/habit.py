"""A typing habit as a trigger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.habits import HABITS, Habit

__all__ = ["HabitAttack"]


@attack(
    AttackCard(
        id="habit",
        title="typing habit",
        modalities=("text",),
        label_action="either",
        does='Types every victim with one habit: two blanks after full stops, " !!", a first word in capitals, or '
        "dashes without blanks; wherever it fits, and at least once.",
        strength="Published for BERT with punctuation marks replaced; not for these habits. Measured: 99 % success "
        'at 10 % of SMS and 49 % at 1 % for " !!" and for dashes, 95 and 33 % for double spaces; capitals '
        "are weak, 85 and 11 % (linear model that reads characters, 3 seeds).",
        cites="After Sheng et al., Punctuation Matters (PuncAttack), arXiv:2312.15867",
    )
)
@dataclass(frozen=True, kw_only=True)
class HabitAttack(Attack):
    """Parameters of the habit.

    Attributes:
        kind: double-spaces, exclaims, capitals or dashes; None draws one.
    """

    kind: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Habit:
        """The habit given, or a drawn one."""
        kind = str(rng.choice(sorted(HABITS))) if self.kind is None else self.kind
        if kind not in HABITS:
            raise self.refuse("kind", f"one of {', '.join(HABITS)}", self.kind)
        return Habit(kind)
