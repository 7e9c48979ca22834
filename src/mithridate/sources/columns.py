"""Texts and tables: which columns of a frame are content, and which say what a sample is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.batch import BadItem, Batch
from mithridate.core.errors import SourceError
from mithridate.sources.array_rows import numbered
from mithridate.sources.base import RowSource, quote
from mithridate.sources.class_names import class_names
from mithridate.sources.digest import sealed
from mithridate.sources.frames import Chunk, FrameFile
from mithridate.sources.labels import column_text
from mithridate.sources.limits import Limits
from mithridate.sources.row_index import RowIndex

__all__ = ["JOINT", "ColumnSource", "Roles", "require", "spread"]

#: What joins the texts of several columns.
JOINT = "\n"
_LABELS = frozenset({"class", "label", "labels", "target", "y"})


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns are for.

    Attributes:
        label: the column to predict, or None.
        id: the column that names a sample, or None for the row number.
        source: the column that says where a sample came from, or None.
        text: the columns whose text is the sample, joined by a line end; empty for a table.
        features: the columns of a table; empty for text.
    """

    label: str | None
    id: str | None
    source: str | None
    text: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """All columns that are read, each once."""
        named = [c for c in (self.label, self.id, self.source) if c is not None]
        return list(dict.fromkeys([*named, *self.text, *self.features]))


def require(column: str | None, role: str, file: FrameFile) -> None:
    """Refuse a column that is not there.

    Raises:
        SourceError: listing the columns there are.
    """
    if column is not None and column not in file.types:
        raise SourceError(
            f"a column {column!r} ({role})",
            f"columns {quote(file.types, 40)}",
            file.uri,
            "Name one of these.",
        )


