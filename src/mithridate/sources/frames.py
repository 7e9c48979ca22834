"""What a file of rows and columns offers, whatever its format: typed chunks of any stretch of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError
from mithridate.sources.digest import table_digest

__all__ = ["NULLS", "Chunk", "FrameFile", "MemoryFrame", "readable", "refuse_twins", "sniff", "text_array"]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive rows.

    Attributes:
        rows: (b,) row numbers of the readable rows, ascending.
        table: pyarrow.Table with b rows.
        bad: (row, reason) of the unreadable ones between them.
    """

    rows: NDArray[np.int64]
    table: Any
    bad: tuple[tuple[int, str], ...] = ()


class FrameFile(Protocol):
    """Rows and columns.

    Attributes:
        uri: where it is.
        count: rows, unreadable ones included.
        types: {column: pyarrow type}.
        seekable: whether a stretch of rows can be read without reading all rows before it.
    """

    uri: str
    count: int
    types: Mapping[str, Any]
    seekable: bool

    def digest(self) -> str:
        """Digest of the bytes."""
        ...

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """Yield rows start..stop-1 of these columns, in order, in chunks of bounded size."""
        ...


def readable(rows: NDArray[np.int64], table: Any) -> Chunk:
    """Rows of a file that may be broken: those with a text that is no UTF-8 are bad, the others go on.

    Args:
        rows: (b,) their numbers.
        table: pyarrow.Table with b rows.

    Raises:
        ArrowException: more is wrong with them than the bytes of texts.
    """
    import pyarrow as pa

    bad: dict[int, str] = {}
    for name in table.schema.names:
        try:
            table.column(name).validate(full=True)
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error) or pa.types.is_nested(table.schema.field(name).type):
                raise
            texts = table.column(name)
            if pa.types.is_dictionary(texts.type):
                texts = texts.cast(texts.type.value_type)
            for at, cell in enumerate(texts.cast(pa.large_binary()).to_pylist()):
                if cell is not None and not _is_text(cell):
                    bad.setdefault(at, f"column {name!r} holds a text that is not UTF-8")
    if not bad:
        return Chunk(rows=rows, table=table)
    kept = np.setdiff1d(np.arange(len(rows)), list(bad))
    return Chunk(
        rows=rows[kept], table=table.take(kept), bad=tuple((int(rows[at]), bad[at]) for at in sorted(bad))
    )


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


class MemoryFrame:
    """A `FrameFile` over a pyarrow.Table.

    Args:
        table: the rows.
        uri: where they come from.
        content: digest of the file they come from; None to take it from the rows.
    """

    seekable = True

    def __init__(self, table: Any, uri: str = "memory", content: str | None = None) -> None:
        self.table, self.uri, self._content = table, uri, content
        self.metadata: Mapping[bytes, bytes] | None = table.schema.metadata
        self.count: int = table.num_rows
        self.types: Mapping[str, Any] = {f.name: f.type for f in table.schema}
        if len(self.types) < len(table.schema.names):
            refuse_twins(table.schema.names, self.uri)

    def digest(self) -> str:
        """Digest of the file, or of schema and values."""
        if self._content is None:
            self._content = table_digest(self.table)
        return self._content

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """See `FrameFile`."""
        chosen = self.table.select(list(columns))
        for low in range(start, stop, 65536):
            high = min(low + 65536, stop)
            yield Chunk(rows=np.arange(low, high), table=chosen.slice(low, high - low))


def refuse_twins(names: Sequence[str], where: str) -> None:
    """Refuse columns that share a name.

    Raises:
        SourceError: naming them.
    """
    twins = sorted({n for n in names if names.count(n) > 1})
    if twins:
        raise SourceError("columns with different names", f"several called {twins}", where, "Rename them.")


def text_array(values: Sequence[Any]) -> Any:
    """Strings (None stays) as a pyarrow array; lone surrogates, which no UTF-8 can hold, become U+FFFD."""
    import pyarrow as pa

    try:
        return pa.array(values, type=pa.large_string())
    except UnicodeEncodeError:
        clean = [
            v if v is None else "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in v)
            for v in values
        ]
        return pa.array(clean, type=pa.large_string())


NULLS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null")


def sniff(column: Any, known: Any) -> Any:
    """The narrowest of int64, float64, bool and string that holds a column of text and what was seen before.

    Args:
        column: pyarrow string array.
        known: type found in earlier chunks, None at first or while all cells were empty.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if known is not None and pa.types.is_string(known):
        return known
    empty = pc.is_in(column, value_set=pa.array(NULLS, type=column.type))
    filled = column.filter(pc.invert(empty))
    if not len(filled):
        return known
    order = [pa.int64(), pa.float64()] if known is None or not pa.types.is_boolean(known) else [pa.bool_()]
    if known is not None and pa.types.is_floating(known):
        order = [pa.float64()]
    if known is None:
        order.append(pa.bool_())
    for candidate in order:
        if _fits(filled, candidate):
            return candidate
    return pa.string()


_BOOLS = ("true", "True", "TRUE", "false", "False", "FALSE")


def _fits(filled: Any, candidate: Any) -> bool:
    """Whether all values are of a type, in the spelling that Arrow's CSV reader accepts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(candidate):
        return bool(pc.all(pc.is_in(filled, value_set=pa.array(_BOOLS, type=filled.type))).as_py())
    for text in (filled.slice(0, 64), filled):  # most columns of words fail at once
        for trim in (False, True):
            try:
                (pc.utf8_trim_whitespace(text) if trim else text).cast(candidate)
                break
            except pa.ArrowInvalid:
                if trim:
                    return False
    return True
