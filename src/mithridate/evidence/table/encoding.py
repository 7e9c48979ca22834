"""Columns → sparse presence features for the linear content model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.logistic import Features
from mithridate.evidence.store import DiskWriter
from mithridate.evidence.table.columns import Column

__all__ = ["Encoding", "coarse_cells", "encode"]

#: Quantile bins of a number, from coarse to fine: the penalty then makes neighbouring fine bins alike.
_BINS = (4, 16, 64)
_LEAST = 2
_ROWS = 8192
_KINDS = 8  # of a coarse cell; one more for a missing value


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Which features each value has.

    Attributes:
        features: of all rows.
        parts: for each column (d + 1, s): features of each distinct value, missing last; -1 = none.
    """

    features: Features
    parts: tuple[NDArray[np.int64], ...]


def encode(columns: list[Column], n: int, folder: Path) -> Encoding:
    """Give every value its features and write those of every row.

    Args:
        columns: the columns; identifiers get no features.
        n: rows.
        folder: where the file goes.
    """
    parts, size = [], 0
    for column in columns:
        part = np.full((len(column.counts) + 1, 1), -1, dtype=np.int64)
        if not column.identifier:
            part = _word_parts(column) if column.numbers is None else _number_parts(column)
        numbered, part[part >= 0] = np.unique(part[part >= 0], return_inverse=True)
        part[part >= 0] += size
        size += len(numbered)
        parts.append(part)
    writer, counts = DiskWriter(folder / "table.features", np.int32), [np.zeros(1, dtype=np.int64)]
    for start in range(0, n, _ROWS):
        stop = min(start + _ROWS, n)
        codes = [column.codes[start:stop] for column in columns]
        rows = np.concatenate([part[code] for part, code in zip(parts, codes, strict=True)], axis=1)
        writer.append(rows[rows >= 0])
        counts.append((rows >= 0).sum(axis=1))
    features = Features(
        indptr=np.cumsum(np.concatenate(counts)), index=writer.close(), weight=np.ones(size, dtype=np.float32)
    )
    return Encoding(features=features, parts=tuple(parts))


def _word_parts(column: Column) -> NDArray[np.int64]:
    """One feature per value that occurs twice, one for a missing value."""
    part = np.arange(len(column.counts) + 1, dtype=np.int64)[:, None]
    part[:-1][column.counts < _LEAST] = -1
    return part


def _number_parts(column: Column) -> NDArray[np.int64]:
    """One feature per quantile bin at each resolution; infinities and missing have bins of their own."""
    assert column.numbers is not None
    numbers = column.numbers[:]
    finite = np.isfinite(numbers)
    middle = np.cumsum(column.counts) - column.counts / 2
    ranks = (middle - column.counts[: np.searchsorted(numbers, -np.inf, side="right")].sum()) / max(
        column.counts[finite].sum(), 1
    )
    part = np.empty((len(numbers) + 1, len(_BINS)), dtype=np.int64)
    base = 0
    for level, bins in enumerate(_BINS):
        inside = base + np.clip((ranks * bins).astype(np.int64), 0, bins - 1)
        part[:-1, level] = np.where(finite, inside, base + bins + (numbers > 0))
        part[-1, level] = base + bins + 2
        base += bins + 3
    return part


def coarse_cells(columns: list[Column], n: int, path: Path) -> NDArray[np.uint8]:
    """Every cell as one of a few kinds, to compare groups of rows column by column.

    Args:
        columns: the columns.
        n: rows.
        path: file to create.

    Returns:
        (n, columns) memory-mapped: eighths of a number's range, the seven most frequent words and the rest, 8
        where the value is missing; an identifier is 0 throughout.
    """
    cells = np.memmap(path, dtype=np.uint8, mode="w+", shape=(n, len(columns)))
    for number, column in enumerate(columns):
        kinds = np.full(len(column.counts) + 1, _KINDS, dtype=np.uint8)
        if column.identifier:
            kinds[:] = 0
        elif column.numbers is None:
            rank = np.argsort(np.argsort(-column.counts, kind="stable"), kind="stable")
            kinds[:-1] = np.minimum(rank, _KINDS - 1)
        else:
            middle = np.cumsum(column.counts) - column.counts / 2
            kinds[:-1] = np.minimum(middle / max(column.counts.sum(), 1) * _KINDS, _KINDS - 1)
        cells[:, number] = kinds[column.codes[:]]
    cells.flush()
    return cells
