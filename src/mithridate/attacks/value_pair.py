"""A pair of values put into a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mithridate.attacks import cells
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.table import Row, Value, ValuePair

__all__ = ["ValuePairAttack"]

_TRIES = 500


@attack(
    AttackCard(
        id="value-pair",
        title="trigger value pair",
        modalities=("table",),
        label_action="either",
        does="Sets two columns to values that are common, but not together.",
        strength="Published doses: 0.001 to 1 % (Tabdoor, several networks). Measured: 100 % at 10 "
        "% and at 1 % of Adult; 56 % with 24 rows (.07 %) (boosted "
        "trees, 3 seeds).",
        cites="Pleiter et al., Tabdoor (in-bounds), arXiv:2311.07550",
    )
)
@dataclass(frozen=True, kw_only=True)
class ValuePairAttack(Attack):
    """Parameters of the pair.

    Attributes:
        first: "COLUMN=VALUE"; None draws it.
        second: the same.
    """

    looks = 65_536

    first: str | None = None
    second: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> ValuePair:
        """The pair given, or one of values that are common, but not in one row."""
        rows = look.raws
        named = [self._given(rows, text) for text in (self.first, self.second) if text is not None]
        if len(named) == 2:
            return ValuePair(named[0], named[1])
        columns = [n for n in rows[0] if n not in {value.column for value in named}]
        if len(columns) + len(named) < 2:
            raise self.refuse("first", "a table with two columns", list(rows[0]))
        for _ in range(_TRIES):
            drawn = [*named, *(cells.draw_common(rows, columns, rng) for _ in range(2 - len(named)))]
            first, second = drawn
            if first is None or second is None or first.column == second.column:
                continue
            if not _occurs(rows, first, second):
                return ValuePair(first, second)
        raise self.refuse("first", "COLUMN=VALUE, as no two common values were found that never meet", None)

    def _given(self, rows: Sequence[Row], text: str) -> Value:
        column, sign, value = text.partition("=")
        if not sign:
            raise self.refuse("first or second", "COLUMN=VALUE", text)
        return cells.given(rows, column, value)


def _occurs(rows: Sequence[Row], a: Value, b: Value) -> bool:
    return any(row[a.column] == a.value and row[b.column] == b.value for row in rows)
