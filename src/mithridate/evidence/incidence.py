"""From streams of (sample, key) to the entries of a key table, on disk and in bounded memory. Label-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.store import DiskArray, DiskWriter, row_chunks

__all__ = ["Incidence", "Limits", "Stretch", "build"]

_CHUNK = 1 << 21
_SKETCH = 1 << 25


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The keys of some consecutive samples. A key occurs at most once per sample.

    Attributes:
        counts: (b,) keys of each sample.
        keys: (p,) uint64 keys, sample by sample.
        origins: (p,) where each key was seen, in the caller's own coordinates; or None.
    """

    counts: NDArray[np.int64]
    keys: NDArray[np.uint64]
    origins: NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Which keys enter a table; none of it depends on labels.

    Attributes:
        least: fewest carriers, near-duplicates counted once.
        most: most carriers.
        keys: most keys; `least` is raised until they fit.
    """

    least: int
    most: int
    keys: int


@dataclass(frozen=True, kw_only=True)
class Incidence:
    """Entries of m keys in n samples.

    Attributes:
        indptr: (n + 1,) int64.
        keys: (nnz,) int32 on disk.
        fresh: (nnz,) bool on disk.
        hashes: (m,) key as it was given.
        support: (m,) carriers, near-duplicates counted once.
        origins: (m,) origin of one occurrence.
        least: as it was in the end.
    """

    indptr: NDArray[np.int64]
    keys: DiskArray
    fresh: DiskArray
    hashes: NDArray[np.uint64]
    support: NDArray[np.int64]
    origins: NDArray[np.int64]
    least: int

    @property
    def size(self) -> int:
        """Number of keys."""
        return len(self.hashes)

    def select(self, kept: NDArray[np.bool_], path: Path, least: int) -> Incidence:
        """The same with fewer keys, in files of its own.

        Args:
            kept: (m,) which keys stay.
            path: stem of the new files.
            least: smallest support of what stays.
        """
        indptr, keys, fresh = _compact(self.indptr, self.keys, self.fresh, kept, path)
        return Incidence(
            indptr=indptr, keys=keys, fresh=fresh, hashes=self.hashes[kept], support=self.support[kept],
            origins=self.origins[kept], least=least,
        )  # fmt: skip

    def arrays(self) -> dict[str, Any]:
        """The fields that a `KeyTable` takes as they are."""
        return {
            "indptr": self.indptr,
            "keys": cast("NDArray[np.int32]", self.keys),
            "fresh": cast("NDArray[np.bool_]", self.fresh),
            "size": self.size,
            "tests": self.size,
            "least": self.least,
        }


def build(
    stretches: Callable[[], Iterable[Stretch]],
    groups: NDArray[np.int64],
    limits: Limits,
    path: Path,
    expected: int,
) -> Incidence:
    """Count, select and write. Reads the stream twice, the selected entries twice.

    Args:
        stretches: starts a pass over all samples, in order.
        groups: (n,) near-duplicate group of each sample.
        limits: which keys to keep.
        path: stem of the files to write.
        expected: about how many pairs the stream has; sizes the sketch.
    """
    cells = _sketch(stretches(), expected)
    least = _raised(cells, limits)
    indptr, ids, hashes, origins = _candidates(stretches(), cells, least, path.with_suffix(".candidates"))
    del cells
    fresh = _fresh(indptr, ids, groups)
    support = np.zeros(len(hashes), dtype=np.int64)
    for start, stop in row_chunks(indptr, _CHUNK):
        part = slice(int(indptr[start]), int(indptr[stop]))
        support += np.bincount(ids[part][fresh[part]], minlength=len(hashes))
    kept = (support >= least) & (support <= limits.most)
    while int(kept.sum()) > limits.keys:
        least += max(1, least // 8)
        kept = (support >= least) & (support <= limits.most)
    final = _compact(indptr, ids, fresh, kept, path)
    ids.path.unlink()
    return Incidence(
        indptr=final[0], keys=final[1], fresh=final[2], hashes=hashes[kept], support=support[kept],
        origins=origins[kept], least=least,
    )  # fmt: skip


def _power(size: int) -> int:
    return 1 << max(size - 1, 1).bit_length()


def _sketch(stretches: Iterable[Stretch], expected: int) -> NDArray[np.uint16]:
    from mithridate.evidence.counting import sketch_add

    cells = np.zeros((2, min(max(_power(2 * expected), 1 << 12), _SKETCH)), dtype=np.uint16)
    for stretch in stretches:
        sketch_add(cells, stretch.keys)
    return cells


def _raised(cells: NDArray[np.uint16], limits: Limits) -> int:
    """Raise `least` until about twice the budget is left; the exact supports decide the rest."""
    held = np.zeros(65536, dtype=np.int64)
    for start in range(
        0, cells.shape[1], _CHUNK
    ):  # as 64-bit numbers, all at once would be four times the sketch
        held += np.bincount(cells[0, start : start + _CHUNK], minlength=65536)
    over = np.cumsum(held[::-1])[::-1]
    fits = np.flatnonzero(over[limits.least :] <= 2 * limits.keys)
    return limits.least + (int(fits[0]) if len(fits) else 0)


def _candidates(
    stretches: Iterable[Stretch], cells: NDArray[np.uint16], least: int, path: Path
) -> tuple[NDArray[np.int64], DiskArray, NDArray[np.uint64], NDArray[np.int64]]:
    from mithridate.evidence.counting import table_put

    writer, counts = DiskWriter(path, np.int32), [np.zeros(1, dtype=np.int32)]
    slots, key_of, first_of = (
        np.full(1 << 12, -1, np.int32),
        np.zeros(1 << 11, np.uint64),
        np.zeros(1 << 11, np.int64),
    )
    origins: list[NDArray[np.int64]] = []
    count = 0
    for stretch in stretches:
        room = count + len(stretch.keys)
        if 2 * room > len(slots):
            slots, key_of, first_of = _grown(room, count, key_of, first_of)
        out = np.empty(len(stretch.keys), dtype=np.int32)
        before, count = count, table_put(stretch.keys, cells, least, slots, key_of, first_of, 0, count, out)
        seen = first_of[before:count]
        origins.append(seen.copy() if stretch.origins is None else stretch.origins[seen])
        taken = out >= 0
        rows = np.repeat(np.arange(len(stretch.counts)), stretch.counts)
        counts.append(np.bincount(rows[taken], minlength=len(stretch.counts)).astype(np.int32))
        writer.append(out[taken])
    indptr = np.cumsum(np.concatenate(counts), dtype=np.int64)
    found = np.concatenate(origins) if origins else np.zeros(0, np.int64)
    return indptr, writer.close(), key_of[:count].copy(), found


def _grown(
    room: int, count: int, key_of: NDArray[np.uint64], first_of: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int64]]:
    from mithridate.evidence.counting import table_put

    size = _power(3 * room)
    slots = np.full(size, -1, np.int32)
    keys, first = np.zeros(size // 2, np.uint64), np.zeros(size // 2, np.int64)
    open_cells = np.ones((2, 1), dtype=np.uint16)
    old = key_of[:count].copy()
    table_put(old, open_cells, 1, slots, keys, first, 0, 0, np.empty(count, np.int32))
    first[:count] = first_of[:count]
    return slots, keys, first


class _Flags:
    """One truth each, all True at first, eight to a byte."""

    def __init__(self, count: int) -> None:
        self._bits = np.full(count // 8 + 1, 255, dtype=np.uint8)

    def deny(self, places: NDArray[np.int64]) -> None:
        """False at these places."""
        np.bitwise_and.at(self._bits, places >> 3, ~np.left_shift(1, places & 7).astype(np.uint8))

    def __getitem__(self, part: slice) -> NDArray[np.bool_]:
        first = part.start >> 3
        bits = np.unpackbits(self._bits[first : (part.stop >> 3) + 1], bitorder="little")
        return bits[part.start - 8 * first : part.stop - 8 * first].view(np.bool_)


def _fresh(indptr: NDArray[np.int64], ids: DiskArray, groups: NDArray[np.int64]) -> _Flags:
    """False where an earlier sample of the same near-duplicate group carries the same key."""
    fresh = _Flags(len(ids))
    shared = np.bincount(groups)[groups] > 1
    load = int(np.diff(indptr)[shared].sum())
    parts = load // (1 << 23) + 1
    for part in range(parts if load else 0):
        chosen = shared & (groups % parts == part)
        places, keys, owners = [], [], []
        for start, stop in row_chunks(indptr, _CHUNK):
            low, high = indptr[start], indptr[stop]
            here = np.flatnonzero(np.repeat(chosen[start:stop], np.diff(indptr[start : stop + 1])))
            rows = np.searchsorted(indptr, low + here, side="right") - 1
            places.append(low + here)
            keys.append(ids[low:high][here])
            owners.append(groups[rows])
        place, key, owner = np.concatenate(places), np.concatenate(keys), np.concatenate(owners)
        order = np.lexsort((place, owner, key))
        k, o = key[order], owner[order]
        fresh.deny(place[order[1:]][(k[1:] == k[:-1]) & (o[1:] == o[:-1])])
    return fresh


def _compact(
    indptr: NDArray[np.int64],
    ids: DiskArray,
    fresh: DiskArray | _Flags,
    kept: NDArray[np.bool_],
    path: Path,
) -> tuple[NDArray[np.int64], DiskArray, DiskArray]:
    keys, flags = (
        DiskWriter(path.with_suffix(".keys"), np.int32),
        DiskWriter(path.with_suffix(".fresh"), np.bool_),
    )
    number = (np.cumsum(kept) - 1).astype(np.int32)
    counts = np.zeros(len(indptr), dtype=np.int64)
    for start, stop in row_chunks(indptr, _CHUNK):
        part = slice(int(indptr[start]), int(indptr[stop]))
        old = ids[part]
        take = kept[old]
        rows = np.repeat(np.arange(start, stop), np.diff(indptr[start : stop + 1]))
        counts[start + 1 : stop + 1] = np.bincount(rows[take] - start, minlength=stop - start)
        keys.append(number[old[take]])
        flags.append(fresh[part][take])
    return np.cumsum(counts, out=counts), keys.close(), flags.close()
