"""What every kind with rows and columns shares: which column is what."""

from __future__ import annotations

from collections.abc import Sequence

from mithridate.core.errors import SourceError
from mithridate.sources.base import RowSource
from mithridate.sources.columns import ColumnSource, Roles, require
from mithridate.sources.frames import FrameFile
from mithridate.sources.kinds.kind import Ask
from mithridate.sources.labels import column_text

__all__ = ["open_rows", "peek", "string_columns"]


def open_rows(file: FrameFile, ask: Ask) -> RowSource:
    """Rows as texts or as a table.

    Raises:
        SourceError: no rows, no content, or a column that is not there.
    """
    if file.count == 0:
        raise SourceError("at least one row", "none", file.uri, "Check the file.")
    for column, role in ((ask.label, "label"), (ask.id, "id"), (ask.source, "source")):
        require(column, role, file)
    content = [c for c in file.types if c not in (ask.label, ask.id, ask.source)]
    text: tuple[str, ...] = ()
    if ask.text is not None:
        text = (ask.text,) if ask.text in file.types else tuple(c.strip() for c in ask.text.split(","))
        for column in text:
            require(column, "text", file)
    elif (prose := _prose(file, content)) is not None:
        text = (prose,)
    if not content and not text:
        raise SourceError("columns besides label, id and source", "none", file.uri, "Name fewer columns.")
    roles = Roles(
        label=ask.label, id=ask.id, source=ask.source, text=text, features=() if text else tuple(content)
    )
    options = ask.options(text=",".join(text) if text else None)
    return ColumnSource(file=file, roles=roles, options=options, limits=ask.limits)


def peek(file: FrameFile, column: str, most: int) -> list[str]:
    """The first non-empty values of a column."""
    for chunk in file.chunks([column], 0, file.count):
        values = [v for v in column_text(chunk.table.column(column).slice(0, most)) if v]
        if values:
            return values
    return []


def string_columns(file: FrameFile, columns: Sequence[str]) -> list[str]:
    """Those of the columns that hold text."""
    import pyarrow as pa

    def kind(column: str) -> object:
        found = file.types[column]
        return found.value_type if pa.types.is_dictionary(found) else found

    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return [c for c in columns if any(test(kind(c)) for test in tests)]


def _prose(file: FrameFile, columns: Sequence[str]) -> str | None:
    """The one column of strings, if it is long prose: many words, hardly ever the same twice."""
    strings = string_columns(file, columns)
    if len(strings) != 1:
        return None
    values = peek(file, strings[0], 1000)
    if not values:
        return None
    words = sum(len(v.split()) for v in values) / len(values)
    return strings[0] if words >= 4 and len(set(values)) > 0.5 * len(values) else None
