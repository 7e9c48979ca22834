"""torch's operators that look at one value at a time, in operators of ONNX.

Reference:
    Formulas: PyTorch documentation, `torch.nn.functional` and `torch`; signatures: `native_functions.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder, Operand
from mithridate.models.graph.aten.values import CODES, Tensor, UncoveredError, kind

__all__ = ["TABLE", "as_bool", "as_float"]


def as_float(b: Builder, x: Operand) -> Tensor:
    """Whole numbers as float32, floats as they are."""
    return b.tensor(x) if kind(b.dtype(x)) >= 2 and isinstance(x, Tensor) else b.tensor(x, np.float32)


def as_bool(b: Builder, x: Operand) -> Tensor:
    """Whether values are not zero."""
    return b.cast(b.tensor(x), np.bool_)


def _float_unary(op: str) -> Callable[..., Tensor]:
    return lambda b, self: b.emit(op, as_float(b, self))


def _unary(op: str) -> Callable[..., Tensor]:
    return lambda b, self: b.emit(op, self)


def _pair(op: str) -> Callable[..., Tensor]:
    return lambda b, self, other: b.math(op, self, other)


def _arithmetic(op: str) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Operand, other: Operand, alpha: Any = 1) -> Tensor:
        if alpha != 1:
            other = b.math("Mul", other, alpha)
        if op == "Add" and b.common(self, other) == np.bool_:
            return b.math("Or", self, other)
        if op == "Mul" and b.common(self, other) == np.bool_:
            return b.math("And", self, other)
        return b.math(op, self, other)

    return translate


def _reversed(op: str) -> Callable[..., Tensor]:
    plain = _arithmetic(op)
    return lambda b, self, other, alpha=1: plain(b, other, self if alpha == 1 else b.math("Mul", self, alpha))


def _div(b: Builder, self: Operand, other: Operand, rounding_mode: str | None = None) -> Tensor:
    whole = kind(b.common(self, other)) < 2
    if rounding_mode == "floor" and whole:
        left = b.math("Sub", self, b.math("Mod", self, other))
        return b.math("Div", left, other)
    if whole and rounding_mode is None:
        self, other = as_float(b, self), as_float(b, other)
    quotient = b.math("Div", self, other)
    if rounding_mode is None or whole:
        return quotient
    return b.emit("Floor", quotient) if rounding_mode == "floor" else _trunc(b, quotient)


def _floor_divide(b: Builder, self: Operand, other: Operand) -> Tensor:
    return _div(b, self, other, "floor")


def _remainder(b: Builder, self: Operand, other: Operand) -> Tensor:
    if kind(b.common(self, other)) < 2:
        return b.math("Mod", self, other)
    return b.math("Sub", self, b.math("Mul", b.emit("Floor", b.math("Div", self, other)), other))


def _fmod(b: Builder, self: Operand, other: Operand) -> Tensor:
    dtype = b.common(self, other)
    return b.emit("Mod", b.tensor(self, dtype), b.tensor(other, dtype), fmod=1)


def _trunc(b: Builder, self: Operand) -> Tensor:
    return b.math("Mul", b.emit("Sign", self), b.emit("Floor", b.emit("Abs", self)))


def _pow(b: Builder, self: Operand, exponent: Operand) -> Tensor:
    if isinstance(exponent, int | float) and float(exponent) == 2 and isinstance(self, Tensor):
        return b.emit("Mul", self, self)
    return b.math("Pow", self, exponent)


def _round(b: Builder, self: Tensor, decimals: int = 0) -> Tensor:
    if decimals:
        scale = 10.0**decimals
        return b.math("Div", b.emit("Round", b.math("Mul", self, scale)), scale)
    return b.emit("Round", self)


def _comparison(op: str, negate: bool = False) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Operand, other: Operand) -> Tensor:
        dtype = b.common(self, other)
        if dtype == np.bool_ and op != "Equal":
            dtype = np.dtype(np.int32)
        answer = b.emit(op, b.tensor(self, dtype), b.tensor(other, dtype))
        return b.emit("Not", answer) if negate else answer

    return translate


def _logical(op: str) -> Callable[..., Tensor]:
    return lambda b, self, other: b.emit(op, as_bool(b, self), as_bool(b, other))


def _bitwise(op: str) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Operand, other: Operand) -> Tensor:
        if b.common(self, other) != np.bool_:
            raise UncoveredError("operations on single bits of numbers")
        return b.math(op, self, other)

    return translate


def _bitwise_not(b: Builder, self: Tensor) -> Tensor:
    if b.dtype(self) == np.bool_:
        return b.emit("Not", self)
    return b.math("Sub", -1, self)


def _clamp(b: Builder, self: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    known = [limit for limit in (min, max) if limit is not None]
    dtype = b.common(self, *known)
    single = all(not isinstance(limit, Tensor) or b.dims(limit) == () for limit in known)
    if single:
        limits = [None if limit is None else b.tensor(limit, dtype) for limit in (min, max)]
        return b.emit("Clip", b.cast(self, dtype), *limits)
    answer = self if min is None else b.math("Max", self, min)
    return answer if max is None else b.math("Min", answer, max)


def _clamp_min(b: Builder, self: Tensor, min: Operand) -> Tensor:
    return _clamp(b, self, min)


def _clamp_max(b: Builder, self: Tensor, max: Operand) -> Tensor:
    return _clamp(b, self, None, max)


def _hardtanh(b: Builder, self: Tensor, min_val: Any = -1, max_val: Any = 1) -> Tensor:
    return _clamp(b, self, min_val, max_val)


def _relu6(b: Builder, self: Tensor) -> Tensor:
    return _clamp(b, self, 0.0, 6.0)


def _gelu(b: Builder, self: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "tanh":
        cube = b.math("Mul", b.math("Mul", b.math("Mul", self, self), self), 0.044715)
        inner = b.emit("Tanh", b.math("Mul", b.math("Add", self, cube), math.sqrt(2 / math.pi)))
    else:
        inner = b.emit("Erf", b.math("Div", self, math.sqrt(2)))
    return b.math("Mul", b.math("Mul", self, b.math("Add", inner, 1.0)), 0.5)


def _silu(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Mul", self, b.emit("Sigmoid", self))


def _mish(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Mul", self, b.emit("Tanh", b.emit("Softplus", self)))


def _hardsigmoid(b: Builder, self: Tensor) -> Tensor:
    return b.emit("HardSigmoid", self, alpha=1 / 6, beta=0.5)


def _leaky_relu(b: Builder, self: Tensor, negative_slope: float = 0.01) -> Tensor:
    return b.emit("LeakyRelu", self, alpha=float(negative_slope))


def _elu(b: Builder, self: Tensor, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Tensor:
    if input_scale != 1:
        raise UncoveredError("elu with a scaled input")
    answer = b.emit("Elu", self, alpha=float(alpha))
    return answer if scale == 1 else b.math("Mul", answer, scale)


def _celu(b: Builder, self: Tensor, alpha: Any = 1.0) -> Tensor:
    return b.emit("Celu", self, alpha=float(alpha))


def _selu(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Selu", self)


def _softplus(b: Builder, self: Tensor, beta: Any = 1, threshold: Any = 20) -> Tensor:
    if beta == 1:
        return b.emit("Softplus", self)
    return b.math("Div", b.emit("Softplus", b.math("Mul", self, float(beta))), float(beta))


def _log_sigmoid(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Neg", b.emit("Softplus", b.emit("Neg", self)))


def _prelu(b: Builder, self: Tensor, weight: Tensor) -> Tensor:
    dims = b.dims(weight)
    if dims is not None and dims and dims[0] != 1 and b.rank(self) > 2:
        weight = b.emit("Reshape", weight, np.asarray([-1] + [1] * (b.rank(self) - 2)))
    return b.emit("PRelu", self, weight)


def _threshold(b: Builder, self: Tensor, threshold: Any, value: Any) -> Tensor:
    above = b.math("Greater", self, threshold)
    return b.emit("Where", above, self, b.tensor(value, b.dtype(self)))


def _hardshrink(b: Builder, self: Tensor, lambd: Any = 0.5) -> Tensor:
    return b.emit("Shrink", self, lambd=float(lambd))


def _softshrink(b: Builder, self: Tensor, lambd: Any = 0.5) -> Tensor:
    return b.emit("Shrink", self, lambd=float(lambd), bias=float(lambd))


def _glu(b: Builder, self: Tensor, dim: int = -1) -> Tensor:
    left, right = b.emit_many("Split", [self], 2, axis=dim)
    return b.emit("Mul", left, b.emit("Sigmoid", right))


def _where(b: Builder, condition: Tensor, self: Operand, other: Operand) -> Tensor:
    dtype = b.common(self, other)
    return b.emit("Where", as_bool(b, condition), b.tensor(self, dtype), b.tensor(other, dtype))


def _masked_fill(b: Builder, self: Tensor, mask: Tensor, value: Operand) -> Tensor:
    return b.emit("Where", as_bool(b, mask), b.tensor(value, b.dtype(self)), self)


def _rsqrt(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Reciprocal", b.emit("Sqrt", as_float(b, self)))


def _square(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Mul", self, self)


def _sign(b: Builder, self: Tensor) -> Tensor:
    return self if b.dtype(self) == np.bool_ else b.emit("Sign", self)


def _expm1(b: Builder, self: Tensor) -> Tensor:
    return b.math("Sub", b.emit("Exp", self), 1.0)


def _log1p(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Log", b.math("Add", self, 1.0))


def _log_base(base: float) -> Callable[..., Tensor]:
    return lambda b, self: b.math("Div", b.emit("Log", as_float(b, self)), math.log(base))


def _exp2(b: Builder, self: Tensor) -> Tensor:
    return b.math("Pow", 2.0, self)


def _lerp(b: Builder, self: Tensor, end: Tensor, weight: Operand) -> Tensor:
    return b.math("Add", self, b.math("Mul", b.math("Sub", end, self), weight))


def _add_product(op: str) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
        product = b.math(op, tensor1, tensor2)
        return b.math("Add", self, product if value == 1 else b.math("Mul", product, value))

    return translate


def _isfinite(b: Builder, self: Tensor) -> Tensor:
    return b.emit("Not", b.emit("Or", b.emit("IsInf", self), b.emit("IsNaN", self)))


def _isclose(b: Builder, self: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8) -> Tensor:
    room = b.math("Add", b.math("Mul", b.emit("Abs", other), rtol), atol)
    return b.math("LessOrEqual", b.emit("Abs", b.math("Sub", self, other)), room)


def _nan_to_num(b: Builder, self: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
    limits = np.finfo(b.dtype(self))
    filled = b.emit("Where", b.emit("IsNaN", self), b.tensor(nan or 0.0, b.dtype(self)), self)
    if posinf is None and neginf is None:
        return _clamp(b, filled, float(limits.min), float(limits.max))
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    filled = b.emit(
        "Where", b.emit("IsInf", filled, detect_negative=0), b.tensor(float(high), b.dtype(self)), filled
    )
    return b.emit("Where", b.emit("IsInf", filled), b.tensor(float(low), b.dtype(self)), filled)


def _to(b: Builder, self: Tensor, *how: Any, dtype: Any = None, **_: Any) -> Tensor:
    for argument in how:
        if isinstance(argument, Tensor):
            dtype = b.dtype(argument)
        elif isinstance(argument, int) and not isinstance(argument, bool) and dtype is None:
            dtype = argument
    if dtype is None:
        return self
    return b.cast(self, _of_code(dtype))


def _of_code(dtype: Any) -> Any:
    if isinstance(dtype, int):
        if dtype not in CODES:
            raise UncoveredError(f"torch's type number {dtype}")
        return CODES[dtype]
    return dtype


def _type_as(b: Builder, self: Tensor, other: Tensor) -> Tensor:
    return b.cast(self, b.dtype(other))


def _cast(name: str) -> Callable[..., Tensor]:
    return lambda b, self: b.cast(self, name)


def _same(b: Builder, self: Tensor, *_: Any, **__: Any) -> Tensor:
    return self


def _copied(b: Builder, self: Tensor, *_: Any, **__: Any) -> Tensor:
    return Tensor(b.read(self))


def _dropout(b: Builder, self: Tensor, p: float = 0.5, train: bool = False) -> Tensor:
    if train and p:
        raise UncoveredError("dropout as in training")
    return self


def _convert(b: Builder, self: Tensor, dtype: Any, *_: Any) -> Tensor:
    return b.cast(self, _of_code(dtype))


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    **{name.lower(): _float_unary(name) for name in (
        "Exp", "Log", "Sqrt", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh",
        "Sigmoid", "Tanh", "Erf", "Reciprocal",
    )},
    **{n.lower(): _unary(n) for n in ("Relu", "Neg", "Abs", "Floor", "Ceil", "IsNaN", "IsInf", "Softsign")},
    "negative": _unary("Neg"), "absolute": _unary("Abs"), "hardswish": _unary("HardSwish"),
    "logical_not": lambda b, self: b.emit("Not", as_bool(b, self)), "bitwise_not": _bitwise_not,
    "__not__": _bitwise_not,
    "add": _arithmetic("Add"), "sub": _arithmetic("Sub"), "mul": _arithmetic("Mul"), "subtract": _arithmetic("Sub"),
    "multiply": _arithmetic("Mul"), "rsub": _reversed("Sub"), "div": _div, "divide": _div, "true_divide": _div,
    "floor_divide": _floor_divide, "floordiv": _floor_divide, "__floordiv__": _floor_divide,
    "remainder": _remainder, "fmod": _fmod, "pow": _pow, "square": _square, "trunc": _trunc, "fix": _trunc,
    "round": _round, "sign": _sign, "sgn": _sign, "rsqrt": _rsqrt, "expm1": _expm1, "log1p": _log1p, "exp2": _exp2,
    "log2": _log_base(2), "log10": _log_base(10), "lerp": _lerp, "addcmul": _add_product("Mul"),
    "addcdiv": _add_product("Div"), "maximum": _pair("Max"), "minimum": _pair("Min"), "fmax": _pair("Max"),
    "fmin": _pair("Min"), "isfinite": _isfinite, "isclose": _isclose,
    "nan_to_num": _nan_to_num,
    "eq": _comparison("Equal"), "ne": _comparison("Equal", negate=True), "lt": _comparison("Less"),
    "le": _comparison("LessOrEqual"), "gt": _comparison("Greater"), "ge": _comparison("GreaterOrEqual"),
    "not_equal": _comparison("Equal", negate=True), "less": _comparison("Less"), "greater": _comparison("Greater"),
    "less_equal": _comparison("LessOrEqual"), "greater_equal": _comparison("GreaterOrEqual"),
    "logical_and": _logical("And"), "logical_or": _logical("Or"), "logical_xor": _logical("Xor"),
    "bitwise_and": _bitwise("And"), "bitwise_or": _bitwise("Or"), "bitwise_xor": _bitwise("Xor"),
    "__and__": _bitwise("And"), "__or__": _bitwise("Or"), "__xor__": _bitwise("Xor"),
    "clamp": _clamp, "clip": _clamp, "clamp_min": _clamp_min, "clamp_max": _clamp_max, "hardtanh": _hardtanh,
    "relu6": _relu6, "gelu": _gelu, "silu": _silu, "mish": _mish, "hardsigmoid": _hardsigmoid,
    "leaky_relu": _leaky_relu, "elu": _elu, "celu": _celu, "selu": _selu, "softplus": _softplus,
    "log_sigmoid": _log_sigmoid, "prelu": _prelu, "threshold": _threshold, "hardshrink": _hardshrink,
    "softshrink": _softshrink, "glu": _glu,
    "where": _where, "masked_fill": _masked_fill,
    "to": _to, "_to_copy": _to, "type_as": _type_as, "float": _cast("float32"), "double": _cast("float64"),
    "half": _cast("float16"), "long": _cast("int64"), "int": _cast("int32"), "bool": _cast("bool"),
    "convert_element_type": _convert,
    "contiguous": _same, "detach": _same, "alias": _same, "lift_fresh": _same, "lift": _same, "requires_grad_": _same,
    "lift_fresh_copy": _copied, "clone": _copied, "cpu": _same, "cuda": _same, "_assert_tensor_metadata": _same,
    "dropout": _dropout, "feature_dropout": _dropout, "alpha_dropout": _dropout, "feature_alpha_dropout": _dropout,
}  # fmt: skip
