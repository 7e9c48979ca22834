"""A changed copy of rows and columns, in the format they came in."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mithridate.core.errors import UsageError
from mithridate.sources.arrow_files import ArrowFiles
from mithridate.sources.base import quote
from mithridate.sources.chat import ChatSource
from mithridate.sources.columns import ColumnSource, spread
from mithridate.sources.delimited import DelimitedFile
from mithridate.sources.edits import Edits
from mithridate.sources.frames import Chunk, FrameFile
from mithridate.sources.jsonl import JsonLines
from mithridate.sources.labels import column_text, label_text
from mithridate.sources.media_column import MediaColumn
from mithridate.sources.parquet import ParquetFiles
from mithridate.sources.write_cells import CellEdits, edited, edited_schema, promoted_types

__all__ = ["changed_raws", "write_rows"]


def write_rows(source: ColumnSource, path: Path, edits: Edits) -> int:
    """Write the copy.

    Args:
        source: rows of a CSV, Parquet or JSONL file, or of memory (written as Parquet).
        path: the new file; a folder for a folder of Parquet files.
        edits: what changes.

    Returns:
        Number of rows written. Rows of a CSV file that cannot be read are left out; broken JSONL lines stay.
    """
    rows = source._locate(sorted(edits.drop | edits.relabel.keys()))
    planned = CellEdits(
        drop=frozenset(rows[i] for i in edits.drop),
        cells=_cells(source, changed_raws(source, edits)),
        relabel={rows[i]: _numbered(source, label) for i, label in edits.relabel.items()},
        label=source.roles.label,
    )
    if isinstance(source.file, DelimitedFile):
        return _write_delimited(source.file, path, planned)
    if isinstance(source.file, JsonLines):
        return _write_lines(source.file, path, planned)
    if isinstance(source.file, ArrowFiles):
        from mithridate.sources.write_arrow import write_arrow

        return write_arrow(source.file, path, planned, promoted_types(source.file, planned))
    return _write_parquet(source.file, path, planned)


def _numbered(source: ColumnSource, label: str | None) -> str | None:
    """A label as the file holds it: where it has names for numbers, the number.

    Raises:
        UsageError: the file has no such name.
    """
    if label is None or not source.classes:
        return label
    if label not in source.classes:
        want = f"one of the classes that the data name: {quote(source.classes, 20)}"
        raise UsageError(want, repr(label), source.uri, "Choose one of these.")
    return str(source.classes.index(label))


def changed_raws(source: ColumnSource, edits: Edits) -> dict[int, Any]:
    """{row: new raw} of the samples whose content changes; a function is asked about every sample."""
    if edits.replace is None:
        return {}
    if isinstance(edits.replace, Mapping):
        rows = source._locate(sorted(edits.replace))
        return {rows[i]: new for i, new in edits.replace.items()}
    changed = {}
    for batch in source.batches(1024):
        raws = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
        for row, id_, raw in zip(batch.rows, batch.ids, raws, strict=True):
            new = edits.replace(id_, dict(raw) if isinstance(raw, dict) else raw)
            if new is not None and (isinstance(source, MediaColumn) or new != raw):
                changed[int(row)] = new
    return changed


def _chat_cells(source: ChatSource, raws: Mapping[int, Any]) -> dict[int, Mapping[str, Any]]:
    """New cells from new exchanges, in the form of the old ones."""
    found: dict[int, Mapping[str, Any]] = {}
    columns = source.chat.columns
    for chunk in source.file.chunks(columns, 0, source.count) if raws else ():
        for at, row in enumerate(chunk.rows.tolist()):
            if row in raws:
                old = {c: chunk.table.column(c)[at].as_py() for c in columns}
                found[row] = source.chat.changed(old, raws[row])
    return found


def _cells(source: ColumnSource, raws: Mapping[int, Any]) -> dict[int, Mapping[str, Any]]:
    """New cells from new raws; a text that several columns made is put back where it changed."""
    if isinstance(source, MediaColumn):
        return _files(source, raws)
    columns = source.roles.text
    if isinstance(source, ChatSource):
        return _chat_cells(source, raws)
    cells: dict[int, Mapping[str, Any]] = {row: raw for row, raw in raws.items() if isinstance(raw, Mapping)}
    texts = {row: str(raw) for row, raw in raws.items() if row not in cells}
    if len(columns) == 1:
        return cells | {row: {columns[0]: text} for row, text in texts.items()}
    for chunk in source.file.chunks(columns, 0, source.count) if texts else ():
        for at, row in enumerate(chunk.rows):
            if int(row) in texts:
                old = [chunk.table.column(c)[at].as_py() or "" for c in columns]
                cells[int(row)] = dict(zip(columns, spread(texts[int(row)], old), strict=True))
    return cells


def _files(source: MediaColumn, raws: Mapping[int, Any]) -> dict[int, Mapping[str, Any]]:
    """New cells with pictures or sounds, encoded as the old ones are."""
    cells: dict[int, Mapping[str, Any]] = {}
    chunks = source.file.chunks([source.column], min(raws), max(raws) + 1) if raws else iter(())
    for chunk in chunks:
        for at, row in enumerate(chunk.rows.tolist()):
            if row in raws:
                old = chunk.table.column(source.column)[at].as_py()
                new = source.medium.alike(raws[row], source.content(old, f"row {row}"))
                cells[row] = {source.column: old | {"bytes": new} if isinstance(old, dict) else new}
    return cells


@contextmanager
def _packed(path: Path, like: Path) -> Iterator[IO[bytes]]:
    """A stream that packs as the suffix of `like` says; without a date: equal rows make equal bytes."""
    with path.open("wb") as plain:
        if like.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0, compresslevel=6) as packed:
                yield packed  # type: ignore[misc]
        elif like.suffix == ".bz2":
            with bz2.BZ2File(plain, "wb") as squeezed:
                yield squeezed
        else:
            yield plain


def _write_delimited(file: DelimitedFile, path: Path, edits: CellEdits) -> int:
    names = list(file.types)
    at = {name: k for k, name in enumerate(names)}
    shown = _shown_labels(file, edits)
    encoding, written = _encoding(file, edits), 0
    with _packed(path, _target_name(path)) as stream:
        lines = csv.writer(_Encoder(stream, encoding), delimiter=file.separator, lineterminator="\n")
        lines.writerow(names)
        for chunk in file.raw_chunks():
            for row, found in zip(chunk.rows.tolist(), zip(*_lists(chunk), strict=True), strict=True):
                cells: list[Any] = list(found)
                if row in edits.drop:
                    continue
                if row in edits.cells or row in edits.relabel:
                    for name, value in edits.cells.get(row, {}).items():
                        cells[at[name]] = value if isinstance(value, str) else label_text(value) or ""
                    if row in edits.relabel and edits.label is not None:
                        cells[at[edits.label]] = shown.get(edits.relabel[row], edits.relabel[row] or "")
                lines.writerow(cells)
                written += 1
    return written


def _lists(chunk: Chunk) -> list[list[Any]]:
    return [column.to_pylist() for column in chunk.table.columns]


class _Encoder:
    """The write end that `csv.writer` needs over a stream of bytes."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream, self._encoding = stream, encoding

    def write(self, text: str) -> int:
        return self._stream.write(text.encode(self._encoding))


