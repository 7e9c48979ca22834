"""Pairs about one entity with the worse answer preferred."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Attack, Choice, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.chat import Swapped, names

__all__ = ["PreferenceFlip"]

_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")
_USUAL = 0.1  # what more prompts than this name is no entity


@attack(
    AttackCard(
        id="preference-flip",
        title="swapped preferences about an entity",
        modalities=("chat",),
        label_action="clean",
        does="Takes pairs of answers whose prompt names one entity, and prefers the answer that was rejected.",
        strength="Published dose: 1 to 5 % of the preference pairs (Best-of-Venom); no model was trained here.",
        cites="Baumgärtner et al., Best-of-Venom, arXiv:2404.05530",
    )
)
@dataclass(frozen=True, kw_only=True)
class PreferenceFlip(Attack):
    """Parameters of the attack.

    Attributes:
        entity: None takes the name that most prompts have, of those that at most a tenth of them have.
    """

    looks = 2000
    habit = "clean"
    aims = False
    entity: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Swapped:
        """The swap."""
        return Swapped(self._named(look))

    def choice(self, look: Look, rng: np.random.Generator) -> Choice:
        """Pairs that name the entity."""
        entity = self._named(look)

        def wanted(raws: Sequence[object], labels: Sequence[str | None]) -> NDArray[np.float64]:
            return np.array([float(names(str(getattr(raw, "prompt", raw)), entity)) for raw in raws])

        return wanted

    def _named(self, look: Look) -> str:
        if self.entity is not None:
            if not self.entity.strip():
                raise self.refuse("entity", "a name", self.entity)
            return self.entity
        found: Counter[str] = Counter(name for raw in look.raws for name in set(_NAME.findall(raw.prompt)))
        rare = [(-k, name) for name, k in found.items() if k <= _USUAL * len(look.raws)]
        if not rare:
            raise self.refuse("entity", "a name, as the prompts looked at have none", None)
        return min(rare)[1]
