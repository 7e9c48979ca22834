"""Triggers in tables: a value, a pair of values (Tabdoor, arXiv:2311.07550)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError

__all__ = ["Cell", "Row", "Value", "ValuePair"]

Cell = int | float | str | bool | None
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """One column set to one value.

    Attributes:
        column: its name.
        value: what is written there, of the column's own type.
    """

    column: str
    value: Cell

    def apply(self, raw: Row, rng: np.random.Generator) -> Row:
        """The row with the value in it.

        Raises:
            UsageError: there is no such column.
        """
        if self.column not in raw:
            raise UsageError(
                "one of " + ", ".join(raw), repr(self.column), "trigger column", "Give a column of the table."
            )
        return {**raw, self.column: self.value}

    def describe(self) -> Mapping[str, Any]:
        """Column and value."""
        return {"kind": "value", "cells": {self.column: self.value}}


@dataclass(frozen=True)
class ValuePair:
    """Two columns set to one value each.

    Attributes:
        first: one of them.
        second: the other.
    """

    first: Value
    second: Value

    def apply(self, raw: Row, rng: np.random.Generator) -> Row:
        """The row with both values in it."""
        return self.second.apply(self.first.apply(raw, rng), rng)

    def describe(self) -> Mapping[str, Any]:
        """Columns and values."""
        cells = {value.column: value.value for value in (self.first, self.second)}
        return {"kind": "value pair", "cells": cells}
