"""torch's operators that pick values by index or mask, in operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder, Operand
from mithridate.models.graph.aten.shapes import moved
from mithridate.models.graph.aten.values import Tensor, UncoveredError

__all__ = ["TABLE"]


def _index(b: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    given = [index for index in indices if index is not None]
    if any(b.dtype(index) == np.bool_ for index in given):
        if len(given) == 1:
            return _by_mask(b, self, given[0], axes[0])
        raise UncoveredError("masks among several indices")
    if len(given) == 1:
        return b.emit("Gather", self, b.cast(given[0], np.int64), axis=axes[0])
    return _by_several(b, self, given, axes)


def _by_mask(b: Builder, x: Tensor, mask: Tensor, axis: int) -> Tensor:
    if b.rank(mask) == 1:
        return b.emit("Compress", x, mask, axis=axis)
    if axis:
        raise UncoveredError("a mask over axes behind others")
    return b.emit("GatherND", x, b.emit("Transpose", b.emit("NonZero", mask), perm=(1, 0)))


def _points(b: Builder, given: Sequence[Tensor]) -> Tensor:
    """Indices of several axes, brought to one shape, as a tensor of points (..., m)."""
    whole = [b.cast(index, np.int64) for index in given]
    total = whole[0]
    for index in whole[1:]:
        total = b.emit("Add", total, index)
    shape = b.emit("Shape", total)
    rows = [b.emit("Unsqueeze", b.emit("Expand", index, shape), np.asarray([-1])) for index in whole]
    return b.emit("Concat", *rows, axis=-1) if len(rows) > 1 else rows[0]


def _by_several(b: Builder, x: Tensor, given: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    rest = [axis for axis in range(max(b.rank(x), axes[-1] + 1)) if axis not in axes]
    picked = b.emit("GatherND", moved(b, x, [*axes, *rest]), _points(b, given))
    together = list(axes) == list(range(axes[0], axes[-1] + 1))
    if not together or not axes[0]:
        return picked
    width = max(b.rank(index) for index in given)
    before = axes[0]
    order = [*range(width, width + before), *range(width), *range(width + before, width + len(rest))]
    return moved(b, picked, order)


def _index_put(
    b: Builder, self: Tensor, indices: Sequence[Tensor | None], values: Operand, accumulate: bool = False
) -> Tensor:
    given = [index for index in indices if index is not None]
    if len(given) == 1 and b.dtype(given[0]) == np.bool_:
        mask = given[0]
        if accumulate or indices[0] is None or b.dims(values) not in ((), (1,)):
            raise UncoveredError("several values written where a mask says so")
        missing = b.rank(self) - b.rank(mask)
        if missing:
            mask = b.emit("Unsqueeze", mask, np.arange(missing) + b.rank(mask))
        return b.emit("Where", mask, b.tensor(values, b.dtype(self)), self)
    if len(given) != len(indices) or any(b.dtype(index) == np.bool_ for index in given):
        raise UncoveredError("values written by index behind an axis that is taken whole")
    points = _points(b, given)
    shape = b.emit("Shape", b.emit("GatherND", self, points))
    updates = b.emit("Expand", b.tensor(values, b.dtype(self)), shape)
    return b.emit("ScatterND", self, points, updates, reduction="add" if accumulate else None)


def _index_select(b: Builder, self: Tensor, dim: int, index: Tensor) -> Tensor:
    return b.emit("Gather", self, b.cast(index, np.int64), axis=dim)


def _gather(b: Builder, self: Tensor, dim: int, index: Tensor, sparse_grad: bool = False) -> Tensor:
    return b.emit("GatherElements", self, index, axis=dim)


def _scatter(
    b: Builder,
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Operand | None = None,
    value: Any = None,
    reduce: Any = None,
) -> Tensor:
    src = value if src is None else src
    if src is None or reduce is not None:
        raise UncoveredError("scatter that computes")
    if not isinstance(src, Tensor):
        src = b.emit("Expand", b.tensor(src, b.dtype(self)), b.emit("Shape", index))
    return b.emit("ScatterElements", self, index, src, axis=dim)


def _scatter_add(b: Builder, self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    return b.emit("ScatterElements", self, index, src, axis=dim, reduction="add")


def _masked_select(b: Builder, self: Tensor, mask: Tensor) -> Tensor:
    row, flags = (b.emit("Reshape", x, np.asarray([-1])) for x in (self, mask))
    return b.emit("Compress", row, flags)


def _nonzero(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Transpose", b.emit("NonZero", self), perm=(1, 0))


def _embedding(b: Builder, weight: Tensor, indices: Tensor, *_: Any, **__: Any) -> Tensor:
    b.learn(indices, [None, None], np.int64)  # a batch of rows of words is what most models take
    return b.emit("Gather", weight, indices, axis=0)


def _one_hot(b: Builder, self: Tensor, num_classes: int = -1) -> Tensor:
    if num_classes < 0:
        raise UncoveredError("one_hot with a number of classes that depends on the data")
    return b.emit("OneHot", self, np.asarray([num_classes]), np.asarray([0, 1]))


def _triangle(upper: int) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, diagonal: int = 0) -> Tensor:
        numbers = b.cast(self, np.int32) if b.dtype(self) == np.bool_ else self
        made = b.emit("Trilu", numbers, np.asarray(diagonal, dtype=np.int64), upper=upper)
        return b.cast(made, b.dtype(self))

    return translate


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    "index": _index, "index_put": _index_put, "index_select": _index_select, "gather": _gather,
    "take_along_dim": lambda b, self, indices, dim: _gather(b, self, dim, indices), "scatter": _scatter,
    "scatter_add": _scatter_add, "masked_select": _masked_select, "nonzero": _nonzero, "embedding": _embedding,
    "one_hot": _one_hot, "tril": _triangle(0), "triu": _triangle(1),
}  # fmt: skip
