"""What prompts are like: which of a few usual words they have. Victims drawn from all prompts are like the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled
from mithridate.evidence.incidence import Incidence
from mithridate.evidence.store import row_chunks

__all__ = ["always_with", "usual_words"]

_SHARE = (0.03, 0.6)  # of the prompts that a usual word is in
_TRIED, _WIDTH = 150, 24  # words
_SAMPLE = 20_000  # prompts in which words are compared
_APART = 0.25  # largest correlation of two columns: they are to be independent witnesses
_ALWAYS = 0.9
_CHUNK = 1 << 20


def usual_words(words: Incidence, n: int) -> NDArray[np.uint8]:
    """(n, c) whether each prompt has each of some usual words that hardly go together."""
    share = words.support / max(n, 1)
    usual = np.flatnonzero((share >= _SHARE[0]) & (share <= _SHARE[1]))
    usual = usual[np.argsort(-words.support[usual], kind="stable")][:_TRIED]
    sampled = _presence(words, usual, np.arange(0, n, max(1, n // _SAMPLE)), n)
    moved = sampled - sampled.mean(axis=0)
    moved /= np.maximum(np.sqrt((moved**2).sum(axis=0)), 1e-12)
    alike, kept = np.abs(moved.T @ moved), list[int]()
    for column in range(len(usual)):
        if len(kept) < _WIDTH and not (alike[column, kept] > _APART).any():
            kept.append(column)
    return _presence(words, usual[kept], np.arange(n), n)


def always_with(
    indptr: NDArray[np.int64], keys: NDArray[np.int32], size: int, cells: NDArray[np.uint8]
) -> Callable[[int], tuple[int, ...]]:
    """Key → columns that nearly all of its carriers have: parts of it, or words that come with it.

    Args:
        indptr: (n + 1,) start of each prompt's entries.
        keys: (nnz,) key of each entry.
        size: number of keys.
        cells: from `usual_words`.
    """
    counts, carriers = np.zeros((size, cells.shape[1]), dtype=np.int32), np.zeros(size, dtype=np.int32)
    for start, stop in row_chunks(indptr, _CHUNK):
        low, high = int(indptr[start]), int(indptr[stop])
        _together(indptr[start : stop + 1] - low, keys[low:high], cells[start:stop], counts, carriers)
    always = counts >= _ALWAYS * carriers[:, None]
    return lambda key: tuple(np.flatnonzero(always[key]).tolist())


def _presence(
    words: Incidence, columns: NDArray[np.int64], rows: NDArray[np.int64], n: int
) -> NDArray[np.uint8]:
    number = np.full(words.size, -1, dtype=np.int64)
    number[columns] = np.arange(len(columns))
    place = np.full(n, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    found = np.zeros((len(rows), len(columns)), dtype=np.uint8)
    for start, stop in row_chunks(words.indptr, _CHUNK):
        column = number[words.keys[int(words.indptr[start]) : int(words.indptr[stop])]]
        row = place[np.repeat(np.arange(start, stop), np.diff(words.indptr[start : stop + 1]))]
        mine = (column >= 0) & (row >= 0)
        found[row[mine], column[mine]] = 1
    return found


@compiled
def _together(
    indptr: NDArray[np.int64], keys: NDArray[np.int32], cells: NDArray[np.uint8], counts: NDArray[np.int32],
    carriers: NDArray[np.int32],
) -> None:  # fmt: skip
    """Add how many carriers of each key have each column."""
    for i in range(len(cells)):
        for p in range(indptr[i], indptr[i + 1]):
            key = keys[p]
            carriers[key] += 1
            for c in range(cells.shape[1]):
                counts[key, c] += cells[i, c]
