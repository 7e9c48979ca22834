"""What every source shares: shards, passes, finding samples by id, taking batches apart and joining them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch, Modality
from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.limits import Limits

__all__ = ["MEMORY", "RowSource", "arrange", "quote", "refuse_duplicates", "stretches", "take"]

MEMORY = "memory"


def quote(names: Iterable[str], most: int = 5) -> str:
    """The first few names for an error message."""
    listed = list(names)
    tail = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(repr(n) for n in listed[:most]) + tail


def refuse_duplicates(ids: Sequence[str], where: str) -> None:
    """Refuse ids that name more than one sample.

    Raises:
        SourceError: some id occurs twice; a few are named.
    """
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    twice = dict.fromkeys(i for i in ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
    raise SourceError(
        "unique ids",
        f"{len(twice)} ids that occur more than once: {quote(twice)}",
        where,
        "Name another id column, or none: then the row number is the id.",
    )


class RowSource(ABC):
    """A `core.batch.Source` whose samples are numbered rows 0 .. count - 1.

    Attributes:
        uri: the path, or "memory".
        modality: what the samples are.
        count: rows, bad ones included.
        options: keyword arguments that make `open_source(uri, **options)` read the same; JSON-able.
        notes: what a person should know about how the data was read.
        seekable: whether a stretch of rows can be read without reading all rows before it.
        origin: the `npz.Npz` the samples were taken from, or None.
        limits: what one item may cost.
        held: kept open for as long as the source is, or None.
    """

    uri: str
    modality: Modality
    count: int
    options: dict[str, Any]
    notes: tuple[str, ...] = ()
    seekable: bool = True
    origin: Any = None
    held: Any = None
    limits: Limits

    @property
    @abstractmethod
    def digest(self) -> str:
        """Hex digest of the content and of how it is read (columns, keys)."""

    def files(self) -> Iterator[tuple[str, Path]]:
        """The name and path of every file that samples are read from; none for data in memory."""
        path = Path(self.uri)
        if self.uri != MEMORY and path.is_dir():
            yield from ((str(p.relative_to(path)), p) for p in sorted(path.rglob("*")) if p.is_file())
        elif self.uri != MEMORY:
            yield "", path

    @abstractmethod
    def _read(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        """Yield rows start..stop-1 in order, `size` rows a batch except for the last."""

    @abstractmethod
    def iter_ids(self) -> Iterator[str]:
        """Yield the id of every row in order, unreadable items included, without decoding content."""

    def batches(self, size: int, *, shard: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        """Yield the samples once, in order; `shard=(i, k)` yields the i-th of k contiguous parts.

        Args:
            size: rows per batch; bad items count.
            shard: (i, k) with 0 <= i < k.

        Raises:
            UsageError: a size below one, or a shard that does not exist.
        """
        part, parts = shard
        if size < 1 or not 0 <= part < parts:
            raise UsageError(
                "size >= 1 and shard (i, k) with 0 <= i < k",
                f"size={size}, shard={shard}",
                "batches",
                "Correct them.",
            )
        return self._read(self.count * part // parts, self.count * (part + 1) // parts, size)

    def fetch(self, ids: tuple[str, ...]) -> Batch:
        """Return the samples with these ids in the order given; unreadable ones are in `bad`.

        Raises:
            UsageError: an id is not in the source.
        """
        rows = self._locate(ids)
        missing = [i for i in ids if i not in rows]
        if missing:
            raise UsageError(
                "ids of this source",
                f"{len(missing)} unknown ids: {quote(missing)}",
                self.uri,
                "Is this the same data?",
            )
        found, wanted = self._gather([rows[i] for i in ids]), set(ids)
        others = [i for i in found.ids if i not in wanted]
        if others:
            raise UsageError(
                "data as it was when it was opened",
                f"other samples in its place: {quote(others)}",
                self.uri,
                "Was it written meanwhile? Audit it again.",
            )
        return replace(found, bad=tuple(b for b in found.bad if b.id in wanted))

    def _locate(self, ids: Sequence[str]) -> dict[str, int]:
        wanted = set(ids)
        return {i: row for row, i in enumerate(self.iter_ids()) if i in wanted}

    def _gather(self, rows: Sequence[int]) -> Batch:
        """One pass over the stretches that hold the rows; sources with random access do better."""
        ordered = sorted(set(rows))
        pieces = []
        everything = np.array(ordered, dtype=np.int64)
        for low, high in stretches(ordered, gap=4096 if self.seekable else self.count):
            wanted = everything[(everything >= low) & (everything < high)]
            pieces += [_pick(batch, wanted) for batch in self._read(low, high, 1024)]
        return arrange(pieces, rows, self.modality)


def stretches(rows: Sequence[int], gap: int) -> Iterator[tuple[int, int]]:
    """Cover sorted rows by intervals (start, stop); rows nearer than `gap` share one."""
    low = previous = None
    for row in rows:
        if low is None or previous is None:
            low = row
        elif row - previous > gap:
            yield low, previous + 1
            low = row
        previous = row
    if low is not None and previous is not None:
        yield low, previous + 1


def _pick(batch: Batch, rows: NDArray[np.int64]) -> Batch:
    return take(batch, np.flatnonzero(np.isin(batch.rows, rows)))


def take(batch: Batch, at: NDArray[np.int64]) -> Batch:
    """The samples at these positions of a batch; `bad` is kept whole."""
    if batch.modality == "table":
        raw = batch.raw.take(at)
    else:
        raw = batch.raw[at] if isinstance(batch.raw, np.ndarray) else [batch.raw[i] for i in at]
    return Batch(
        ids=tuple(batch.ids[i] for i in at),
        rows=batch.rows[at],
        modality=batch.modality,
        raw=raw,
        labels=None if batch.labels is None else tuple(batch.labels[i] for i in at),
        sources=None if batch.sources is None else tuple(batch.sources[i] for i in at),
        bad=batch.bad,
        metadata=None if batch.metadata is None else tuple(batch.metadata[i] for i in at),
        evidence={name: array[at] for name, array in batch.evidence.items()},
    )


def arrange(pieces: Sequence[Batch], rows: Sequence[int], modality: Modality) -> Batch:
    """Join batches and put their samples into the order of `rows`; rows that were bad are left out."""
    if not pieces:
        return Batch(ids=(), rows=np.zeros(0, dtype=np.int64), modality=modality, raw=_join_raw([], modality))
    whole = Batch(
        ids=tuple(i for p in pieces for i in p.ids),
        rows=np.concatenate([p.rows for p in pieces]),
        modality=modality,
        raw=_join_raw([p.raw for p in pieces], modality),
        labels=None if pieces[0].labels is None else tuple(x for p in pieces for x in p.labels or ()),
        sources=None if pieces[0].sources is None else tuple(x for p in pieces for x in p.sources or ()),
        bad=tuple(b for p in pieces for b in p.bad),
        metadata=None if pieces[0].metadata is None else tuple(x for p in pieces for x in p.metadata or ()),
    )
    place: Mapping[int, int] = {int(r): k for k, r in enumerate(whole.rows)}
    return take(whole, np.array([place[r] for r in rows if r in place], dtype=np.int64))


def _join_raw(raws: list[Any], modality: Modality) -> Any:
    if modality != "table":
        return [x for raw in raws for x in raw]
    import pyarrow as pa

    return pa.concat_tables(raws) if raws else pa.table({})
