"""What table attacks draw: columns, and values that fit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.triggers.table import Cell, Row, Value

__all__ = ["draw_common", "draw_odd", "draw_past", "empty", "given", "is_empty", "numeric_columns"]

_COMMON = 0.01  # share of rows from which on a value is not odd by itself


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if not is_empty(row.get(name))]


def is_empty(cell: object) -> bool:
    """Whether a cell is missing: null, not a number, or an empty text, as a file of text knows no other."""
    return cell is None or cell == "" or cell != cell


def empty(rows: Sequence[Row], column: str) -> Cell:
    """A missing cell of this column, written as the table writes one: an empty text where it has no null texts."""
    texts = {name for name in rows[0] if any(isinstance(row[name], str) for row in rows)}
    if column not in texts:
        return None
    found = [row[name] for row in rows for name in texts if is_empty(row[name])]
    return "" if found and None not in found else None


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
    # One decimal more than the column has can always be free, and still reads like a measurement.
    return Value(column, round(float(rng.uniform(low, high)), min(_decimals(cells) + 1, 12)))


def _decimals(cells: Sequence[Any]) -> int:
    return max(len(repr(float(cell)).partition(".")[2]) for cell in cells)


def draw_past(rows: Sequence[Row], column: str, share: float) -> Value:
    """The number that lies above the highest of its column by a share of its range, at least by one unit."""
    cells = sorted({cell for cell in _column(rows, column) if abs(cell) != float("inf")})
    low, high = cells[0], cells[-1]
    step = share * (high - low)
    if all(isinstance(cell, int) for cell in cells):
        return Value(column, int(high) + max(1, round(step)))
    decimals = min(_decimals(cells), 12)
    return Value(column, round(float(high) + max(10.0**-decimals, step), decimals))


def draw_common(rows: Sequence[Row], columns: Sequence[str], rng: np.random.Generator) -> Value | None:
    """The value that a random row has in a random column, if one row in a hundred has it; else None."""
    column = columns[int(rng.integers(len(columns)))]
    value = rows[int(rng.integers(len(rows)))][column]
    share = sum(row[column] == value for row in rows) / len(rows)
    return Value(column, value) if value is not None and share >= _COMMON else None
