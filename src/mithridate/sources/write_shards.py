"""A changed copy of tar archives: untouched members byte by byte, with their headers; nothing is extracted."""

from __future__ import annotations

import bz2
import gzip
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mithridate.core.errors import ItemError
from mithridate.sources.edits import Edits
from mithridate.sources.shard_layout import Role, parsed
from mithridate.sources.shards import Shard, TarShards
from mithridate.sources.tape import TAR_PACKED, Member, Samples, Tape

__all__ = ["write_shards"]

_BLOCK = 512
_RECORD = 20 * _BLOCK
_STEP = 4 << 20


def write_shards(source: TarShards, path: Path, edits: Edits) -> int:
    """Write the copy, packed as the original is.

    Args:
        source: what is copied.
        path: the new archive; a folder for several.
        edits: what changes. All members of a dropped sample are left out. What lies behind the damage of a damaged
            archive is lost.

    Returns:
        Number of samples written.
    """
    written = 0
    for shard in source.shards:
        target = path if source.root is None else path / shard.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with _packed(target, shard.path) as stream:
            written += _Copy(source=source, shard=shard, edits=edits, stream=stream).write()
    return written


@contextmanager
def _packed(path: Path, like: Path) -> Iterator[IO[bytes]]:
    """A stream that packs as the original is packed; without a date: equal members make equal bytes."""
    packing = TAR_PACKED.get(like.suffix.lower())
    with path.open("wb") as plain:
        if packing is None:
            yield plain
        elif packing == "gzip":
            with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0, compresslevel=6) as packed:
                yield packed  # type: ignore[misc]
        elif packing == "bz2":
            with bz2.BZ2File(plain, "wb") as squeezed:
                yield squeezed
        else:
            import pyarrow as pa

            with pa.CompressedOutputStream(plain, packing) as pressed:
                yield pressed


@dataclass(kw_only=True, eq=False)
class _Copy:
    """One archive on its way into another."""

    source: TarShards
    shard: Shard
    edits: Edits
    stream: IO[bytes]

    def __post_init__(self) -> None:
        self.names = self.source.names_of(self.shard)

    def write(self) -> int:
        """Write it; returns the number of samples."""
        samples, place = Samples(), {key: k for k, key in enumerate(self.shard.keys)}
        done, total = 0, 0
        # one tape goes from header to header, the other after it from content to content: neither goes back
        with Tape(self.shard.path) as headers, Tape(self.shard.path) as contents:
            try:
                for member in headers.members():
                    total += self._through(contents, done, member.start)  # headers for all that follow
                    found = samples.of(member.name)
                    at = None if found is None or member.info.isdir() else place.get(found[0])
                    total += self._member(contents, member, "" if found is None else found[1], at)
                    done = member.end
            except tarfile.ReadError:
                pass  # told when it was opened; what was before it is there
        end = 2 * _BLOCK
        self.stream.write(b"\0" * (end + -(total + end) % _RECORD))
        return sum(name not in self.edits.drop for name in self.names)

    def _member(self, tape: Tape, member: Member, suffix: str, at: int | None) -> int:
        if at is None:
            return self._through(tape, member.start, member.end)
        name = self.names[at]
        if name in self.edits.drop:
            return 0
        label = self.source.layout.label
        new: bytes | None = None
        if member.data == self.shard.at[at] and at not in self.shard.refused:
            new = self._content(tape, member, name)
        added = b""
        if label is not None and name in self.edits.relabel:
            if suffix == label.suffix:
                old = tape.content(member.data, member.size) if new is None else new
                new = _relabelled(label, old, self.edits.relabel[name])
                if new is None:
                    return 0
            elif member.data == self.shard.at[at] and self.shard.labels[at] is None and label.key is None:
                added = self._new_label(member, label, self.edits.relabel[name])
        if new is None:
            return self._through(tape, member.start, member.end) + self.stream.write(added)
        return self.stream.write(_written(member.info, new, self._renamed(member)) + added)

    def _content(self, tape: Tape, member: Member, name: str) -> bytes | None:
        """New content, None for no change. What cannot be read is not changed, and not lost."""
        source, form = self.source, self.edits.encode
        old: list[bytes] = []

        def raw() -> Any:
            old.append(tape.content(member.data, member.size))
            return source.layout.decode(old[0], name, source.limits)[0]

        try:
            new = self.edits.raw(name, raw)
            if new is None and form is not None:
                new = raw()
        except ItemError:
            return None
        if new is None:
            return None
        if form is not None:
            return source.medium.encode(new, form[0].upper(), form[1])
        return source.layout.encode(new, old[0] if old else tape.content(member.data, member.size))

    def _renamed(self, member: Member) -> str:
        """The name of a changed member: with another suffix where the new encoding has another."""
        if self.edits.encode is None or not self._is_content(member):
            return member.info.name
        path, fits = PurePosixPath(member.info.name), self.source.medium.formats[self.edits.encode[0].upper()]
        return member.info.name if path.suffix.lower() in fits else str(path.with_suffix(fits[0]))

    def _is_content(self, member: Member) -> bool:
        return (
            self.source.layout.rank(member.info.name.rpartition("/")[2].partition(".")[2].lower()) is not None
        )

    def _new_label(self, member: Member, role: Role, label: str | None) -> bytes:
        """A member that says the label, for a sample that had none."""
        if label is None:
            return b""
        folder, slash, file = member.info.name.rpartition("/")
        return _written(member.info, label.encode(), f"{folder}{slash}{file.split('.')[0]}.{role.suffix}")

    def _through(self, tape: Tape, start: int, stop: int) -> int:
        """Copy these bytes."""
        for at in range(start, stop, _STEP):
            self.stream.write(tape.content(at, min(_STEP, stop - at)))
        return max(0, stop - start)


def _relabelled(role: Role, old: bytes, label: str | None) -> bytes | None:
    """The bytes of a member with another label; None for a member that is left out."""
    if role.key is None:
        return None if label is None else label.encode()
    told = parsed(old)
    was = told.get(role.key)
    new: str | int | None = label
    if (
        isinstance(was, int)
        and not isinstance(was, bool)
        and label is not None
        and label.isascii()
        and label.isdigit()
    ):
        new = int(label)
    return json.dumps(told | {role.key: new}, ensure_ascii=False).encode()


def _written(info: tarfile.TarInfo, data: bytes, name: str) -> bytes:
    """Headers, content and padding of a changed member."""
    new = copy(info)
    new.name, new.size = name, len(data)
    new.pax_headers = {k: v for k, v in info.pax_headers.items() if k not in ("size", "path")}
    head = new.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return head + data + b"\0" * (-len(data) % _BLOCK)
