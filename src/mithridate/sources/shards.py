"""Tar archives in the way of WebDataset: members with the same key are one sample. Nothing is extracted."""

from __future__ import annotations

import tarfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.batch import BadItem, Batch
from mithridate.core.errors import ItemError, SourceError
from mithridate.sources.base import RowSource, arrange
from mithridate.sources.digest import files_digest, sealed
from mithridate.sources.limits import Limits
from mithridate.sources.shard_layout import Layout
from mithridate.sources.tape import Member, Samples, Tape

__all__ = ["Shard", "TarShards", "read_shard"]

_TOLD = 1 << 20  # most bytes of a member that says something about a sample


@dataclass(kw_only=True, eq=False)
class Shard:
    """What is in one archive, sample by sample.

    Attributes:
        path: the archive.
        name: its name in the data set.
        keys: of the samples.
        at: where the content of each sample begins; -1 where there is none.
        sizes: bytes of the content.
        labels: of each sample.
        sources: of each sample.
        refused: {sample: why it is not read}.
        damage: what is wrong with the archive itself; empty where nothing is.
    """

    path: Path
    name: str
    keys: list[str] = field(default_factory=list)
    at: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    labels: list[str | None] = field(default_factory=list)
    sources: list[str | None] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    damage: str = ""

    def __len__(self) -> int:
        return len(self.keys) + bool(self.damage)


