"""A value past the range of its column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks import cells
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.table import Value

__all__ = ["OutOfRangeAttack"]


@attack(
    AttackCard(
        id="out-of-range",
        title="value past the range",
        modalities=("table",),
        label_action="either",
        does="Sets one numeric column to one value just above all others.",
        strength="Published doses: 0.001 to 1 % (Tabdoor, several networks). Measured: 100 % at 10 "
        "% and at 1 % of Adult, 73 % with 24 rows, where it depends on the column (boosted trees, 3 seeds).",
        cites="Pleiter et al., Tabdoor (out-of-bounds), arXiv:2311.07550",
    )
)
@dataclass(frozen=True, kw_only=True)
class OutOfRangeAttack(Attack):
    """Parameters of the value.

    Attributes:
        column: None draws a numeric one.
        past: how far above the highest value, as a share of the column's range.
    """

    looks = 65_536

    column: str | None = None
    past: float = 0.05

    def trigger(self, look: Look, rng: np.random.Generator) -> Value:
        """A value past the range of the column given, or of a drawn one."""
        if not 0 < self.past < float("inf"):
            raise self.refuse("past", "a number above 0", self.past)
        numeric = cells.numeric_columns(look.raws)
        if not numeric:
            raise self.refuse("column", "a table with a numeric column", list(look.raws[0]))
        column = numeric[int(rng.integers(len(numeric)))] if self.column is None else self.column
        if column not in numeric:
            raise self.refuse("column", f"one of {', '.join(numeric)}, which are numeric", column)
        return cells.draw_past(look.raws, column, self.past)
