"""Pictures and sounds inside a column of a table: as bytes, or as Hugging Face stores them, {bytes, path}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.batch import BadItem, Batch
from mithridate.core.errors import ItemError
from mithridate.sources.base import arrange, stretches, take
from mithridate.sources.columns import ColumnSource, Roles
from mithridate.sources.decode import read_bytes
from mithridate.sources.frames import Chunk, FrameFile
from mithridate.sources.limits import Limits
from mithridate.sources.media import Medium, medium_of, medium_of_bytes

__all__ = ["MediaColumn", "holds_files", "medium_in"]

_PEEK = 256  # rows


class MediaColumn(ColumnSource):
    """Samples that are files in the cells of one column, decoded when they are asked for.

    Args:
        file: the rows.
        roles: what the columns are for; the column of files is the only feature.
        medium: what the files are.
        options: see `RowSource`.
        limits: what one item may cost.
        local: whether a cell without bytes may name a file on this machine. Only for objects that the caller made:
            a downloaded file must not choose what is read here.

    Raises:
        UsageError: a library that decodes them is missing.
    """

    def __init__(
        self,
        *,
        file: FrameFile,
        roles: Roles,
        medium: Medium,
        options: dict[str, Any],
        limits: Limits,
        local: bool = False,
    ) -> None:
        medium.ready()
        super().__init__(file=file, roles=roles, options=options, limits=limits)
        self.medium, self.modality, self._local = medium, medium.modality, local
        self.column = roles.features[0]

    def _gather(self, rows: Sequence[int]) -> Batch:
        # rows between those that are wanted are read and not decoded, which is what costs
        wanted, pieces = np.array(sorted(set(rows)), dtype=np.int64), []
        for low, high in stretches(wanted.tolist(), gap=4096):
            for chunk in self.file.chunks(self.roles.columns, low, high):
                at = np.flatnonzero(np.isin(chunk.rows, wanted))
                if len(at):
                    pieces.append(self._batch([Chunk(rows=chunk.rows[at], table=chunk.table.take(at))]))
        return arrange(pieces, rows, self.modality)

    def _batch(self, pieces: list[Chunk]) -> Batch:
        batch = super()._batch(pieces)
        kept, decoded, bad = [], [], []
        for at, (cell, item) in enumerate(zip(batch.raw.column(self.column), batch.ids, strict=True)):
            try:
                decoded.append(self.medium.decode(self.content(cell.as_py(), item), item, self.limits))
                kept.append(at)
            except ItemError as error:
                bad.append(BadItem(id=item, reason=error.reason))
        rest = take(replace(batch, modality="table"), np.array(kept, dtype=np.int64))
        return replace(
            rest,
            modality=self.medium.modality,
            raw=[raw for raw, _ in decoded],
            bad=(*batch.bad, *bad),
            metadata=tuple(said for _, said in decoded),
        )

    def content(self, cell: Any, item: str) -> bytes:
        """The bytes of the file in a cell.

        Raises:
            ItemError: none, or over the limit.
        """
        data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
        if data is None and path and self._local:
            return read_bytes(Path(path), item, self.limits)
        if data is None and path:
            raise ItemError(
                item, f"the column has no bytes for it, only the path {path!r}, which is not followed"
            )
        if not data:
            raise ItemError(item, "the cell is empty")
        if len(data) > self.limits.item_bytes:
            raise ItemError(item, f"{len(data):,} bytes, over the limit of {self.limits.item_bytes:,}")
        return bytes(data)


def holds_files(kind: Any) -> bool:
    """Whether a column of this Arrow type can hold files: bytes, or a struct with bytes in it."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    return _is_binary(kind)


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa

    tests = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in tests)


def medium_in(file: FrameFile, column: str) -> Medium | None:
    """What the first cells of a column hold: by their first bytes, else by the names of their files."""
    found: list[Medium | None] = []
    for chunk in file.chunks([column], 0, min(file.count, _PEEK)):
        for cell in chunk.table.column(column).to_pylist():
            content: Mapping[str, Any] = cell if isinstance(cell, dict) else {"bytes": cell}
            head, path = content.get("bytes") or b"", content.get("path") or ""
            if head or path:
                found.append(medium_of_bytes(head[:16]) or medium_of(path))
    media = [m for m in found if m is not None]
    # a broken one or two among them are bad items; a column that is mostly something else is no medium
    best = max(media, key=media.count, default=None)
    return best if best is not None and found.count(best) * 2 > len(found) else None
