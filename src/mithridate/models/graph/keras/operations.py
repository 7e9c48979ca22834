"""Operations of `keras.ops` in a functional model: arithmetic between tensors, written outside any layer.

Reference:
    Keras 3, keras.ops.numpy, keras.ops.nn and keras.ops.core; https://keras.io/api/ops/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.values import Tensor, UncoveredError
from mithridate.models.graph.keras.activations import gelu_approximate, softmax, unary
from mithridate.models.graph.keras.indexing import get_item, take
from mithridate.models.graph.keras.kit import FLOAT, Kind, Use, Value

__all__ = ["operations"]

#: of one tensor → operator.
_PLAIN: Final = {
    "Negative": "Neg", "Abs": "Abs", "Absolute": "Abs", "Exp": "Exp", "Log": "Log", "Sqrt": "Sqrt", "Floor": "Floor",
    "Ceil": "Ceil", "Round": "Round", "Sign": "Sign", "Sin": "Sin", "Cos": "Cos", "Tanh": "Tanh",
    "Reciprocal": "Reciprocal", "LogicalNot": "Not", "Erf": "Erf", "Sigmoid": "Sigmoid", "Identity": "Identity",
    "StopGradient": "Identity",
}  # fmt: skip
#: of two tensors → operator.
_PAIRS: Final = {
    "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div", "Maximum": "Max",
    "Minimum": "Min", "Power": "Pow", "Matmul": "MatMul", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual",
    "Less": "Less", "LessEqual": "LessOrEqual", "Equal": "Equal", "LogicalAnd": "And", "LogicalOr": "Or",
    "LogicalXor": "Xor",
}  # fmt: skip
_REDUCED: Final = {
    "Mean": "ReduceMean",
    "Max": "ReduceMax",
    "Min": "ReduceMin",
    "Sum": "ReduceSum",
    "Prod": "ReduceProd",
}
_MOST_CLASSES: Final = 1 << 20
_LOGICAL: Final = ("And", "Or", "Xor")
_NAMED: Final = {
    "Relu": "relu", "Relu6": "relu6", "Silu": "silu", "Softplus": "softplus", "Softsign": "softsign", "Selu": "selu",
    "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "HardTanh": "hard_tanh", "Mish": "mish",
    "LogSigmoid": "log_sigmoid",
}  # fmt: skip


def operations() -> dict[str, Kind]:
    """Class → how it is translated."""
    return {
        **{name: Kind(_each(op)) for name, op in _PLAIN.items()},
        **{name: Kind(_pair(op)) for name, op in _PAIRS.items()},
        **{name: Kind(_reduced(op)) for name, op in _REDUCED.items()},
        **{name: Kind(_activation(function)) for name, function in _NAMED.items()},
        "Any": Kind(_truth("ReduceMax")), "All": Kind(_truth("ReduceMin")), "NotEqual": Kind(_differ),
        "Square": Kind(_square), "Rsqrt": Kind(_inverse_root), "Clip": Kind(_clip), "Where": Kind(_where),
        "Cast": Kind(_cast), "Softmax": Kind(_soft(False)), "LogSoftmax": Kind(_soft(True)), "Gelu": Kind(_gelu),
        "LeakyRelu": Kind(_leaky), "Elu": Kind(_elu), "Reshape": Kind(_reshape), "Transpose": Kind(_transpose),
        "Squeeze": Kind(_squeeze), "ExpandDims": Kind(_expand), "Concatenate": Kind(_concatenate),
        "Stack": Kind(_stack), "GetItem": Kind(get_item), "Take": Kind(take), "Argmax": Kind(_argmax),
        "OneHot": Kind(_one_hot),
    }  # fmt: skip


def _tensor(use: Use, thing: Any, dtype: np.dtype[Any] | None = None) -> Tensor:
    """An argument as a tensor: numbers become constants of the type of what they meet."""
    if isinstance(thing, Value):
        plain = use.kit.plain(thing)
        return plain if dtype is None else use.kit.b.cast(plain, dtype)
    array = np.asarray(thing)
    if array.dtype.kind not in "fiub":
        raise UncoveredError("an argument that is no number")
    if dtype is None:
        dtype = FLOAT if array.dtype.kind == "f" else array.dtype
    return use.kit.b.literal(array.astype(dtype))


def _argument(use: Use, at: int, name: str, default: Any = None) -> Any:
    """An argument, wherever it stands."""
    if at < len(use.args):
        return use.args[at]
    return use.kwargs.get(name, use.layer.config.get(name, default))


def _each(op: str) -> Callable[[Use], Value]:
    return lambda use: use.kit.each(use.x, lambda t: use.kit.b.emit(op, t))


def _activation(name: str) -> Callable[[Use], Value]:
    return lambda use: use.kit.each(use.x, lambda t: unary(name)(use.kit, t))


def _both(use: Use) -> tuple[Any, Any]:
    given = [*use.args, *(use.kwargs[name] for name in ("x1", "x2") if name in use.kwargs)]
    if len(given) != 2:
        raise UncoveredError(f"{len(given)} arguments where there should be two")
    return given[0], given[1]


def _pair(op: str) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        k, pair = use.kit, _both(use)
        if op in _LOGICAL:
            return Value(k.b.emit(op, *(_tensor(use, part, np.dtype(np.bool_)) for part in pair)))
        kinds = [k.b.dtype(k.plain(part)) for part in pair if isinstance(part, Value)]
        numbers = [part for part in pair if not isinstance(part, Value)]
        wide = kinds[0] if len(kinds) == 1 else np.result_type(*kinds)
        if op == "Div" or any(np.asarray(n).dtype.kind == "f" for n in numbers) or wide.kind == "f":
            wide = FLOAT
        if (
            op != "MatMul"
            and all(isinstance(part, Value) for part in pair)
            and len(set(kinds)) == 1
            and wide in kinds
        ):
            return k.together(list(pair), lambda ts: k.b.emit(op, *ts))
        return Value(k.b.emit(op, *(_tensor(use, part, wide) for part in pair)))

    return build


def _differ(use: Use) -> Value:
    return Value(use.kit.b.emit("Not", use.kit.plain(_pair("Equal")(use))))


def _axes(use: Use) -> tuple[int, ...] | None:
    axis = use.layer.config.get("axis")
    return None if axis is None else tuple(int(a) for a in (axis if isinstance(axis, list) else [axis]))


def _reduced(op: str) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        if use.layer.config.get("initial") is not None:
            raise UncoveredError("a reduction with a first value")
        k, axes, keep = use.kit, _axes(use), int(bool(use.layer.config.get("keepdims", False)))
        plain = k.plain(k.float(use.x) if op == "ReduceMean" else use.x)
        if op == "ReduceSum":
            rows = None if axes is None else np.asarray(axes, dtype=np.int64)
            return Value(k.b.emit(op, plain, rows, keepdims=keep))
        return Value(k.b.emit(op, plain, axes=axes, keepdims=keep))

    return build


def _truth(op: str) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        k, keep = use.kit, int(bool(use.layer.config.get("keepdims", False)))
        whole = k.b.cast(k.b.cast(k.plain(use.x), np.bool_), np.int32)
        return Value(k.b.cast(k.b.emit(op, whole, axes=_axes(use), keepdims=keep), np.bool_))

    return build


def _square(use: Use) -> Value:
    return use.kit.each(use.x, lambda t: use.kit.b.emit("Mul", t, t))


def _inverse_root(use: Use) -> Value:
    return use.kit.each(use.x, lambda t: use.kit.b.emit("Reciprocal", use.kit.b.emit("Sqrt", t)))


def _clip(use: Use) -> Value:
    low, high = _argument(use, 1, "x_min"), _argument(use, 2, "x_max")
    bounds = [None if bound is None else use.kit.number(bound) for bound in (low, high)]
    return use.kit.each(use.kit.float(use.x), lambda t: use.kit.b.emit("Clip", t, *bounds))


def _where(use: Use) -> Value:
    given = [*use.args, *(use.kwargs[name] for name in ("x1", "x2") if name in use.kwargs)]
    if len(given) != 3:
        raise UncoveredError("Where without two answers")
    k = use.kit
    kinds = [k.b.dtype(k.plain(part)) for part in given[1:] if isinstance(part, Value)]
    dtype = np.result_type(*kinds) if kinds else FLOAT
    return Value(
        k.b.emit(
            "Where", _tensor(use, given[0], np.dtype(np.bool_)), *(_tensor(use, p, dtype) for p in given[1:])
        )
    )


def _cast(use: Use) -> Value:
    dtype = np.dtype(str(_argument(use, 1, "dtype")))
    dtype = FLOAT if dtype.kind == "f" else dtype
    return use.kit.each(use.x, lambda t: use.kit.b.cast(t, dtype))


def _soft(log: bool) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        axis = _argument(use, 1, "axis", -1)
        if not isinstance(axis, int):
            raise UncoveredError("a softmax over several axes")
        return softmax(use.kit, use.x, axis, log=log)

    return build


def _gelu(use: Use) -> Value:
    k = use.kit
    if _argument(use, 1, "approximate", True):
        return k.each(use.x, lambda t: gelu_approximate(k, t))
    return k.each(use.x, lambda t: unary("gelu")(k, t))


def _leaky(use: Use) -> Value:
    slope = float(_argument(use, 1, "negative_slope", 0.2))
    return use.kit.each(use.x, lambda t: use.kit.b.emit("LeakyRelu", t, alpha=slope))


def _elu(use: Use) -> Value:
    alpha = float(_argument(use, 1, "alpha", 1.0))
    return use.kit.each(use.x, lambda t: use.kit.b.emit("Elu", t, alpha=alpha))


def _whole(thing: Any) -> list[int]:
    if not isinstance(thing, list | int) or any(not isinstance(v, int) for v in np.ravel(thing).tolist()):
        raise UncoveredError("a shape that is computed")
    return [int(v) for v in np.ravel(thing).tolist()]


def _reshape(use: Use) -> Value:
    shape = _whole(_argument(use, 1, "newshape"))
    return Value(use.kit.reshape(use.kit.plain(use.x), shape))


def _transpose(use: Use) -> Value:
    k, axes = use.kit, _argument(use, 1, "axes")
    order = tuple(_whole(axes)) if axes is not None else tuple(reversed(range(k.rank(use.x))))
    return Value(k.b.emit("Transpose", k.plain(use.x), perm=order))


def _squeeze(use: Use) -> Value:
    axis = _argument(use, 1, "axis")
    rows = None if axis is None else np.asarray(_whole(axis), dtype=np.int64)
    return Value(use.kit.b.emit("Squeeze", use.kit.plain(use.x), rows))


def _expand(use: Use) -> Value:
    rows = np.asarray(_whole(_argument(use, 1, "axis")), dtype=np.int64)
    return Value(use.kit.b.emit("Unsqueeze", use.kit.plain(use.x), rows))


def _listed(use: Use) -> Sequence[Any]:
    given = use.args[0] if use.args else None
    if not isinstance(given, list) or not given:
        raise UncoveredError("nothing that could be put together")
    return given


def _concatenate(use: Use) -> Value:
    axis = int(_argument(use, 1, "axis", -1) or 0)
    return Value(use.kit.b.emit("Concat", *(_tensor(use, part) for part in _listed(use)), axis=axis))


def _stack(use: Use) -> Value:
    k, axis = use.kit, int(_argument(use, 1, "axis", 0) or 0)
    parts = [k.b.emit("Unsqueeze", _tensor(use, part), np.asarray([axis])) for part in _listed(use)]
    return Value(k.b.emit("Concat", *parts, axis=axis))


def _argmax(use: Use) -> Value:
    axis = _argument(use, 1, "axis")
    if not isinstance(axis, int):
        raise UncoveredError("a place among all values")
    keep = int(bool(use.layer.config.get("keepdims", False)))
    return Value(use.kit.b.emit("ArgMax", use.kit.plain(use.x), axis=axis, keepdims=keep))


def _one_hot(use: Use) -> Value:
    """By comparison with all classes, which gradients and runtimes know better than the operator of this name."""
    k, count = use.kit, int(_argument(use, 1, "num_classes"))
    if int(use.layer.config.get("axis", -1)) != -1 or not 0 < count <= _MOST_CLASSES:
        raise UncoveredError("one-hot along another axis than the last, or of very many classes")
    places = k.b.emit("Unsqueeze", k.b.cast(k.plain(use.x), np.int64), np.asarray([-1]))
    return Value(k.b.cast(k.b.emit("Equal", places, np.arange(count, dtype=np.int64)), FLOAT))