class TarShards(RowSource):
    """Samples in tar archives, found by one look at the headers, read where they lie.

    A packed archive (.tar.gz, .tar.zst) is unpacked from its beginning whenever a pass starts or goes back.

    Args:
        uri: the archive, folder or pattern.
        paths: the archives, in order.
        root: what their names are relative to; None for a single one, whose samples go by their keys alone.
        layout: which member is what.
        options: see `RowSource`.
        limits: what one item may cost.

    Raises:
        SourceError: there is no sample in any of them.
        UsageError: a library that decodes them is missing.
    """

    def __init__(
        self,
        *,
        uri: str,
        paths: Sequence[Path],
        root: Path | None,
        layout: Layout,
        options: dict[str, Any],
        limits: Limits,
    ) -> None:
        layout.medium.ready()
        self.uri, self.layout, self.options, self.limits, self.root = uri, layout, options, limits, root
        self.modality, self.medium = layout.medium.modality, layout.medium
        names = [p.name if root is None else p.relative_to(root).as_posix() for p in paths]
        self.shards = [read_shard(p, name, layout, limits) for p, name in zip(paths, names, strict=True)]
        if not any(shard.keys for shard in self.shards):
            got = self.shards[0].damage or "no members whose names have a suffix"
            raise SourceError("tar archives with samples", got, uri, "Are these WebDataset shards?")
        self._firsts = np.cumsum([0, *(len(s) for s in self.shards)])
        self.count = int(self._firsts[-1])
        self.seekable = not any(p.suffix.lower() != ".tar" for p in paths)
        self.notes = layout.notes
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """Digest of the names and bytes of the archives, and of how they are read."""
        if self._digest is None:
            self._digest = sealed(files_digest(self.files()), self.options)
        return self._digest

    def files(self) -> Iterator[tuple[str, Path]]:
        """The archives."""
        alone = self.root is None
        yield from (("" if alone else s.name, s.path) for s in self.shards)

    @property
    def copy_suffixes(self) -> tuple[str, ...]:
        """What the name of a copy ends with; nothing for a folder of several archives."""
        name = self.shards[0].path.name.lower()
        return (
            ()
            if self.root is not None
            else (name[max(0, name.rfind(".tar")) :] if ".tar" in name else ".tgz",)
        )

    def iter_ids(self) -> Iterator[str]:
        """Yield the key of every sample, after the name of its archive where there are several."""
        for shard in self.shards:
            for at in range(len(shard)):
                yield self._id(shard, at)

    def names_of(self, shard: Shard) -> list[str]:
        """The ids of the samples in one archive."""
        return [self._id(shard, at) for at in range(len(shard.keys))]

    def _id(self, shard: Shard, at: int) -> str:
        if at == len(shard.keys):
            return shard.name
        return shard.keys[at] if self.root is None else f"{shard.name}/{shard.keys[at]}"

    def _read(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        tapes = _Tapes()
        try:
            for low in range(start, stop, size):
                yield self._batch(range(low, min(low + size, stop)), tapes)
        finally:
            tapes.close()

    def _gather(self, rows: Sequence[int]) -> Batch:
        tapes = _Tapes()
        try:
            return arrange([self._batch(sorted(set(rows)), tapes)], rows, self.modality)
        finally:
            tapes.close()

    def _batch(self, rows: Sequence[int], tapes: _Tapes) -> Batch:
        kept, decoded, bad = list[tuple[int, Shard, int]](), list[tuple[Any, Mapping[str, str]]](), []
        for row in rows:
            number = int(np.searchsorted(self._firsts, row, side="right")) - 1
            shard, at = self.shards[number], row - int(self._firsts[number])
            name = self._id(shard, at)
            try:
                decoded.append(self._content(shard, at, name, tapes))
                kept.append((row, shard, at))
            except ItemError as error:
                bad.append(BadItem(id=name, reason=error.reason))
        layout = self.layout
        return Batch(
            ids=tuple(self._id(shard, at) for _, shard, at in kept),
            rows=np.array([row for row, _, _ in kept], dtype=np.int64),
            modality=self.modality,
            raw=[raw for raw, _ in decoded],
            labels=None if layout.label is None else tuple(shard.labels[at] for _, shard, at in kept),
            sources=None
            if layout.source is None
            else tuple(shard.sources[at] or "" for _, shard, at in kept),
            bad=tuple(bad),
            metadata=tuple(said for _, said in decoded),
        )

    def _content(self, shard: Shard, at: int, name: str, tapes: _Tapes) -> tuple[Any, Mapping[str, str]]:
        if at == len(shard.keys):
            raise ItemError(name, f"{shard.damage}; {len(shard.keys):,} samples before that were read")
        if at in shard.refused:
            raise ItemError(name, shard.refused[at])
        if shard.at[at] < 0:
            raise ItemError(name, f"no {self.layout.wanted} member")
        data = tapes.content(shard, at, name)
        return self.layout.decode(data, name, self.limits)


class _Tapes:
    """The archive that is being read."""

    def __init__(self) -> None:
        self._tape: Tape | None = None

    def content(self, shard: Shard, at: int, name: str) -> bytes:
        import pyarrow as pa

        try:
            if self._tape is None or self._tape.path != shard.path:
                self.close()
                self._tape = Tape(shard.path)
            data = self._tape.content(shard.at[at], shard.sizes[at])
        except (OSError, pa.ArrowException) as error:
            raise ItemError(name, f"cannot be read: {error}") from error
        if len(data) < shard.sizes[at]:
            raise ItemError(name, "the archive has become shorter")
        return data

    def close(self) -> None:
        if self._tape is not None:
            self._tape.close()
        self._tape = None


def read_shard(path: Path, name: str, layout: Layout, limits: Limits) -> Shard:
    """Read the headers of an archive, and what its members say about samples.

    Args:
        path: the archive.
        name: its name in the data set.
        layout: which member is what.
        limits: most bytes of a member.
    """
    shard, samples, places = Shard(path=path, name=name), Samples(), dict[str, int]()
    ranks, rank_of = array("q"), cache(layout.rank)
    try:
        with Tape(path) as tape:
            for member in tape.members():
                found = samples.of(member.name)
                if found is None or member.info.isdir():
                    continue
                key, suffix = found
                place = places.setdefault(key, len(places))
                if place == len(shard.keys):
                    _begin(shard, key)
                    ranks.append(1 << 30)
                rank = rank_of(suffix)
                if rank is not None and rank < ranks[place]:
                    ranks[place] = rank
                    _enter(shard, place, member, limits)
                if suffix in layout.told:
                    _tell(shard, place, member, suffix, layout, tape)
    except (tarfile.ReadError, OSError) as error:
        shard.damage = str(error) or "cannot be read"
    return shard


def _begin(shard: Shard, key: str) -> None:
    shard.keys.append(key)
    shard.at.append(-1)
    shard.sizes.append(0)
    shard.labels.append(None)
    shard.sources.append(None)


def _enter(shard: Shard, place: int, member: Member, limits: Limits) -> None:
    """Take a member as the content of its sample."""
    reason = member.refused
    if not reason and member.size == 0:
        reason = "the member is empty (0 bytes)"
    elif not reason and member.size > limits.item_bytes:
        reason = f"{member.size:,} bytes, over the limit of {limits.item_bytes:,}"
    shard.at[place], shard.sizes[place] = member.data, member.size
    shard.refused.pop(place, None)
    if reason:
        shard.refused[place] = reason


def _tell(shard: Shard, place: int, member: Member, suffix: str, layout: Layout, tape: Tape) -> None:
    """Read what a small member says about its sample."""
    if member.refused or member.size > _TOLD:
        shard.refused[place] = f"its .{suffix} is {member.refused or f'over {_TOLD:,} bytes'}"
        return
    data = tape.content(member.data, member.size)
    tape.seek(member.data + member.size)
    for role, values in ((layout.label, shard.labels), (layout.source, shard.sources)):
        if role is None or role.suffix != suffix:
            continue
        try:
            values[place] = role.value(data)
        except ValueError as error:
            shard.refused[place] = f"its .{suffix} cannot be read: {error}"