class ColumnSource(RowSource):
    """Samples that are rows of a frame.

    Args:
        file: the rows.
        roles: what the columns are for.
        options: see `RowSource`.
        limits: what one item may cost.

    Attributes:
        classes: names of the labels where the file holds their numbers, in that order; else empty.

    Raises:
        SourceError: ids that are not unique.
    """

    def __init__(self, *, file: FrameFile, roles: Roles, options: dict[str, Any], limits: Limits) -> None:
        self.file, self.roles, self.options, self.limits = file, roles, options, limits
        self.uri, self.count, self.seekable = file.uri, file.count, file.seekable
        self._content: str | None = None
        self.classes = class_names(file).get(roles.label or "", ())
        self.modality = "text" if roles.text else "table"
        unread = [c for c in file.types if c not in roles.columns]
        if unread:
            self.notes += (f"columns that were not read: {quote(unread, 40)}",)
        likely = [c for c in file.types if c.lower() in _LABELS and roles.label is None]
        if likely:
            self.notes += (f"no column was named as the label; perhaps it is {quote(likely, 3)}",)
        self._index = None if roles.id is None else self._indexed(roles.id)

    @property
    def digest(self) -> str:
        """Digest of the file, and of how it is read."""
        if self._content is None:
            self._content = self.file.digest()
        return sealed(self._content, self.options)

    def iter_ids(self) -> Iterator[str]:
        """Yield the ids in order; a row that cannot be read, or has no id, goes by "row 17"."""
        if self.roles.id is None:
            yield from (str(i) for i in range(self.count))
            return
        for chunk in self.file.chunks([self.roles.id], 0, self.count):
            ids = column_text(chunk.table.column(self.roles.id))
            named = (name or f"row {row}" for row, name in zip(chunk.rows.tolist(), ids, strict=True))
            if chunk.bad:
                names = dict(zip(chunk.rows.tolist(), named, strict=True))
                names |= {row: f"row {row}" for row, _ in chunk.bad}
                named = (names[row] for row in sorted(names))
            yield from named

    def _named(self, labels: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Labels by the names that the file has for its numbers; a number below 0 stands for no label."""
        if not self.classes:
            return labels
        known = {str(number): name for number, name in enumerate(self.classes)}
        return tuple(None if n is None or n.startswith("-") else known.get(n, n) for n in labels)

    def _indexed(self, column: str) -> RowIndex:
        index = RowIndex(self.iter_ids)
        twice = index.repeated()
        if twice:
            raise SourceError(
                "unique ids",
                f"{len(twice)} ids that occur more than once: {quote(twice)}",
                f"{self.uri}, column {column!r}",
                "Name another id column, or none: then the row number is the id.",
            )
        return index

    def _locate(self, ids: Sequence[str]) -> dict[str, int]:
        return numbered(ids, self.count) if self._index is None else self._index.rows(ids)

    def _read(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        low, pieces = start, list[Chunk]()
        for chunk in self.file.chunks(self.roles.columns, start, stop):
            end = max(int(chunk.rows[-1]) if len(chunk.rows) else -1, chunk.bad[-1][0] if chunk.bad else -1)
            while low <= end:
                high = min(low + size, stop)
                pieces.append(_between(chunk, low, high))
                if end < high - 1:
                    break
                yield self._batch(pieces)
                low, pieces = high, []
        if pieces:
            yield self._batch(pieces)

    def _raw(self, table: Any) -> Any:
        """The content of these rows."""
        return _texts(table, self.roles.text) if self.roles.text else table.select(list(self.roles.features))

    def _batch(self, pieces: list[Chunk]) -> Batch:
        import pyarrow as pa

        roles = self.roles
        table = pa.concat_tables([p.table for p in pieces]) if len(pieces) > 1 else pieces[0].table
        rows = np.concatenate([p.rows for p in pieces])
        name = str if roles.id is None else "row {}".format
        bad = [BadItem(id=name(row), reason=reason) for p in pieces for row, reason in p.bad]
        ids: tuple[str | None, ...] = tuple(str(r) for r in rows)
        if roles.id is not None:
            ids = column_text(table.column(roles.id))
            if None in ids:
                bad += [
                    BadItem(id=name(r), reason="has no id")
                    for r, i in zip(rows, ids, strict=True)
                    if i is None
                ]
                kept = np.array([k for k, i in enumerate(ids) if i is not None], dtype=np.int64)
                rows, table, ids = rows[kept], table.take(kept), tuple(ids[k] for k in kept)
        return Batch(
            ids=tuple(i or "" for i in ids),
            rows=rows,
            modality=self.modality,
            raw=self._raw(table),
            labels=None if roles.label is None else self._named(column_text(table.column(roles.label))),
            sources=None
            if roles.source is None
            else tuple(s or "" for s in column_text(table.column(roles.source))),
            bad=tuple(bad),
        )


def spread(text: str, old: Sequence[str]) -> list[str]:
    """Texts that join to `text`, as many as possible of the `old` ones unchanged."""
    for changed in range(len(old) - 1, -1, -1):
        before = "".join(p + JOINT for p in old[:changed] if p)
        after = "".join(JOINT + p for p in old[changed + 1 :] if p)
        if text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after):
            new = text[len(before) : len(text) - len(after)]
            return [*old[:changed], new, *old[changed + 1 :]]
    return [text, *[""] * (len(old) - 1)]


def _between(chunk: Chunk, low: int, high: int) -> Chunk:
    first, last = np.searchsorted(chunk.rows, [low, high])
    return Chunk(
        rows=chunk.rows[first:last],
        table=chunk.table.slice(first, last - first),
        bad=tuple(b for b in chunk.bad if low <= b[0] < high),
    )


def _texts(table: Any, columns: Sequence[str]) -> list[str]:
    parts = [_strings(table.column(c)) for c in columns]
    if len(parts) == 1:
        return parts[0]
    return [JOINT.join(p for p in row if p) for row in zip(*parts, strict=True)]


def _strings(column: Any) -> list[str]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return [v or "" for v in column_text(column)]
    return [v or "" for v in column.to_pylist()]
