"""A changed copy of Arrow files: file by file, and beside them what is told of the columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mithridate.sources.arrow_files import STATE, ArrowFiles
from mithridate.sources.write_cells import CellEdits, edited, edited_schema

__all__ = ["write_arrow"]

_INFO = "dataset_info.json"


def write_arrow(file: ArrowFiles, path: Path, edits: CellEdits, promoted: Mapping[str, Any]) -> int:
    """Write the copy as streams, which `datasets` opens with load_from_disk.

    Args:
        file: what is copied.
        path: the new file; a folder for a folder.
        edits: what changes.
        promoted: {column: type} of columns that could not hold a new value.

    Returns:
        Number of rows written.
    """
    first, written = 0, 0
    for part, rows in zip(file.files, file.spans, strict=True):
        target = path / part.name if file.path.is_dir() else path
        written += _write_part(file, target, (first, first + rows), edits, promoted)
        first += rows
    if file.path.is_dir():
        _write_about(file.path, path)
    return written


def _write_part(
    file: ArrowFiles, target: Path, span: tuple[int, int], edits: CellEdits, promoted: Mapping[str, Any]
) -> int:
    import pyarrow as pa

    schema = edited_schema(file.table.schema, edits, promoted)
    written = 0
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for chunk in file.chunks(list(file.types), *span):
            table = edited(chunk, edits, schema)
            writer.write_table(table, max_chunksize=1000)
            written += table.num_rows
    return written


def _write_about(old: Path, new: Path) -> None:
    if (old / _INFO).is_file():
        told = json.loads((old / _INFO).read_text(encoding="utf-8"))
        for count in ("splits", "download_size", "dataset_size", "size_in_bytes"):
            told.pop(count, None)  # of the original
        (new / _INFO).write_text(json.dumps(told, indent=2), encoding="utf-8")
    if (old / STATE).is_file():
        state = json.loads((old / STATE).read_text(encoding="utf-8"))
        # `datasets` keeps what it computed under the fingerprint: the copy must not go by that of the original
        state["_fingerprint"] = f"{state.get('_fingerprint', '')}-copy"[-64:]
        (new / STATE).write_text(json.dumps(state, indent=2), encoding="utf-8")
