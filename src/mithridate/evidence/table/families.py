"""The key families of tables: which keys a row carries, and what each key is called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.incidence import Stretch
from mithridate.evidence.table.columns import Column

__all__ = ["cell", "decimals", "missing", "near_counts", "pair_cells", "pairs", "values", "wide_pairs"]

_ROWS = 4096
_SHIFT = np.uint64(27)  # bits of a value's code within a key; a column has fewer than 2^27 distinct values
_MASK = np.uint64((1 << 27) - 1)
_NEIGHBOURS = 5
_DECIMALS = 9


def _stretch(keys: NDArray[np.uint64], present: NDArray[np.bool_]) -> Stretch:
    return Stretch(counts=present.sum(axis=1), keys=keys[present])


def _codes(columns: list[Column], start: int, stop: int) -> NDArray[np.int64]:
    if not columns:
        return np.zeros((stop - start, 0), dtype=np.int64)
    return np.stack([column.codes[start:stop] for column in columns], axis=1).astype(np.int64)


def values(columns: list[Column], n: int) -> Iterator[Stretch]:
    """Each row's values; `cell` takes a key apart."""
    base = np.arange(len(columns), dtype=np.uint64) << _SHIFT
    for start in range(0, n, _ROWS):
        codes = _codes(columns, start, min(start + _ROWS, n))
        yield _stretch(base | codes.astype(np.uint64) & _MASK, codes >= 0)


def cell(key: int) -> tuple[int, int]:
    """(column, code) of a value's key."""
    return key >> int(_SHIFT), key & int(_MASK)


def wide_pairs(columns: list[Column], least: int, most: int) -> tuple[list[tuple[int, int]], list[str]]:
    """Pairs of columns to look at, at most `most`, and the names of the columns left out.

    Only values that recur can form a key, so columns are taken by the number of distinct values that do.
    """
    recurring = np.array([0 if c.identifier else (c.counts >= least).sum() for c in columns])
    order = np.argsort(-recurring, kind="stable")
    able = [int(i) for i in order if recurring[i] > 0]
    width = len(able)
    while width * (width - 1) // 2 > most:
        width -= 1
    return list(combinations(sorted(able[:width]), 2)), [columns[i].name for i in able[width:]]


def pairs(columns: list[Column], chosen: list[tuple[int, int]], least: int, n: int) -> Iterator[Stretch]:
    """Each row's pairs of values that occur at least `least` times; `pair_cells` takes a key apart."""
    recurs = [np.append(column.counts >= least, False) for column in columns]
    left, right = (np.array([pair[side] for pair in chosen], dtype=np.int64) for side in (0, 1))
    base = np.arange(len(chosen), dtype=np.uint64) << (_SHIFT + _SHIFT)
    for start in range(0, n, _ROWS):
        codes = _codes(columns, start, min(start + _ROWS, n))
        usable = np.stack([recurs[j][codes[:, j]] for j in range(len(columns))], axis=1)
        a, b = codes[:, left].astype(np.uint64) & _MASK, codes[:, right].astype(np.uint64) & _MASK
        yield _stretch(base | a << _SHIFT | b, usable[:, left] & usable[:, right])


def pair_cells(key: int, chosen: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((column, code), (column, code)) of a pair's key."""
    shift, mask = int(_SHIFT), int(_MASK)
    left, right = chosen[key >> (2 * shift)]
    return (left, key >> shift & mask), (right, key & mask)


def missing(columns: list[Column], n: int) -> Iterator[Stretch]:
    """The columns each row has no value in; the key is the column."""
    keys = np.arange(len(columns), dtype=np.uint64)
    for start in range(0, n, _ROWS):
        codes = _codes(columns, start, min(start + _ROWS, n))
        yield _stretch(np.broadcast_to(keys, codes.shape), codes < 0)


def decimals(columns: list[Column], n: int) -> Iterator[Stretch]:
    """How many decimals each number has; the key is column * 16 + decimals. Whole columns have none."""
    tables = [_decimal_table(column) for column in columns]
    for start in range(0, n, _ROWS):
        codes = _codes(columns, start, min(start + _ROWS, n))
        places = np.stack([tables[j][codes[:, j]] for j in range(len(columns))], axis=1) if columns else codes
        keys = np.arange(len(columns), dtype=np.int64) * 16 + places
        yield _stretch(keys.astype(np.uint64), places >= 0)


def _decimal_table(column: Column) -> NDArray[np.int64]:
    """(d + 1,) decimals of each distinct value, -1 where the column has no decimals or no number."""
    table = np.full(len(column.counts) + 1, -1, dtype=np.int64)
    if column.numbers is None:
        return table
    numbers = column.numbers[:]
    left = np.isfinite(numbers)
    for places in range(_DECIMALS):
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = numbers * 10.0**places
            exact = left & (np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(np.abs(scaled), 1.0))
        table[:-1][exact] = places
        left &= ~exact
    table[:-1][left] = _DECIMALS
    return table if (table[:-1] > 0).any() else np.full_like(table, -1)


def near_counts(column: Column) -> NDArray[np.int64]:
    """(d,) rows at the ten nearest distinct values, five on either side; -1 for words."""
    if column.numbers is None or not len(column.counts):
        return np.full(len(column.counts), -1, dtype=np.int64)
    total = np.concatenate([np.zeros(_NEIGHBOURS), column.counts, np.zeros(_NEIGHBOURS)])
    window = np.convolve(total, np.ones(2 * _NEIGHBOURS + 1), mode="valid")
    return (window - column.counts).astype(np.int64)
