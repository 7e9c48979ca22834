"""Parquet: one file or a folder of files, read row group by row group."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.errors import SourceError
from mithridate.sources.base import quote
from mithridate.sources.digest import files_digest
from mithridate.sources.frames import Chunk, readable, refuse_twins

__all__ = ["ParquetFiles"]

_ROWS = 16384
_SPLIT = re.compile(r"(\w[\w.]*)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.parquet")
_BYTES = 64 << 20  # of one chunk, about; pictures may be in the cells


class ParquetFiles:
    """A `FrameFile` over Parquet files with one schema, in the order of their names.

    Args:
        path: a .parquet file or a folder that holds some.
        split: only files called SPLIT-00000-of-00002.parquet, as data sets of Hugging Face have them.

    Raises:
        SourceError: not Parquet, cut off, files with different schemas, or no such split.
    """

    seekable = True

    def __init__(self, path: Path, split: str | None = None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path, self.uri = path, str(path)
        self.files = sorted(_inside(path)) if path.is_dir() else [path]
        if split is not None:
            self.files = self._of(split)
        self._groups: list[tuple[Path, int, int, int]] = []  # file, group, first row, rows
        self.count = 0
        self.schema: Any = pa.schema([])
        self.metadata: Mapping[bytes, bytes] | None = None
        for file in self.files:
            try:
                about = pq.read_metadata(file)
                schema = pq.read_schema(file)
                self.metadata = self.metadata or schema.metadata
                self._enter(file, about, schema.remove_metadata())
            except SourceError:
                raise
            except Exception as error:  # Arrow raises several kinds on a damaged footer
                raise self._unreadable(file, error) from error
        self.types: Mapping[str, Any] = dict(zip(self.schema.names, self.schema.types, strict=True))

    def _of(self, split: str) -> list[Path]:
        of = {file: match.group(1) for file in self.files if (match := _SPLIT.fullmatch(file.name))}
        if split not in of.values():
            got = (
                f"splits {quote(sorted(set(of.values())), 20)}"
                if of
                else "no files that are named by a split"
            )
            want = f"files {split}-00000-of-….parquet"
            raise SourceError(want, got, self.uri, "Name another with --split (split=), or leave it out.")
        return [file for file in self.files if of.get(file) == split]

    def _enter(self, file: Path, about: Any, schema: Any) -> None:
        if not self.schema.names:
            refuse_twins(schema.names, str(file))
            self.schema = schema
        elif not schema.equals(self.schema):
            raise SourceError(
                "the same columns and types in all files",
                f"{schema.names}",
                str(file),
                "Write them with one schema.",
            )
        for group in range(about.num_row_groups):
            rows = about.row_group(group).num_rows
            self._groups.append((file, group, self.count, rows))
            self.count += rows

    def span(self, file: Path) -> tuple[int, int]:
        """(first row, rows) of one of the files."""
        groups = [(first, rows) for f, _, first, rows in self._groups if f == file]
        return (groups[0][0], sum(rows for _, rows in groups)) if groups else (0, 0)

    def digest(self) -> str:
        """Digest of names and bytes."""
        if not self.path.is_dir():
            return files_digest([("", self.path)])
        return files_digest((p.relative_to(self.path).as_posix(), p) for p in self.files)

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """See `FrameFile`."""
        for file, group, first, rows in self._groups:
            if first >= stop or first + rows <= start:
                continue
            row = first
            for table in self._group(file, group, columns):
                low, high = max(start - row, 0), min(stop - row, table.num_rows)
                if high > low:
                    yield self._chunk(file, row + low, table.slice(low, high - low))
                row += table.num_rows
                if row >= stop:
                    break

    def _chunk(self, file: Path, row: int, table: Any) -> Chunk:
        import pyarrow as pa

        try:
            return readable(np.arange(row, row + table.num_rows), table)
        except pa.ArrowException as error:
            raise self._unreadable(file, error) from error

    def _group(self, file: Path, group: int, columns: Sequence[str]) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # page by page: a group may be the whole file, and pictures may be in the cells
            with pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as opened:
                rows = _rows_at_once(opened.metadata.row_group(group))
                for block in opened.iter_batches(
                    batch_size=rows, row_groups=[group], columns=list(columns), use_threads=False
                ):
                    yield pa.Table.from_batches([block]).select(list(columns))
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(file, error) from error

    def _unreadable(self, file: Path, error: Exception) -> SourceError:
        return SourceError(
            "a complete Parquet file", str(error), str(file), "It may be cut off: copy it again."
        )


def _inside(folder: Path) -> Iterator[Path]:
    """The files of a folder.

    Raises:
        SourceError: one that leads nowhere, or would never end.
    """
    for path in folder.rglob("*.parquet"):
        if path.is_file():
            yield path
        elif not path.is_dir():
            got = "a link that leads nowhere" if path.is_symlink() else "no regular file"
            raise SourceError("Parquet files", got, str(path), "Fetch what it stands for, or remove it.")


def _rows_at_once(group: Any) -> int:
    """Rows of a chunk, so that it takes a bounded amount of memory.

    By the size of all columns: asking Arrow for that of one ends the process where its statistics are broken.
    """
    return max(1, min(_ROWS, _BYTES * int(group.num_rows) // max(1, int(group.total_byte_size))))
