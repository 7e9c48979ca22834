"""From (sample, key hash) pairs to the sample-major entries of a `KeyTable`. Label-free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entries", "entries"]


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Sample-major incidence of keys.

    Attributes:
        indptr: (n + 1,) int64.
        keys: (nnz,) int32 index into `hashes`.
        fresh: (nnz,) True for the first carrier of each near-duplicate group.
        hashes: (m,) uint64 hash of each key, ascending.
        support: (m,) carriers, near-duplicates counted once.
        first: (m,) position, in the pairs given, of one occurrence of each key.
    """

    indptr: NDArray[np.int64]
    keys: NDArray[np.int32]
    fresh: NDArray[np.bool_]
    hashes: NDArray[np.uint64]
    support: NDArray[np.int64]
    first: NDArray[np.int64]


def entries(
    rows: NDArray[np.int64], hashes: NDArray[np.uint64], groups: NDArray[np.int64], least: int, most: int
) -> Entries:
    """Count each key once per sample, keep keys with least <= support <= most.

    Args:
        rows: (p,) sample of each pair.
        hashes: (p,) key of each pair; a pair may repeat.
        groups: (n,) near-duplicate group of each sample.
        least: fewest carriers, near-duplicates counted once.
        most: most carriers.
    """
    n = len(groups)
    if not len(rows):
        none = np.zeros(0, dtype=np.int64)
        return Entries(
            indptr=np.zeros(n + 1, dtype=np.int64), keys=none.astype(np.int32), fresh=none.astype(np.bool_),
            hashes=none.astype(np.uint64), support=none, first=none,
        )  # fmt: skip
    order = np.argsort(hashes)
    ordered = hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    firsts, names = np.minimum.reduceat(order, starts), ordered[starts]
    number = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(ordered)))
    # One number for key and sample: plain sorting is several times faster than sorting by two columns.
    pairs = np.sort(number * n + rows[order])
    pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])]
    key, r = np.divmod(pairs, n)
    fresh = _fresh(key, r, groups)
    support = np.bincount(key, weights=fresh, minlength=len(names)).astype(np.int64)
    kept = (support >= least) & (support <= most)
    index, size, take = np.cumsum(kept) - 1, max(int(kept.sum()), 1), kept[key]
    packed = np.sort((r[take] * size + index[key[take]]) * 2 + fresh[take])
    return Entries(
        indptr=np.concatenate([[0], np.cumsum(np.bincount(r[take], minlength=n))]).astype(np.int64),
        keys=(packed // 2 % size).astype(np.int32),
        fresh=(packed % 2).astype(np.bool_),
        hashes=names[kept],
        support=support[kept],
        first=firsts[kept],
    )


def _fresh(key: NDArray[np.int64], r: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(p,) True for the first carrier of each group among those of its key; pairs come sorted."""
    sizes = np.bincount(groups, minlength=int(groups.max()) + 1)
    shared = np.flatnonzero(sizes[groups[r]] > 1)
    fresh = np.ones(len(r), dtype=bool)
    by_group = shared[np.lexsort((r[shared], groups[r[shared]], key[shared]))]
    k, g = key[by_group], groups[r[by_group]]
    fresh[by_group[1:]] = (k[1:] != k[:-1]) | (g[1:] != g[:-1])
    return fresh
