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
    order = np.lexsort((rows, hashes))
    r, h = rows[order], hashes[order]
    once = np.ones(len(r), dtype=bool)
    once[1:] = (r[1:] != r[:-1]) | (h[1:] != h[:-1])
    order, r, h = order[once], r[once], h[once]

    starts = np.ones(len(h), dtype=bool)
    starts[1:] = h[1:] != h[:-1]
    key = np.cumsum(starts) - 1
    by_group = np.lexsort((r, groups[r], key))
    fresh = np.ones(len(h), dtype=bool)
    k, g = key[by_group], groups[r][by_group]
    again = np.zeros(len(h), dtype=bool)
    again[1:] = (k[1:] == k[:-1]) & (g[1:] == g[:-1])
    fresh[by_group] = ~again

    count = int(key[-1]) + 1 if len(key) else 0
    support = np.bincount(key, weights=fresh, minlength=count).astype(np.int64)
    kept = (support >= least) & (support <= most)
    index = np.cumsum(kept) - 1
    take = kept[key] if len(key) else np.zeros(0, dtype=bool)
    sample_major = np.argsort(r[take], kind="stable")
    counts = np.bincount(r[take], minlength=n)
    return Entries(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        keys=index[key[take]][sample_major].astype(np.int32),
        fresh=fresh[take][sample_major],
        hashes=h[starts][kept],
        support=support[kept],
        first=order[starts][kept],
    )
