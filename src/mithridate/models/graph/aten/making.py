"""torch's operators that make tensors out of nothing, in operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder, Operand
from mithridate.models.graph.aten.values import CODES, Size, Tensor, UncoveredError

__all__ = ["TABLE", "filled"]

_MOST: Final = 1 << 22  # values that are made at once; more stay an operator


def _dtype(code: int | None, otherwise: Any = np.float32) -> Any:
    if code is None:
        return np.dtype(otherwise)
    if code not in CODES:
        raise UncoveredError(f"torch's type number {code}")
    return np.dtype(CODES[code])


def filled(b: Builder, size: Sequence[Any] | Tensor, value: Operand, dtype: Any) -> Tensor:
    """A tensor of one value."""
    if isinstance(value, Tensor | Size):
        return b.emit("Expand", b.tensor(value, dtype), b.ints(size))
    shape = [n for n in size if isinstance(n, int)] if not isinstance(size, Tensor) else []
    if not isinstance(size, Tensor) and len(shape) == len(size) and math.prod(shape) <= _MOST:
        return b.literal(np.full(tuple(shape), value, dtype=dtype))
    made = b.emit("ConstantOfShape", b.ints(size), value=np.asarray([value], dtype=dtype))
    if not isinstance(size, Tensor):
        b.set_dims(made, [n if isinstance(n, int) else getattr(n, "symbol", "") or None for n in size])
    return made


def _constant(value: Any) -> Callable[..., Tensor]:
    def translate(b: Builder, size: Any, *_: Any, dtype: int | None = None, names: Any = None) -> Tensor:
        return filled(b, size, value, _dtype(dtype))

    return translate


def _full(
    b: Builder, size: Any, fill_value: Operand, *, dtype: int | None = None, names: Any = None
) -> Tensor:
    kind = bool if isinstance(fill_value, bool) else np.int64 if isinstance(fill_value, int) else np.float32
    return filled(b, size, fill_value, _dtype(dtype, kind))


def _like(value: Any) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, *, dtype: int | None = None) -> Tensor:
        return _full_like(b, self, value, dtype=dtype)

    return translate


def _full_like(b: Builder, self: Tensor, fill_value: Operand, *, dtype: int | None = None) -> Tensor:
    kind = _dtype(dtype, b.dtype(self))
    dims = b.dims(self)
    if dims is not None and all(isinstance(size, int) for size in dims):
        return filled(b, list(dims), fill_value, kind)
    made = filled(b, b.emit("Shape", self), fill_value, kind)
    return b.set_dims(made, dims) if dims is not None else made


def _new(value: Any) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, size: Any, *, dtype: int | None = None) -> Tensor:
        return filled(b, size, value, _dtype(dtype, b.dtype(self)))

    return translate


def _new_full(
    b: Builder, self: Tensor, size: Any, fill_value: Operand, *, dtype: int | None = None
) -> Tensor:
    return filled(b, size, fill_value, _dtype(dtype, b.dtype(self)))


def _arange(b: Builder, *bounds: Operand, dtype: int | None = None, **named: Operand) -> Tensor:
    bounds = (*bounds, *named.values())
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    whole = not any(isinstance(bound, float) for bound in bounds)
    kind = _dtype(dtype, np.int64 if whole else np.float32)
    if isinstance(start, int | float) and isinstance(stop, int | float) and isinstance(step, int | float):
        if not step or (stop - start) / step > _MOST:
            raise UncoveredError("a row of more numbers than are made at once")
        return b.literal(np.arange(start, stop, step).astype(kind))
    return b.emit("Range", *(b.tensor(bound, kind) for bound in (start, stop, step)))


def _linspace(b: Builder, start: Any, end: Any, steps: int, *, dtype: int | None = None) -> Tensor:
    if steps > _MOST:
        raise UncoveredError("a row of more numbers than are made at once")
    return b.literal(np.linspace(float(start), float(end), steps).astype(_dtype(dtype)))


def _eye(b: Builder, n: int, m: int | None = None, *, dtype: int | None = None) -> Tensor:
    if n * (m or n) > _MOST:
        raise UncoveredError("a matrix of more numbers than are made at once")
    return b.literal(np.eye(n, m, dtype=_dtype(dtype)))


def _tensor(b: Builder, data: Any, *, dtype: int | None = None) -> Tensor:
    if isinstance(data, Tensor | Size):
        return b.tensor(data, None if dtype is None else _dtype(dtype))
    rows = _rows(b, data)
    if rows is not None:
        return b.cast(rows, _dtype(dtype, b.dtype(rows)))
    return b.literal(np.asarray(data), None if dtype is None else _dtype(dtype))


def _rows(b: Builder, data: Any) -> Tensor | None:
    """A list that holds tensors."""
    if not isinstance(data, list | tuple) or not any(isinstance(x, Tensor | Size) for x in data):
        return None
    return b.emit("Concat", *(b.emit("Reshape", b.tensor(x), np.asarray([1])) for x in data), axis=0)


def _scalar_tensor(b: Builder, s: Operand, *, dtype: int | None = None) -> Tensor:
    return b.tensor(s, _dtype(dtype))


def _fill(b: Builder, self: Tensor, value: Operand) -> Tensor:
    return _full_like(b, self, value)


def _zero(b: Builder, self: Tensor) -> Tensor:
    return _full_like(b, self, 0)


def _copy(b: Builder, self: Tensor, src: Operand, non_blocking: bool = False) -> Tensor:
    value = b.tensor(src, b.dtype(self))
    if b.dims(value) is not None and b.dims(value) == b.dims(self) and None not in (b.dims(self) or ()):
        return value
    return b.emit("Expand", value, b.emit("Shape", self))


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    "zeros": _constant(0), "ones": _constant(1), "empty": _constant(0), "full": _full, "zeros_like": _like(0),
    "ones_like": _like(1), "empty_like": _like(0), "full_like": _full_like, "new_zeros": _new(0), "new_ones": _new(1),
    "new_empty": _new(0), "new_full": _new_full, "arange": _arange, "linspace": _linspace, "eye": _eye,
    "tensor": _tensor, "_tensor": _tensor, "as_tensor": _tensor, "scalar_tensor": _scalar_tensor, "fill": _fill,
    "zero": _zero, "copy": _copy,
}  # fmt: skip
