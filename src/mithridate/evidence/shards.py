"""A data set read in shards, by any number of workers; a shard that was read is never read again.

Each shard becomes one file that appears whole or not at all. Its name says what was read, and how: what was interrupted
goes on from the shards that are there, whoever read them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import mithridate
from mithridate.core.batch import Batch
from mithridate.core.errors import UsageError
from mithridate.engines.spread import Engine
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.digest import files_stamp
from mithridate.sources.open import open_source
from mithridate.sources.shelf import Shelf
from mithridate.sources.spool import Spool, write_spool
from mithridate.sources.stores import is_uri, shown_uri

__all__ = ["ShardTask", "Shards", "read_shard"]

_BATCH = 512
_SUFFIX = ".arrow"
_LAST = threading.local()  # what each worker opened last; sources need not be fit for several threads


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard to be read; can be sent to another process.

    Attributes:
        uri: of the data.
        options: of `open_source`.
        key: of the whole; see `Shards`.
        part: 0 <= part < parts.
        parts: shards of the data.
        place: where shards are kept.
    """

    uri: str
    options: dict[str, Any]
    key: str
    part: int
    parts: int
    place: str


def read_shard(task: ShardTask) -> int:
    """Read a shard and keep what was read; the work of one worker.

    Returns:
        Samples that could be read.

    Raises:
        UsageError: the data here is not what the run began with.
    """
    source = _opened(task)
    if _key(source) != task.key:
        got = "files of other names, sizes or times"
        remedy = "All workers must see the same files, unchanged since the run began."
        raise UsageError("the data that the run began with", got, task.uri, remedy)
    return Shelf(task.place).write(
        _name(task.key, task.part, task.parts),
        lambda path: write_spool(_prepared(source, task.part, task.parts), str(path)),
    )


def _opened(task: ShardTask) -> RowSource:
    """The data of a task; a worker that reads many shards opens it once, as that may take a pass over all ids."""
    asked = (task.uri, json.dumps(task.options, sort_keys=True), task.key)
    if getattr(_LAST, "asked", None) != asked:
        _LAST.asked = _LAST.source = None
        _LAST.source = open_source(task.uri, **task.options)
        _LAST.asked = asked
    return cast("RowSource", _LAST.source)


def _prepared(source: RowSource, part: int, parts: int) -> Iterator[Batch]:
    """The batches of a shard; images are brought to the size that they are looked at in."""
    if source.modality != "image":
        yield from source.batches(_BATCH, shard=(part, parts))
        return
    from mithridate.evidence.image.canvas import at_once, canvas_shape, on_canvas

    shape = canvas_shape(source)
    for batch in source.batches(at_once(source), shard=(part, parts)):
        yield batch if shape is None else on_canvas(batch, shape)


class Shards:
    """The shards of a data set in one place.

    Args:
        source: the data; not in memory.
        place: folder or URI, see `Shelf`.

    Raises:
        UsageError: data in memory or at an address, or a place that cannot be used.
    """

    def __init__(self, source: RowSource, place: str) -> None:
        if source.uri == MEMORY or is_uri(source.uri):
            got = "data in memory" if source.uri == MEMORY else source.uri
            remedy = "Write it to a disk that all workers see, or leave shards out."
            raise UsageError("data that workers can open by a path", got, "shards", remedy)
        self._source, self._shelf, self._key = source, Shelf(place), _key(source)
        self._where = shown_uri(place) if is_uri(place) else place

    def task(self, part: int, parts: int) -> ShardTask:
        """To be carried out by `read_shard`.

        Raises:
            UsageError: no such shard.
        """
        if not 0 <= part < parts <= max(self._source.count, 1):
            expected = f"0/N to N-1/N, with N at most {self._source.count:,} samples"
            raise UsageError(expected, f"{part}/{parts}", "shard", "Name another shard.")
        return ShardTask(
            uri=_anywhere(self._source.uri), options=dict(self._source.options), key=self._key, part=part,
            parts=parts, place=_anywhere(self._shelf.place),
        )  # fmt: skip

    def missing(self, parts: int) -> list[int]:
        """Shards that are not there yet."""
        there = self._shelf.names()
        return [part for part in range(parts) if _name(self._key, part, parts) not in there]

    def read(self, parts: int, engine: Engine, progress: Callable[[str, int, int | None], None]) -> Spool:
        """Have all shards read that are not there yet.

        Args:
            parts: shards.
            engine: has them read.
            progress: told (stage, shards done, shards).
        """
        left = [self.task(part, parts) for part in self.missing(parts)]
        progress("reading", parts - len(left), parts)
        for done, _ in enumerate(engine.run(read_shard, left), parts - len(left) + 1):
            progress("reading", done, parts)
        return self._opened(parts)

    def merged(self) -> Spool:
        """All shards, which others have read.

        Raises:
            UsageError: some are missing, or there are none of this data.
        """
        found = [
            name for name in self._shelf.names() if name.startswith(self._key) and name.endswith(_SUFFIX)
        ]
        counts = {int(name.removesuffix(_SUFFIX).rsplit("-", 1)[1]) for name in found}
        whole = [parts for parts in sorted(counts) if not self.missing(parts)]
        if whole:
            return self._opened(whole[0])
        if not counts:
            got = "none of this data as it is now"
            remedy = "Read them first: `mithridate audit DATA --shard 0/N --shards-at PLACE`, with the same options."
            raise UsageError("shards", got, self._where, remedy)
        parts = max(counts, key=lambda n: n - len(self.missing(n)))
        left = self.missing(parts)
        named = ", ".join(f"{part}/{parts}" for part in left[:5]) + (" …" if len(left) > 5 else "")
        raise UsageError(f"{parts} shards", f"{len(left)} missing: {named}", self._where, "Read these, too.")

    def _opened(self, parts: int) -> Spool:
        names = [_name(self._key, part, parts) for part in range(parts)]
        where = self._where.rstrip("/")
        return Spool(self._source, [(f"{where}/{name}", self._shelf.opens(name)) for name in names])


def _key(source: RowSource) -> str:
    """Names the data, unread: its files and how they are read, and the version that reads them."""
    told = [
        files_stamp(source.files()),
        source.modality,
        source.count,
        source.options,
        mithridate.__version__,
    ]
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=12).hexdigest()


def _anywhere(place: str) -> str:
    """For workers that run in another folder."""
    return place if "://" in place else str(Path(place).absolute())


def _name(key: str, part: int, parts: int) -> str:
    return f"{key}-{part}-{parts}{_SUFFIX}"
