"""What every kind with rows and columns shares: which column is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mithridate.core.errors import SourceError
from mithridate.sources.base import RowSource
from mithridate.sources.class_names import class_names
from mithridate.sources.columns import ColumnSource, Roles, require
from mithridate.sources.frames import FrameFile
from mithridate.sources.kinds.chat import chat_columns, open_chat
from mithridate.sources.kinds.kind import Ask
from mithridate.sources.labels import column_text
from mithridate.sources.media import Medium
from mithridate.sources.media_column import MediaColumn, holds_files, medium_in

__all__ = ["open_rows", "peek", "string_columns"]


def open_rows(file: FrameFile, ask: Ask, *, local: bool = False) -> RowSource:
    """Rows as chat, as pictures or sounds, as texts or as a table.

    Args:
        file: the rows.
        ask: the arguments of `open_source`; `x_key` names the column of pictures or sounds.
        local: see `media_column.MediaColumn`.

    Raises:
        SourceError: no rows, no content, or a column that is not there.
    """
    if file.count == 0:
        raise SourceError("at least one row", "none", file.uri, "Check the file.")
    chat = chat_columns(file, ask)
    if chat is not None:
        return open_chat(file, chat, ask)
    if ask.label is None:
        classes = list(class_names(file))
        ask = replace(ask, label=classes[0] if len(classes) == 1 and classes[0] in file.types else None)
    found = None if ask.text is not None else _media_column(file, ask)
    if found is not None:
        return _open_media(file, *found, ask, local)
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


def _media_column(file: FrameFile, ask: Ask) -> tuple[str, Medium] | None:
    """The column that holds files, and what they are: the one that was named, or the first."""
    require(ask.x_key, "x", file)
    others = [c for c in file.types if c not in (ask.label, ask.id, ask.source)]
    for column in others if ask.x_key is None else [ask.x_key]:
        medium = medium_in(file, column) if holds_files(file.types[column]) else None
        if medium is not None:
            return column, medium
    if ask.x_key is None:
        return None
    want = "a column of pictures or sounds as bytes"
    raise SourceError(want, f"{file.types[ask.x_key]}", f"{file.uri}, column {ask.x_key!r}", "Name another.")


def _open_media(file: FrameFile, column: str, medium: Medium, ask: Ask, local: bool) -> RowSource:
    others = [c for c in file.types if c not in (column, ask.id, ask.source)]
    label = ask.label or ("label" if "label" in others else None)
    for name, role in ((label, "label"), (ask.id, "id"), (ask.source, "source")):
        require(name, role, file)
    roles = Roles(label=label, id=ask.id, source=ask.source, text=(), features=(column,))
    options = ask.options(label=label, x_key=column)
    return MediaColumn(file=file, roles=roles, medium=medium, options=options, limits=ask.limits, local=local)


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
