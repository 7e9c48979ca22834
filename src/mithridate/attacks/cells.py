"""What table attacks draw: columns, and values that fit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.triggers.table import Cell, Row, Value

__all__ = ["draw_common", "draw_odd", "given", "numeric_columns"]


_COMMON = 0.01  # share of rows from which on a value is not odd by itself


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if row.get(name) is not None]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numeric_columns(rows: Sequence[Row]) -> list[str]:
    """Columns that hold numbers, at least two different ones."""
    columns = {name: _column(rows, name) for name in rows[0]}
    return [n for n, cells in columns.items() if len(set(cells)) > 1 and all(_is_number(c) for c in cells)]


def given(rows: Sequence[Row], column: str, text: str) -> Value:
    """The value that a user wrote, as the type of its column.

    Raises:
        UsageError: no such column, or the text is no value of its type.
    """
    if column not in rows[0]:
        raise UsageError(
            "one of " + ", ".join(rows[0]), repr(column), "trigger column", "Give a column of the table."
        )
    cells = _column(rows, column)
    try:
        return Value(column, _parse(text, cells[0] if cells else ""))
    except ValueError:
        kind = type(cells[0]).__name__
        raise UsageError(
            f"a value of type {kind}", repr(text), f"column {column}", "Give a fitting value."
        ) from None


def _parse(text: str, like: Any) -> Cell:
    if isinstance(like, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(like, int | float):
        return type(like)(text)
    return text


def draw_odd(rows: Sequence[Row], column: str, rng: np.random.Generator) -> Value:
    """A number inside the range of its column that no row seen has; just past it where all are taken."""
    cells = sorted(set(_column(rows, column)))
    low, high = cells[0], cells[-1]
    if all(isinstance(cell, int) for cell in cells):
        if high - low + 1 <= len(cells):
            return Value(column, int(high) + 1)
        taken = set(cells)
        while True:
            value = int(rng.integers(low, high + 1))
            if value not in taken:
                return Value(column, value)
    decimals = max(len(repr(float(cell)).partition(".")[2]) for cell in cells)
    # One decimal more than the column has can always be free, and still reads like a measurement.
    return Value(column, round(float(rng.uniform(low, high)), min(decimals + 1, 12)))


def draw_common(rows: Sequence[Row], columns: Sequence[str], rng: np.random.Generator) -> Value | None:
    """The value that a random row has in a random column, if one row in a hundred has it; else None."""
    column = columns[int(rng.integers(len(columns)))]
    value = rows[int(rng.integers(len(rows)))][column]
    share = sum(row[column] == value for row in rows) / len(rows)
    return Value(column, value) if value is not None and share >= _COMMON else None
