"""Parts of tensors by index: x[:, 2:6, -4:, 0] and the like, with constant bounds.

Reference:
    Keras 3, keras.ops.numpy: GetItem, Take.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mithridate.models.graph.aten.values import UncoveredError
from mithridate.models.graph.keras.kit import END, Use, Value

__all__ = ["get_item", "take"]


def get_item(use: Use) -> Value:
    """x[key]: slices, whole numbers, new axes and an ellipsis."""
    if len(use.args) != 2 or not isinstance(use.args[0], Value):
        raise UncoveredError("an index that is not constant")
    k, value = use.kit, use.args[0]
    tensor, dims = k.plain(value), k.dims(value)
    key = use.args[1] if isinstance(use.args[1], list) else [use.args[1]]
    axes, starts, ends, steps, gone, fresh = _bounds(key, dims)
    if axes:
        rows = [np.asarray(part, dtype=np.int64) for part in (starts, ends, axes, steps)]
        tensor = k.b.emit("Slice", tensor, *rows)
    if gone:
        tensor = k.b.emit("Squeeze", tensor, np.asarray(gone, dtype=np.int64))
    if fresh:
        tensor = k.b.emit("Unsqueeze", tensor, np.asarray(fresh, dtype=np.int64))
    return Value(tensor)


def _bounds(
    key: list[Any], dims: tuple[Any, ...]
) -> tuple[list[int], list[int], list[int], list[int], list[int], list[int]]:
    """Axes, starts, ends and steps of a Slice; axes that go, and new axes of the answer."""
    axes, starts, ends, steps = list[int](), list[int](), list[int](), list[int]()
    gone, fresh = list[int](), list[int]()
    used = sum(part is not None and part is not Ellipsis for part in key)
    if used > len(dims) or sum(part is Ellipsis for part in key) > 1:
        raise UncoveredError("an index of more axes than there are")
    axis = out = 0
    for part in key:
        if part is Ellipsis:
            axis, out = axis + len(dims) - used, out + len(dims) - used
            continue
        if part is None:
            fresh.append(out)
            out += 1
            continue
        size = dims[axis] if isinstance(dims[axis], int) else None
        start, end, step = _range(part, size)
        if (start, end, step) != (0, END, 1):
            axes, starts, ends, steps = [*axes, axis], [*starts, start], [*ends, end], [*steps, step]
        if isinstance(part, slice):
            out += 1
        else:
            gone.append(axis)
        axis += 1
    return axes, starts, ends, steps, gone, fresh


def _range(part: Any, size: int | None) -> tuple[int, int, int]:
    """Start, end and step of an axis, from the front where its size is known: then it shows how little is taken."""
    if isinstance(part, bool) or not isinstance(part, slice | int):
        raise UncoveredError("an index that is neither a number nor a slice")
    if isinstance(part, int):
        start = part + size if part < 0 and size is not None else part
        return start, END if start == -1 else start + 1, 1
    step = 1 if part.step is None else part.step
    if size is not None and step > 0:
        start, end, _ = part.indices(size)
        return (0, END, 1) if (start, end, step) == (0, size, 1) else (start, end, step)
    if step < 1:
        raise UncoveredError("an index that goes backwards")
    return part.start or 0, END if part.stop is None else part.stop, step


def take(use: Use) -> Value:
    """Rows at constant places."""
    places = use.args[1] if len(use.args) > 1 else use.layer.config.get("indices")
    axis = use.layer.config.get("axis")
    array = np.asarray(places)
    if isinstance(places, Value) or array.dtype.kind not in "iu" or not isinstance(axis, int):
        raise UncoveredError("places that are not constant")
    return Value(use.kit.b.emit("Gather", use.kit.plain(use.args[0]), array.astype(np.int64), axis=axis))
