"""Texts in memory: a list, a tuple, a pandas Series."""

from __future__ import annotations

from typing import Any

import numpy as np

from mithridate.core.errors import SourceError
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.columns import ColumnSource, Roles
from mithridate.sources.frames import MemoryFrame, text_array
from mithridate.sources.kinds.kind import Ask, Kind
from mithridate.sources.labels import label_texts, label_values

__all__ = ["KIND", "label_column"]


def _open(data: Any, ask: Ask) -> RowSource:
    import pyarrow as pa

    listed = data if isinstance(data, list | tuple) else data.tolist()
    odd = next((i for i, v in enumerate(listed) if not isinstance(v, str)), None)
    if not listed or odd is not None:
        got = "an empty one" if odd is None else f"{type(listed[odd]).__name__} at {odd}"
        raise SourceError("a sequence of texts", got, MEMORY, "Images and numbers go into an array.")
    columns = {"text": text_array(listed)} | label_column(ask.labels, len(listed))
    label = "label" if "label" in columns else None
    roles = Roles(label=label, id=None, source=None, text=("text",), features=())
    file = MemoryFrame(pa.table(columns))
    return ColumnSource(file=file, roles=roles, options={}, limits=ask.limits)


def label_column(labels: Any, count: int) -> dict[str, Any]:
    """Labels given beside the data as a column "label"; no column where there are none.

    Raises:
        SourceError: not one for each sample.
    """
    if labels is None:
        return {}
    values = label_texts(
        label_values(np.asarray(labels), MEMORY) if isinstance(labels, np.ndarray) else list(labels)
    )
    if len(values) != count:
        raise SourceError(
            f"one label for each of {count:,} samples", f"{len(values):,}", "labels", "Check its length."
        )
    return {"label": text_array(values)}


def _is_series(data: Any) -> bool:
    return type(data).__module__.split(".")[0] == "pandas" and not hasattr(data, "columns")


KIND = Kind(
    noun="",
    open=_open,
    memory=lambda data, _: isinstance(data, list | tuple) or _is_series(data),
    takes=("labels", "label", "text", "id", "source"),
)
