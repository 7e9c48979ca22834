"""Tables in memory: a pandas DataFrame, a pyarrow Table, whatever speaks Arrow's protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mithridate.core.errors import SourceError
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.frames import FrameFile, MemoryFrame
from mithridate.sources.kinds.kind import CHAT, Ask, Kind
from mithridate.sources.kinds.rows import open_rows
from mithridate.sources.kinds.texts import label_column

__all__ = ["KIND", "with_labels"]


def _open(data: Any, ask: Ask) -> RowSource:
    return open_rows(*with_labels(_as_table(data), ask))


def with_labels(table: Any, ask: Ask) -> tuple[FrameFile, Ask]:
    """A pyarrow.Table, with the labels that were given beside it as a column."""
    if ask.labels is None:
        return MemoryFrame(table), ask
    ask_label = "label"
    while ask_label in table.column_names:
        ask_label += "_"
    column = label_column(ask.labels, table.num_rows)["label"]
    return MemoryFrame(table.append_column(ask_label, column)), replace(ask, label=ask_label, labels=None)


def _as_table(data: Any) -> Any:
    import pyarrow as pa

    try:
        if isinstance(data, pa.Table):
            return data
        if isinstance(data, pa.RecordBatch):
            return pa.Table.from_batches([data])
        if type(data).__module__.split(".")[0] == "pandas" and hasattr(data, "columns"):
            return pa.Table.from_pandas(data, preserve_index=False).replace_schema_metadata(None)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SourceError(
            "columns of one type each", str(error), MEMORY, "Convert the column to str."
        ) from error
    raise SourceError(
        "a path, numpy array, DataFrame, pyarrow Table or sequence of str",
        type(data).__name__,
        MEMORY,
        "Convert it.",
    )


KIND = Kind(
    noun="",
    open=_open,
    memory=lambda data, _: True,
    takes=("labels", "label", "text", "id", "source", "x_key", *CHAT),
)