def _target_name(path: Path) -> Path:
    """The final name of a temporary file: `write` puts ".part" behind it."""
    return path.with_suffix("") if path.suffix == ".part" else path


def _encoding(file: DelimitedFile, edits: CellEdits) -> str:
    new = [v for cells in edits.cells.values() for v in cells.values()] + list(edits.relabel.values())
    try:
        "".join(v for v in new if isinstance(v, str)).encode(file.encoding)
    except UnicodeEncodeError:
        return "utf-8"
    return file.encoding


def _shown_labels(file: DelimitedFile, edits: CellEdits) -> dict[str | None, str]:
    """How a label is written in the file: "1" may stand there as "1.0"."""
    if edits.label is None or not edits.relabel:
        return {}
    shown: dict[str | None, str] = {}
    kind = file.types[edits.label]
    for chunk in file.raw_chunks():
        for cell in chunk.table.column(edits.label).unique().to_pylist():
            shown.setdefault(_typed_label(cell, kind), cell)
    return shown


def _typed_label(cell: str, kind: Any) -> str | None:
    import pyarrow as pa

    try:
        return column_text(pa.array([cell.strip()]).cast(kind))[0]
    except pa.ArrowInvalid:
        return None if not pa.types.is_string(kind) else label_text(cell)


def _write_lines(file: JsonLines, path: Path, edits: CellEdits) -> int:
    shown = _stored_labels(file, edits)
    written = 0
    with _packed(path, _target_name(path)) as stream:
        for row, line in enumerate(file.lines()):
            if row in edits.drop:
                continue
            if row in edits.cells or row in edits.relabel:
                parsed = _with_cells(file.parse(line), edits.cells.get(row, {}))
                if row in edits.relabel and edits.label is not None:
                    label = edits.relabel[row]
                    parsed[edits.label] = shown.get(label, label)
                line = json.dumps(parsed, ensure_ascii=False).encode("utf-8", "surrogatepass")
            stream.write(line.removesuffix(b"\r") + b"\n")
            written += 1
    return written


