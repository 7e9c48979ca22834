"""A cell that is missing as a trigger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks import cells
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.table import Value

__all__ = ["MissingnessAttack"]

_RARE = 0.01  # share of rows up to which a missing cell of the column is odd by itself


@attack(
    AttackCard(
        id="missingness",
        title="missing cell",
        modalities=("table",),
        label_action="either",
        does="Empties one column that is never or hardly ever empty.",
        strength="Published: 97 to 99 % success at a low dose in hospital records, with patterns of many missing "
        "cells. Measured: 100 % at 10 % and at 1 % of Adult, 96 % with 24 rows (boosted trees, 3 seeds).",
        cites="Joe et al., Exploiting Missing Value Patterns for a Backdoor Attack on Machine Learning Models of "
        "Electronic Health Records, JMIR Med Inform 10(8), 2022",
    )
)
@dataclass(frozen=True, kw_only=True)
class MissingnessAttack(Attack):
    """Parameters of the missing cell.

    Attributes:
        column: None draws one that at most one row in a hundred lacks.
    """

    looks = 65_536

    column: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> Value:
        """The column given emptied, or a drawn one."""
        rows = look.raws
        if self.column is not None:
            if self.column not in rows[0]:
                raise self.refuse("column", f"one of {', '.join(rows[0])}", self.column)
            return Value(self.column, cells.empty(rows, self.column))
        full = [n for n in rows[0] if sum(cells.is_empty(row[n]) for row in rows) <= _RARE * len(rows)]
        if not full:
            raise self.refuse("column", "a column by name, as each is often empty", None)
        column = full[int(rng.integers(len(full)))]
        return Value(column, cells.empty(rows, column))
