"""torch's operators that make one number out of many, in operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder, Operand
from mithridate.models.graph.aten.elementwise import TABLE as ELEMENTWISE
from mithridate.models.graph.aten.elementwise import as_bool, as_float
from mithridate.models.graph.aten.values import CODES, Tensor, kind

__all__ = ["TABLE", "reduced"]

_Axes = int | Sequence[int] | None


def reduced(b: Builder, op: str, x: Tensor, dim: _Axes = None, keepdim: bool = False) -> Tensor:
    """ReduceX over some axes; over all where `dim` is None or empty."""
    axes = _axes(dim)
    if op == "ReduceSum":
        return b.emit(op, x, None if axes is None else np.asarray(axes), keepdims=int(keepdim))
    return b.emit(op, x, axes=axes, keepdims=int(keepdim))


def _axes(dim: _Axes) -> tuple[int, ...] | None:
    if dim is None:
        return None
    return (dim,) if isinstance(dim, int) else tuple(dim) or None


def _typed(b: Builder, x: Tensor, dtype: int | None, whole: bool = False) -> Tensor:
    """The numbers in the type that a sum is made in."""
    if dtype is not None:
        return b.cast(x, CODES[dtype])
    if kind(b.dtype(x)) < 2:
        return b.cast(x, np.int64 if whole else np.float32)
    return x


def _sum(
    b: Builder, self: Tensor, dim: _Axes = None, keepdim: bool = False, dtype: int | None = None
) -> Tensor:
    return reduced(b, "ReduceSum", _typed(b, self, dtype, whole=True), dim, keepdim)


def _mean(
    b: Builder, self: Tensor, dim: _Axes = None, keepdim: bool = False, dtype: int | None = None
) -> Tensor:
    return reduced(b, "ReduceMean", _typed(b, self, dtype), dim, keepdim)


def _prod(
    b: Builder, self: Tensor, dim: int | None = None, keepdim: bool = False, dtype: int | None = None
) -> Tensor:
    return reduced(b, "ReduceProd", _typed(b, self, dtype, whole=True), dim, keepdim)


def _extreme(op: str) -> Callable[..., Tensor]:
    return lambda b, self, dim=None, keepdim=False: reduced(b, op, self, dim, keepdim)


def _max_or_min(reduce: str, arg: str, pair: str) -> Callable[..., Any]:
    def translate(b: Builder, self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, Tensor):
            return b.math(pair, self, dim)
        if dim is None:
            return reduced(b, reduce, self)
        values = reduced(b, reduce, self, dim, keepdim)
        return values, b.emit(arg, self, axis=dim, keepdims=int(keepdim))

    return translate


def _arg(op: str) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        if kind(b.dtype(self)) == 0:
            self = b.cast(self, np.int32)
        if dim is None:
            row = b.emit("Reshape", self, np.asarray([-1]))
            return b.emit(op, row, axis=0, keepdims=0)
        return b.emit(op, self, axis=dim, keepdims=int(keepdim))

    return translate


def _over_bools(op: str) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, dim: _Axes = None, keepdim: bool = False) -> Tensor:
        numbers = b.cast(as_bool(b, self), np.int32)
        return b.cast(reduced(b, op, numbers, dim, keepdim), np.bool_)

    return translate


def _count(b: Builder, x: Tensor, dim: _Axes) -> Operand:
    """How many values are reduced to one, as a float."""
    axes = _axes(dim)
    sizes = b.sizes(x) if axes is None else [b.size(x, axis) for axis in axes]
    known = math.prod(size for size in sizes if isinstance(size, int))
    count: Operand = float(known)
    for size in sizes:
        if not isinstance(size, int):
            count = b.math("Mul", b.cast(b.tensor(size), np.float32), count)
    return count


def _variance(
    b: Builder, x: Tensor, dim: Any, unbiased: Any, correction: Any, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """(variance, mean); torch has three ways to say what is divided by."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 0 if unbiased is False else 1
    x = as_float(b, x)
    centre = reduced(b, "ReduceMean", x, dim, keepdim=True)
    away = b.emit("Sub", x, centre)
    total = reduced(b, "ReduceSum", b.emit("Mul", away, away), dim, keepdim)
    count = _count(b, x, dim)
    divisor = count - correction if isinstance(count, float) else b.math("Sub", count, float(correction))
    mean = centre if keepdim else reduced(b, "ReduceMean", x, dim)
    return b.math("Div", total, divisor), mean


def _var(
    b: Builder,
    self: Tensor,
    dim: Any = None,
    unbiased: Any = True,
    keepdim: bool = False,
    correction: Any = None,
) -> Tensor:
    return _variance(b, self, dim, unbiased, correction, keepdim)[0]


def _std(
    b: Builder,
    self: Tensor,
    dim: Any = None,
    unbiased: Any = True,
    keepdim: bool = False,
    correction: Any = None,
) -> Tensor:
    return b.emit("Sqrt", _variance(b, self, dim, unbiased, correction, keepdim)[0])