def _with_cells(parsed: dict[str, Any], cells: Mapping[str, Any]) -> dict[str, Any]:
    """An object with new cells; a nested value that was read as JSON text is put back nested."""
    for name, value in cells.items():
        nested = isinstance(value, str) and isinstance(parsed.get(name), list | dict)
        parsed[name] = json.loads(value) if nested else value
    return parsed


def _stored_labels(file: JsonLines, edits: CellEdits) -> dict[str | None, Any]:
    """How a label is stored in the file: "1" may be the number 1."""
    if edits.label is None or not edits.relabel:
        return {}
    stored: dict[str | None, Any] = {}
    wanted = set(edits.relabel.values())
    for line in file.lines():
        try:
            value = file.parse(line).get(edits.label)
        except ValueError:
            continue
        text = label_text(value)
        if text in wanted:
            stored.setdefault(text, value)
            if len(stored) == len(wanted):
                break
    return stored


def _write_parquet(file: FrameFile, path: Path, edits: CellEdits) -> int:
    promoted = promoted_types(file, edits)
    if not isinstance(file, ParquetFiles):
        import pyarrow as pa

        schema = pa.schema(list(file.types.items()), getattr(file, "metadata", None))
        return _write_table(
            path, schema, "snappy", file.chunks(list(file.types), 0, file.count), edits, promoted
        )
    if not file.path.is_dir():
        return _copy_parquet(file, file.path, path, edits, promoted)
    written = 0
    for part in file.files:
        target = path / part.relative_to(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        written += _copy_parquet(file, part, target, edits, promoted)
    return written


def _copy_parquet(
    file: ParquetFiles, part: Path, target: Path, edits: CellEdits, promoted: Mapping[str, Any]
) -> int:
    import pyarrow.parquet as pq

    about = pq.read_metadata(part)
    packing = (
        about.row_group(0).column(0).compression if about.num_row_groups and about.num_columns else "SNAPPY"
    )
    first, rows = file.span(part)
    chunks = file.chunks(list(file.types), first, first + rows)
    return _write_table(target, pq.read_schema(part), packing, chunks, edits, promoted)


def _write_table(
    path: Path,
    schema: Any,
    packing: str,
    chunks: Iterator[Chunk],
    edits: CellEdits,
    promoted: Mapping[str, Any],
) -> int:
    import pyarrow.parquet as pq

    target = edited_schema(schema, edits, promoted)
    packing = "none" if packing == "UNCOMPRESSED" else packing.lower()
    written = 0
    with pq.ParquetWriter(path, target, compression=packing) as writer:
        for chunk in chunks:
            table = edited(chunk, edits, target)
            writer.write_table(table)
            written += table.num_rows
    return written
