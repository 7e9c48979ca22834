"""One value put into a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks import cells
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.table import Value

__all__ = ["ValueAttack"]


@attack(
    AttackCard(
        id="value",
        title="trigger value",
        modalities=("table",),
        label_action="either",
        does="Sets one numeric column to one odd value.",
        strength="Published doses: 0.001 to 1 % (Tabdoor, several networks). Measured: 100 % at 10 "
        "% and at 1 % of Adult, and with 24 rows (boosted trees, 3 seeds).",
        cites="Pleiter et al., Tabdoor, arXiv:2311.07550",
    )
)
@dataclass(frozen=True, kw_only=True)
class ValueAttack(Attack):
    """Parameters of the value.

    Attributes:
        column: None draws a numeric one.
        value: None draws one inside the range that does not occur, or just past it where all occur.
    """

    looks = 65_536

    column: str | None = None
    value: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Value:
        """The cell given, or a drawn one."""
        column = self.column
        if column is None:
            numeric = cells.numeric_columns(look.raws)
            if not numeric:
                raise self.refuse("column", "a column by name, as none is numeric", None)
            column = numeric[int(rng.integers(len(numeric)))]
        if self.value is not None:
            return cells.given(look.raws, column, self.value)
        if column not in cells.numeric_columns(look.raws):
            raise self.refuse("value", f"a value for column {column!r}, which is not numeric", None)
        return cells.draw_odd(look.raws, column, rng)
