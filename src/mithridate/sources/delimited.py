"""CSV and TSV, also compressed: typed from the whole file, streamed block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.errors import SourceError
from mithridate.sources.digest import files_digest
from mithridate.sources.frames import NULLS, Chunk, refuse_twins, sniff

__all__ = ["DelimitedFile"]

_BLOCK = 4 << 20
_MOST = 1 << 30


class DelimitedFile:
    """A `FrameFile` over a CSV or TSV file with a header line.

    Opening reads the file once, to count rows and to find a type for each column that holds throughout.
    A row with too many or too few cells is bad; a file that is not UTF-8 is read as Latin-1.

    Args:
        path: .csv or .tsv, also with .gz, .bz2 or .zst after it.
        as_text: columns that stay text whatever they look like (ids: "007" is not 7).

    Raises:
        SourceError: not readable as such a file.
    """

    seekable = False

    def __init__(self, path: Path, as_text: Sequence[str] = ()) -> None:
        self.path, self.uri, self._as_text = path, str(path), tuple(as_text)
        self.separator = "\t" if ".tsv" in "".join(path.suffixes[-2:]).lower() else ","
        self.encoding, self._block = "utf-8", _BLOCK
        self.types: Mapping[str, Any] = {}
        self.count = 0
        self._survey()

    def digest(self) -> str:
        """Digest of the bytes."""
        return files_digest([("", self.path)])

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """See `FrameFile`."""
        types = {name: self.types[name] for name in columns}
        return _window(self._stream(types, list(columns)), start, stop)

    def raw_chunks(self) -> Iterator[Chunk]:
        """Yield all rows with every cell as the text that stands in the file."""
        import pyarrow as pa

        return self._stream({name: pa.large_string() for name in self.types}, None)

    def _survey(self) -> None:
        import pyarrow as pa

        while True:
            try:
                self._survey_once()
                return
            except UnicodeDecodeError:
                self.encoding = "latin-1"
            except (pa.ArrowInvalid, OSError, EOFError) as error:
                if "straddling" in str(error) and self._block < _MOST:
                    self._block *= 8  # one row is longer than a block
                elif "UTF8" in str(error) and self.encoding == "utf-8":
                    self.encoding = "latin-1"
                else:
                    raise self._unreadable(error) from error

    def _survey_once(self) -> None:
        import pyarrow as pa

        found: dict[str, Any] = {}
        self.count = 0
        for chunk in self._stream(None, None):
            for field in chunk.table.schema:
                found.setdefault(field.name, None)
                if field.name not in self._as_text:
                    for part in chunk.table.column(field.name).chunks:
                        found[field.name] = sniff(part, found[field.name])
            self.count += len(chunk.rows) + len(chunk.bad)
        # a column without any value says nothing; as numbers, its cells are missing rather than an empty word
        default = {name: pa.string() if name in self._as_text else pa.float64() for name in found}
        self.types = {name: kind if kind is not None else default[name] for name, kind in found.items()}

    def _stream(self, types: Mapping[str, Any] | None, columns: list[str] | None) -> Iterator[Chunk]:
        """Yield the whole file in blocks; without types, all columns as text."""
        import pyarrow as pa
        from pyarrow import csv

        refused: list[tuple[int, str]] = []

        def refuse(row: Any) -> str:
            # rows are numbered from the header, which is 1
            want, have = row.expected_columns, row.actual_columns
            refused.append((row.number - 2, f"{have} cells, the header has {want}"))
            return "skip"

        if types is None:
            types = {name: pa.string() for name in self._header()}
        reader = csv.open_csv(
            self._bytes(),
            read_options=csv.ReadOptions(use_threads=False, block_size=self._block, encoding=self.encoding),
            parse_options=csv.ParseOptions(
                delimiter=self.separator, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=columns,
                null_values=list(NULLS),
                strings_can_be_null=False,
            ),
        )
        row = 0
        for block in reader:
            bad = _until(refused, row, block.num_rows)
            total = block.num_rows + len(bad)
            rows = np.setdiff1d(np.arange(row, row + total), [r for r, _ in bad], assume_unique=True)
            yield Chunk(rows=rows, table=pa.Table.from_batches([block]), bad=tuple(bad))
            row += total
        if refused:
            yield Chunk(rows=np.zeros(0, np.int64), table=reader.schema.empty_table(), bad=tuple(refused))

    def _bytes(self) -> Any:
        import pyarrow as pa

        return pa.input_stream(str(self.path), compression="detect", buffer_size=1 << 20)

    def _header(self) -> list[str]:
        from pyarrow import csv

        if self._bytes().read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError("text in UTF-8", "UTF-16", self.uri, "Save it again as CSV in UTF-8.")
        reader = csv.open_csv(
            self._bytes(),
            read_options=csv.ReadOptions(use_threads=False, block_size=self._block, encoding=self.encoding),
            parse_options=csv.ParseOptions(
                delimiter=self.separator, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
            ),
        )
        names: list[str] = reader.schema.names
        refuse_twins(names, self.uri)
        other = next((c for c in ";\t|" if len(names) == 1 and c in names[0]), None)
        if other is not None:  # as one column, all of a row would be its name
            want = f"columns separated by {'tabs' if self.separator == chr(9) else 'commas'}"
            remedy = "Write it again with commas, or with tabs as .tsv."
            raise SourceError(want, f"one column {names[0][:80]!r}", self.uri, remedy)
        return names

    def _unreadable(self, error: Exception) -> SourceError:
        return SourceError(
            "a CSV or TSV file with a header line",
            str(error),
            self.uri,
            "Is it complete, and of this format?",
        )


def _until(refused: list[tuple[int, str]], row: int, good: int) -> list[tuple[int, str]]:
    """Take from the front the refused rows that lie before or among the next `good` readable rows."""
    taken: list[tuple[int, str]] = []
    while refused and refused[0][0] < row + good + len(taken):
        taken.append(refused.pop(0))
    return taken


def _window(chunks: Iterator[Chunk], start: int, stop: int) -> Iterator[Chunk]:
    """The part of a pass that lies in rows start..stop-1."""
    for chunk in chunks:
        low, high = np.searchsorted(chunk.rows, [start, stop])
        bad = tuple(b for b in chunk.bad if start <= b[0] < stop)
        if high > low or bad:
            yield Chunk(rows=chunk.rows[low:high], table=chunk.table.slice(low, high - low), bad=bad)
        last = max([int(chunk.rows[-1])] if len(chunk.rows) else [], default=-1)
        if last >= stop - 1:
            return
