"""Chat data: rows with what was asked and what was answered, told by their columns."""

from __future__ import annotations

from typing import Any

from mithridate.core.errors import UsageError
from mithridate.sources.base import RowSource
from mithridate.sources.chat import ChatColumns, ChatSource, recognised
from mithridate.sources.columns import require
from mithridate.sources.frames import FrameFile
from mithridate.sources.kinds.kind import CHAT, Ask

__all__ = ["chat_columns", "open_chat"]


def open_chat(file: FrameFile, chat: ChatColumns, ask: Ask) -> RowSource:
    """Rows as exchanges.

    Args:
        file: the rows.
        chat: which columns are what.
        ask: the arguments of `open_source`.

    Raises:
        SourceError: a column that is not there.
    """
    for column, role in ((ask.id, "id"), (ask.source, "source")):
        require(column, role, file)
    named = {"prompt": ",".join(chat.prompt) or None, "response": chat.response, "rejected": chat.rejected}
    return ChatSource(
        file=file, chat=chat, id=ask.id, source=ask.source, options=ask.options(**named), limits=ask.limits
    )


def chat_columns(file: FrameFile, ask: Ask) -> ChatColumns | None:
    """How the rows are read as chat; None where they are none, or are to be read otherwise.

    Raises:
        UsageError: columns of chat beside those of other data, or no column of responses.
        SourceError: a column that is not there.
    """
    if all(getattr(ask, name) is None for name in CHAT):
        if ask.label is not None or ask.text is not None or ask.labels is not None or ask.x_key is not None:
            return None
        return recognised(file.types, lambda column: _cells(file, column))
    ask.refuse(file.uri, "label", "text", "labels", "x_key")
    if ask.response is None:
        remedy = (
            "Name it with --response; --prompt names what was asked, --rejected the worse answer of a pair."
        )
        raise UsageError("a column of responses", "none named", file.uri, remedy)
    named = () if ask.prompt is None else (ask.prompt,) if ask.prompt in file.types else ask.prompt.split(",")
    prompt = tuple(c.strip() for c in named)
    columns = ChatColumns(prompt=prompt, response=ask.response, rejected=ask.rejected)
    for column in columns.columns:
        require(column, "chat", file)
    return columns


def _cells(file: FrameFile, column: str) -> list[Any]:
    """The first cells of a column that are not empty."""
    for chunk in file.chunks([column], 0, file.count):
        cells = [v for v in chunk.table.column(column).slice(0, 1000).to_pylist() if v]
        if cells:
            return cells
    return []