def _var_mean(
    b: Builder,
    self: Tensor,
    dim: Any = None,
    unbiased: Any = True,
    keepdim: bool = False,
    correction: Any = None,
) -> tuple[Tensor, Tensor]:
    return _variance(b, self, dim, unbiased, correction, keepdim)


def _std_mean(
    b: Builder,
    self: Tensor,
    dim: Any = None,
    unbiased: Any = True,
    keepdim: bool = False,
    correction: Any = None,
) -> tuple[Tensor, Tensor]:
    variance, mean = _variance(b, self, dim, unbiased, correction, keepdim)
    return b.emit("Sqrt", variance), mean


def _norm(
    b: Builder, self: Tensor, p: Any = 2, dim: _Axes = None, keepdim: bool = False, dtype: int | None = None
) -> Tensor:
    p = 2.0 if p is None else float(p)
    x = _typed(b, self, dtype)
    if p in (1.0, 2.0):
        return reduced(b, f"ReduceL{int(p)}", x, dim, keepdim)
    if math.isinf(p):
        return reduced(b, "ReduceMax" if p > 0 else "ReduceMin", b.emit("Abs", x), dim, keepdim)
    if p == 0:
        return reduced(b, "ReduceSum", b.cast(as_bool(b, x), b.dtype(x)), dim, keepdim)
    total = reduced(b, "ReduceSum", b.math("Pow", b.emit("Abs", x), p), dim, keepdim)
    return b.math("Pow", total, 1 / p)


def _frobenius(b: Builder, self: Tensor, dim: _Axes = None, keepdim: bool = False) -> Tensor:
    return reduced(b, "ReduceL2", self, dim, keepdim)


def _cumsum(b: Builder, self: Tensor, dim: int, dtype: int | None = None) -> Tensor:
    return b.emit("CumSum", _typed(b, self, dtype, whole=True), np.asarray(dim, dtype=np.int64))


def _softmax(op: str) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, dim: int, dtype: Any = None) -> Tensor:
        if isinstance(dtype, int) and not isinstance(
            dtype, bool
        ):  # the inner operators say `half_to_float` here
            self = b.cast(self, CODES[dtype])
        return b.emit(op, as_float(b, self), axis=dim)

    return translate


def _logsumexp(b: Builder, self: Tensor, dim: _Axes, keepdim: bool = False) -> Tensor:
    return reduced(b, "ReduceLogSumExp", self, dim, keepdim)


def _topk(b: Builder, self: Tensor, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    values, places = b.emit_many(
        "TopK", [self, b.ints([k])], 2, axis=dim, largest=int(largest), sorted=int(sorted)
    )
    return values, places


def _sort(
    b: Builder, self: Tensor, dim: Any = -1, descending: Any = False, *more: Any, stable: Any = None
) -> Any:
    if more:  # sort.stable(stable, dim, descending)
        dim, descending = descending, more[0]
    count = b.size(self, dim)
    return _topk(b, self, count, dim, largest=bool(descending))


def _argsort(b: Builder, self: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    return _sort(b, self, dim, descending)[1]  # type: ignore[no-any-return]


def _normalize(b: Builder, self: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    length = _norm(b, self, p, dim, keepdim=True)
    return b.math("Div", self, ELEMENTWISE["clamp_min"](b, length, eps))


def _cosine_similarity(b: Builder, x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    def unit(x: Tensor) -> Tensor:
        return b.math("Div", x, ELEMENTWISE["clamp_min"](b, _norm(b, x, 2, dim, keepdim=True), eps))

    return reduced(b, "ReduceSum", b.math("Mul", unit(x1), unit(x2)), dim)


def _equal(b: Builder, self: Tensor, other: Tensor) -> Tensor:
    same = ELEMENTWISE["eq"](b, self, other)
    return b.cast(reduced(b, "ReduceMin", b.cast(same, np.int32)), np.bool_)


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    "sum": _sum, "mean": _mean, "prod": _prod, "amax": _extreme("ReduceMax"), "amin": _extreme("ReduceMin"),
    "max": _max_or_min("ReduceMax", "ArgMax", "Max"), "min": _max_or_min("ReduceMin", "ArgMin", "Min"),
    "argmax": _arg("ArgMax"), "argmin": _arg("ArgMin"), "any": _over_bools("ReduceMax"),
    "all": _over_bools("ReduceMin"),
    "var": _var, "std": _std, "var_mean": _var_mean, "std_mean": _std_mean, "norm": _norm,
    "linalg_vector_norm": _norm, "frobenius_norm": _frobenius, "cumsum": _cumsum, "logsumexp": _logsumexp,
    "softmax": _softmax("Softmax"), "log_softmax": _softmax("LogSoftmax"), "_softmax": _softmax("Softmax"),
    "_log_softmax": _softmax("LogSoftmax"), "topk": _topk, "sort": _sort, "argsort": _argsort,
    "cosine_similarity": _cosine_similarity, "equal": _equal, "normalize": _normalize,
}  # fmt: skip
