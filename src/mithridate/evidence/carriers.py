"""From (sample, key hash) pairs to the sample-major entries of a `KeyTable`. Label-free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Carriers", "Entries", "entries"]


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

    def arrays(self, least: int) -> dict[str, Any]:
        """The fields that a `KeyTable` takes as they are; `least`: fewest carriers that were asked for."""
        return {
            "indptr": self.indptr,
            "keys": self.keys,
            "fresh": self.fresh,
            "size": len(self.hashes),
            "tests": len(self.hashes),
            "least": least,
        }


def entries(
    rows: NDArray[np.int32] | NDArray[np.int64], hashes: NDArray[np.uint64], groups: NDArray[np.int64], least: int,
    most: int,
) -> Entries:  # fmt: skip
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
    # One number for key and sample: plain sorting is several times faster than sorting by two columns.
    pairs = np.repeat(np.arange(len(starts)) * n, np.diff(starts, append=len(ordered)))
    del ordered, starts
    pairs += rows[order]
    del order
    pairs.sort()
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


@dataclass(frozen=True, kw_only=True)
class Carriers:
    """Called with a key; returns who carries it: exactly its entries.

    Attributes:
        found: entries of the family.
        groups: (n,) near-duplicate groups.
    """

    found: Entries
    groups: NDArray[np.int64]

    def __call__(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """Rows of the carriers, how close they are (1 = equal, 0 = at the edge of reach), and who counts."""
        rows = self.carriers(key)
        return rows, np.ones(len(rows)), self._fresh(rows)

    def carriers(self, key: int) -> NDArray[np.int64]:
        """Ascending rows of the samples that carry exactly this key."""
        rows, starts = self._by_key
        return rows[starts[key] : starts[key + 1]].astype(np.int64)

    @cached_property
    def _by_key(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Rows of all entries, key by key, and where each key's start."""
        rows = np.repeat(np.arange(len(self.groups), dtype=np.int32), np.diff(self.found.indptr))
        counts = np.bincount(self.found.keys, minlength=len(self.found.hashes))
        # One number for key and row: plain sorting is several times faster than finding an order.
        packed = np.sort(self.found.keys.astype(np.int64) * len(self.groups) + rows)
        return (packed % len(self.groups)).astype(np.int32), np.concatenate([[0], np.cumsum(counts)])

    def _fresh(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True for the first carrier of each near-duplicate group."""
        fresh = np.zeros(len(rows), dtype=bool)
        fresh[np.unique(self.groups[rows], return_index=True)[1]] = True
        return fresh
