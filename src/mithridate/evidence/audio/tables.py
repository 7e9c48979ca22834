"""Keys noted on a tape → key tables. Label-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.audio.clip import Extractor
from mithridate.evidence.audio.echo import Echo
from mithridate.evidence.audio.tape import EXTRACTORS, Progress, Tape
from mithridate.evidence.carriers import Carriers, entries
from mithridate.evidence.store import row_chunks
from mithridate.evidence.view import KeyTable, Shared

__all__ = ["key_tables"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PAIRS = 30_000_000  # most (sound, key) pairs a family may hold; `least` is raised until they fit
_CHUNK = 1 << 22
_BITS = 24  # of a bucket, at most
_ROOM_HZ, _SWEPT_S = 150.0, 0.05  # to each side of a key: part of its band


def key_tables(
    tape: Tape, groups: NDArray[np.int64], echo: Echo | None, progress: Progress
) -> dict[str, KeyTable]:
    """One table for each family that has a key in enough sounds.

    Args:
        tape: of n sounds.
        groups: (n,) near-duplicate group of each.
        echo: hears what carriers of one label share; None without labels.
        progress: told (stage, done, total).
    """
    tables = {}
    for done, extractor in enumerate(EXTRACTORS):
        progress("keys", done, len(EXTRACTORS))
        table = _table(extractor, tape, groups, echo)
        if table.size:
            tables[table.family] = table
    return tables


def _table(extractor: Extractor, tape: Tape, groups: NDArray[np.int64], echo: Echo | None) -> KeyTable:
    n = len(groups)
    least, most = max(5, n // 50_000), max(n // 10, min(40, n // 4))
    rows, codes, when = _recurring(extractor.family, tape, least, most * 2)
    found = entries(rows, codes.astype(np.uint64), groups, least, most)
    timed = bool((when >= 0).any())
    places = _Places(rows=rows, codes=codes, when=when, hashes=found.hashes)

    def refine(key: int, rows: NDArray[np.int64]) -> Shared | None:
        band = _band(extractor.details(int(found.hashes[key])), tape.common_rate)
        return None if echo is None else echo(rows, places(key, rows)[:, 0], band)

    return KeyTable(
        family=extractor.family,
        noun=extractor.noun,
        **found.arrays(least),
        name=lambda key: extractor.name(int(found.hashes[key])),
        details=lambda key: {
            "family": extractor.family, "common_rate": tape.common_rate, **extractor.details(int(found.hashes[key])),
        },
        kin=Carriers(found=found, groups=groups),
        locate=places if timed else None,
        refine=refine if timed and echo is not None else None,
    )  # fmt: skip


def _band(details: Mapping[str, Any], rate: int) -> tuple[float, float]:
    """Hz around a key, with room for what a sweep passes before and after; all where it says nothing."""
    low, high = details.get("hz", (0.0, rate / 2))
    room = _ROOM_HZ + _SWEPT_S * abs(details.get("hz_per_s", 0.0))
    return low - room, high + room


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Called with a key and rows; returns (r, 2): ms from the start, and 0; -1 where the key has no time."""

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    when: NDArray[np.int32]
    hashes: NDArray[np.uint64]

    def __call__(self, key: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        codes, order = self._ordered
        low, high = np.searchsorted(codes, [self.hashes[key]], "left")[0], 0
        high = int(np.searchsorted(codes, self.hashes[key], "right"))
        mine = order[low:high]
        times = dict(zip(self.rows[mine].tolist(), self.when[mine].tolist(), strict=True))
        return np.array([[times.get(int(r), -1), 0] for r in rows], dtype=np.int64).reshape(-1, 2)

    @cached_property
    def _ordered(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        order = np.argsort(self.codes, kind="stable")
        return self.codes[order].astype(np.uint64), order


def _recurring(
    family: str, tape: Tape, least: int, crowd: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """(p,) rows, codes and times of the keys that may be in `least` to `crowd` sounds.

    Buckets of a hash are counted first, so that what occurs once stays on disk; the bar rises until the rest fits.
    """
    pairs = int(tape.counts[family].sum())
    bits = int(np.clip(np.ceil(np.log2(max(pairs, 1))) + 2, 12, _BITS))
    counts = np.zeros(1 << bits, dtype=np.int32)
    for _, codes, _ in _chunks(family, tape):
        np.add.at(counts, _buckets(codes, bits), 1)
    heavy = np.minimum(counts, crowd + 1)
    load = np.bincount(heavy, minlength=crowd + 2) * np.arange(crowd + 2)
    left = np.cumsum(load[: crowd + 1][::-1])[::-1]
    bar = least
    while bar < crowd and left[bar] > _PAIRS:
        bar += max(1, bar // 4)
    parts = []
    for rows, codes, when in _chunks(family, tape):
        held = counts[_buckets(codes, bits)]
        keep = held >= bar  # a crowded bucket may hold a rare key, too
        parts.append((rows[keep], codes[keep], when[keep]))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none.astype(np.int32)
    return (
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] for p in parts]),
        np.concatenate([p[2] for p in parts]),
    )


def _buckets(codes: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    return ((codes.astype(np.uint64) * _GOLDEN) >> np.uint64(64 - bits)).astype(np.int64)


def _chunks(
    family: str, tape: Tape
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]]:
    """(rows, codes, times) of stretches of sounds."""
    indptr = np.concatenate([[0], np.cumsum(tape.counts[family])]).astype(np.int64)
    for start, stop in row_chunks(indptr, _CHUNK):
        low, high = int(indptr[start]), int(indptr[stop])
        rows = np.repeat(np.arange(start, stop), np.diff(indptr[start : stop + 1]))
        yield rows, tape.codes[family][low:high], tape.when_ms[family][low:high]
