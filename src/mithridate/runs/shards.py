"""A data set larger than one machine: shards are read by workers, here or anywhere; one audit then looks at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.engines.spread import engine_of
from mithridate.evidence.shards import Shards, read_shard
from mithridate.sources.base import RowSource

__all__ = ["merged", "read_by_shards", "read_one"]

_SAMPLES, _MOST = 10_000, 4096


def read_by_shards(
    source: RowSource, engine: Any, shards: int | None, place: str, jobs: int,
    progress: Callable[[str, int, int | None], None],
) -> RowSource:  # fmt: skip
    """Have workers read a data set.

    Args:
        source: the data.
        engine: see `engines.spread`; threads when None.
        shards: how many; None takes one for each 10,000 samples.
        place: where shards are kept, see `sources.shelf`.
        jobs: threads or processes.
        progress: told (stage, shards done, shards).

    Returns:
        The same data, read from the shards.

    Raises:
        UsageError: data in memory, no such engine, or more shards than samples.
    """
    parts = min(max(source.count // _SAMPLES, 2), _MOST, max(source.count, 1)) if shards is None else shards
    if parts < 1:
        raise UsageError("1 shard or more", str(parts), "shards", "Take another number.")
    runner = engine_of("threads" if engine is None else engine, jobs)
    return Shards(source, place).read(parts, runner, progress)


def read_one(source: RowSource, part: int, parts: int, place: str) -> int:
    """Read one shard in this process, unless it is there.

    Args:
        source: the data.
        part: 0 <= part < parts.
        parts: shards.
        place: where shards are kept.

    Returns:
        Shards that are still missing.

    Raises:
        UsageError: no such shard, data in memory, or the place cannot be used.
    """
    shards = Shards(source, place)
    task = shards.task(part, parts)
    if part in shards.missing(parts):
        read_shard(task)
    return len(shards.missing(parts))


def merged(source: RowSource, place: str) -> RowSource:
    """A data set whose shards have all been read.

    Raises:
        UsageError: some are missing.
    """
    return Shards(source, place).merged()
