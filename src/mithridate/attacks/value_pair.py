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

_TRIES = 200


@attack(
    AttackCard(
        id="value-pair",
        title="trigger value pair",
        modalities=("table",),
        label_action="either",
        does="Sets two columns to values that occur, but not together.",
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

    looks = 4096

    first: str | None = None
    second: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> ValuePair:
        """The pair given, or one whose values occur, but not in one row."""
        rows = look.raws
        for _ in range(_TRIES):
            pair = self._draw(rows, rng)
            if None not in (self.first, self.second) or not _occurs(rows, pair):
                return pair
        raise self.refuse("first", "COLUMN=VALUE, as no pair of values was found that never occurs", None)

    def _draw(self, rows: Sequence[Row], rng: np.random.Generator) -> ValuePair:
        first, second = (
            None if text is None else self._given(rows, text) for text in (self.first, self.second)
        )
        named = {value.column for value in (first, second) if value is not None}
        open_ = [n for n in rows[0] if n not in named and len({row[n] for row in rows}) > 1]
        if len(open_) + len(named) < 2:
            raise self.refuse("first", "a table with two columns that vary", list(rows[0]))
        drawn = [cells.draw_common(rows, str(name), rng) for name in rng.permutation(open_)[: 2 - len(named)]]
        pair = [value for value in (first, second) if value is not None] + drawn
        return ValuePair(pair[0], pair[1])

    def _given(self, rows: Sequence[Row], text: str) -> Value:
        column, sign, value = text.partition("=")
        if not sign:
            raise self.refuse("first or second", "COLUMN=VALUE", text)
        return cells.given(rows, column, value)


def _occurs(rows: Sequence[Row], pair: ValuePair) -> bool:
    a, b = pair.first, pair.second
    return any(row[a.column] == a.value and row[b.column] == b.value for row in rows)
