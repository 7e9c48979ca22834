"""Arrays in memory: images, a table of numbers, texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError
from mithridate.sources.arrays import ArrayImages
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.columns import ColumnSource, Roles
from mithridate.sources.frames import MemoryFrame, text_array
from mithridate.sources.kinds import texts
from mithridate.sources.kinds.kind import Ask, Kind
from mithridate.sources.labels import label_texts, label_values
from mithridate.sources.limits import Limits
from mithridate.sources.npz import Npz
from mithridate.sources.waves import ArraySounds, Waves, waves

__all__ = ["KIND", "of_array"]


def _open(data: NDArray[Any], ask: Ask) -> RowSource:
    if data.dtype.hasobject and all(isinstance(v, str) for v in data.flat):
        return texts.KIND.open(data.tolist(), ask)  # pandas and others keep strings as objects
    return of_array(data, ask, uri=MEMORY, y=ask.labels)


def of_array(
    x: Any,
    ask: Ask,
    *,
    uri: str,
    y: Any = None,
    ids: Any = None,
    sources: Any = None,
    content: str | None = None,
    npz: Npz | None = None,
) -> RowSource:
    """An array as images (3 or 4 dimensions), a table of numbers (2) or texts (1); with `ask.rate` as sounds.

    Args:
        x: the samples.
        ask: the arguments of `open_source`.
        uri: where they are from.
        y: (n,) labels, or None.
        ids: (n,) names, or None.
        sources: (n,) where each came from, or None.
        content: digest of the file they are from; None to take it from the values.
        npz: the file they are from, or None.

    Raises:
        SourceError: no samples, another shape, or not one label (id, source) for each.
    """
    if ask.rate is not None:
        x = waves(x, None if npz is None or npz.offsets is None else npz.array(npz.offsets), uri)
    elif x.ndim == 0 or len(x) == 0:
        raise SourceError("at least one sample", f"an array of shape {x.shape}", uri, "Name another array.")
    names: dict[str, tuple[str | None, ...] | None] = {
        "label": None if y is None else label_texts(label_values(np.asarray(y), uri)),
        "id": None if ids is None else label_texts(ids),
        "source": None if sources is None else label_texts(sources),
    }
    for name, values in names.items():
        if values is not None and len(values) != len(x):
            raise SourceError(
                f"one {name} for each of {len(x):,} samples", f"{len(values):,}", uri, "Check the keys."
            )
    options = ask.options() if npz is None else ask.options(x_key=npz.x, y_key=npz.y, label=None)
    opened: RowSource
    named: dict[str, Any] = {
        "labels": names["label"],
        "ids": None if names["id"] is None else tuple(v or "" for v in names["id"]),
        "sources": None if names["source"] is None else tuple(v or "" for v in names["source"]),
        "options": options,
        "limits": ask.limits,
        "content": content,
    }
    if isinstance(x, Waves):
        opened = ArraySounds(uri=uri, x=x, rate=ask.rate or 0, **named)
    elif x.ndim > 2:
        opened = ArrayImages(uri=uri, x=x, **named)
    else:
        opened = _of_matrix(x, names, uri, content, options, ask.limits)
    opened.origin = npz
    return opened


def _of_matrix(
    x: NDArray[Any],
    names: Mapping[str, tuple[str | None, ...] | None],
    uri: str,
    content: str | None,
    options: dict[str, Any],
    limits: Limits,
) -> RowSource:
    """A matrix is a table, a vector of strings is a text data set."""
    import pyarrow as pa

    if x.ndim == 1 and x.dtype.kind in "US":
        columns = {
            "text": text_array(
                [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in x.tolist()]
            )
        }
    elif x.ndim == 2 and x.dtype.kind in "buif":
        columns = {str(i): pa.array(np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])}
    else:
        raise SourceError(
            "images (n, h, w[, c]), a matrix of numbers (n, d) or a vector of strings (n,)",
            f"shape {x.shape}, dtype {x.dtype}",
            uri,
            "Name another array.",
        )
    content_columns = tuple(columns)
    for name, values in names.items():
        if values is not None:
            columns[name] = text_array(values)
    is_text = content_columns == ("text",)
    roles = Roles(
        label="label" if names["label"] is not None else None,
        id="id" if names["id"] is not None else None,
        source="source" if names["source"] is not None else None,
        text=content_columns if is_text else (),
        features=() if is_text else content_columns,
    )
    return ColumnSource(
        file=MemoryFrame(pa.table(columns), uri, content), roles=roles, options=options, limits=limits
    )


KIND = Kind(
    noun="",
    open=_open,
    memory=lambda data, _: isinstance(data, np.ndarray),
    takes=("labels",),
)
