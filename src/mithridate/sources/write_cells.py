"""Changes of cells, and how Arrow tables take them: types stay unless they cannot hold a new value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mithridate.sources.frames import Chunk, FrameFile

__all__ = ["CellEdits", "edited", "edited_schema", "promoted_types"]


@dataclass(frozen=True, kw_only=True)
class CellEdits:
    """Changes by row.

    Attributes:
        drop: rows to leave out.
        cells: {row: {column: new value}}.
        relabel: {row: new label}, None for no label.
        label: the label column, or None.
    """

    drop: frozenset[int]
    cells: Mapping[int, Mapping[str, Any]]
    relabel: Mapping[int, str | None]
    label: str | None


def edited_schema(schema: Any, edits: CellEdits, promoted: Mapping[str, Any]) -> Any:
    """The schema of the copy: the same, but for columns that could not hold a new value."""
    import pyarrow as pa

    emptied = {name for cells in edits.cells.values() for name, value in cells.items() if value is None}
    fields = [
        pa.field(f.name, promoted.get(f.name, f.type), f.nullable or f.name in emptied, f.metadata)
        for f in schema
    ]
    return pa.schema(fields, schema.metadata)


def edited(chunk: Chunk, edits: CellEdits, schema: Any) -> Any:
    """The rows of a chunk as the copy has them."""
    import pyarrow as pa

    rows = chunk.rows.tolist()
    changes: dict[str, dict[int, Any]] = {}
    for at, row in enumerate(rows):
        for name, value in edits.cells.get(row, {}).items():
            changes.setdefault(name, {})[at] = value
        if row in edits.relabel and edits.label is not None:
            kind = schema.field(edits.label).type
            changes.setdefault(edits.label, {})[at] = _held(edits.relabel[row], kind)
    columns = []
    for field in schema:
        column = chunk.table.column(field.name)
        if field.name in changes:
            values = column.cast(field.type).to_pylist() if column.type != field.type else column.to_pylist()
            for at, value in changes[field.name].items():
                values[at] = str(value) if _is_text(field.type) and value is not None else value
            column = _array(values, field.type)
        columns.append(column if column.type == field.type else column.cast(field.type))
    table = pa.table(columns, schema=schema)
    kept = [at for at, row in enumerate(rows) if row not in edits.drop]
    return table if len(kept) == len(rows) else table.take(pa.array(kept, pa.int64()))


def _array(values: list[Any], kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return "string" in str(kind) and not pa.types.is_nested(kind)


def _held(label: str | None, kind: Any) -> Any:
    """A label as a value of this type.

    Raises:
        ValueError: the type cannot hold it.
    """
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if label is None or _is_text(kind):
        return label
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[label]
    if pa.types.is_integer(kind):
        return int(label)
    return float(label) if pa.types.is_floating(kind) else pa.array([label]).cast(kind)[0].as_py()


def promoted_types(file: FrameFile, edits: CellEdits) -> dict[str, Any]:
    """Columns whose type cannot hold a new value, and the type that can."""
    import pyarrow as pa

    values: dict[str, list[Any]] = {}
    for cells in edits.cells.values():
        for name, value in cells.items():
            values.setdefault(name, []).append(value)
    promoted = {name: _holding(new, file.types[name]) for name, new in values.items()}
    if edits.label is not None and edits.relabel:
        kind = file.types[edits.label]
        try:
            pa.array([_held(label, kind) for label in edits.relabel.values()], _plain_type(kind))
        except (ValueError, KeyError, OverflowError, pa.ArrowException):
            promoted[edits.label] = pa.string()
    return {name: kind for name, kind in promoted.items() if kind is not None}


def _plain_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _holding(values: list[Any], kind: Any) -> Any:
    """None when the type holds the values; else float64 for numbers, string for all others."""
    import pyarrow as pa

    tries: list[tuple[Any, Callable[[Any], Any] | None]] = [(_plain_type(kind), None), (pa.float64(), float)]
    for candidate, convert in tries:
        if _is_text(candidate):
            return None
        try:
            held = pa.array([v if v is None or convert is None else convert(v) for v in values], candidate)
        except (ValueError, TypeError, OverflowError, pa.ArrowException):
            continue
        if held.to_pylist() == list(values) or pa.types.is_floating(candidate):
            return None if convert is None else candidate
    return pa.string()
