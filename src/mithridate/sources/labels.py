"""Labels as text: 1, 1.0 and "1" are the same label; nothing, NaN and the empty string are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError

__all__ = ["column_text", "label_text", "label_texts", "label_values"]


def label_text(value: Any) -> str | None:
    """One label as text; None where it is missing."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def label_texts(values: Sequence[Any] | NDArray[Any]) -> tuple[str | None, ...]:
    """Labels as text, from any sequence."""
    known: dict[Any, str | None] = {}
    texts = []
    for value in values.tolist() if isinstance(values, np.ndarray) else values:
        # True, 1 and 1.0 are equal as keys and must not share an entry
        key = (type(value), value)
        if key not in known:
            known[key] = label_text(value)
        texts.append(known[key])
    return tuple(texts)


def label_values(y: NDArray[Any], where: str) -> NDArray[Any]:
    """A label array as one dimension: (n,), (n, 1) or one-hot (n, k).

    Raises:
        SourceError: another shape.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        winners: NDArray[Any] = y.argmax(axis=1)
        return winners
    if y.ndim != 1:
        want = "labels of shape (n,), (n, 1) or one-hot (n, k)"
        raise SourceError(want, f"shape {y.shape}", where, "Name another key.")
    return y


def column_text(column: Any) -> tuple[str | None, ...]:
    """An Arrow column as labels; of what is no text, the distinct values are written, so that a row costs little.

    Args:
        column: pyarrow.ChunkedArray or Array of strings, numbers, booleans or a dictionary of these.
    """
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_nested(array.type):
        raise SourceError(
            "one value for each sample", str(array.type), "labels, ids or sources", "Name another column."
        )
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return tuple(text or None for text in array.to_pylist())
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    names = [label_text(v) for v in array.dictionary.to_pylist()]
    return tuple(None if i is None else names[i] for i in array.indices.to_pylist())
