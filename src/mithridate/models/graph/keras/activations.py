"""Functions of single numbers, and softmax.

Reference:
    Keras 3, keras.activations and keras.ops.nn; https://keras.io/api/layers/activations/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from mithridate.models.graph.aten.values import Tensor, UncoveredError
from mithridate.models.graph.keras.kit import Kind, Kit, Use, Value

__all__ = ["activated", "activation_layers", "softmax", "unary"]

Function: TypeAlias = Callable[[Kit, Tensor], Tensor]


def _op(name: str, **attributes: Any) -> Function:
    return lambda k, t: k.b.emit(name, t, **attributes)


def _clip(k: Kit, t: Tensor, low: float | None, high: float | None) -> Tensor:
    bounds = [None if bound is None else k.number(bound) for bound in (low, high)]
    return k.b.emit("Clip", t, *bounds)


def _silu(k: Kit, t: Tensor) -> Tensor:
    return k.b.emit("Mul", t, k.b.emit("Sigmoid", t))


def _gelu(k: Kit, t: Tensor) -> Tensor:
    bell = k.b.emit("Erf", k.b.emit("Mul", t, k.number(math.sqrt(0.5))))
    return k.b.emit("Mul", k.b.emit("Mul", t, k.number(0.5)), k.b.emit("Add", bell, k.number(1.0)))


def gelu_approximate(k: Kit, t: Tensor) -> Tensor:
    """0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    cube = k.b.emit("Mul", k.b.emit("Mul", t, t), k.b.emit("Mul", t, k.number(0.044715)))
    inner = k.b.emit("Mul", k.b.emit("Add", t, cube), k.number(math.sqrt(2 / math.pi)))
    half = k.b.emit("Mul", t, k.number(0.5))
    return k.b.emit("Mul", half, k.b.emit("Add", k.b.emit("Tanh", inner), k.number(1.0)))


def _mish(k: Kit, t: Tensor) -> Tensor:
    return k.b.emit("Mul", t, k.b.emit("Tanh", k.b.emit("Softplus", t)))


def _hard_sigmoid(k: Kit, t: Tensor) -> Tensor:
    """Keras 3 has another slope than those before it."""
    return k.b.emit("HardSigmoid", t, alpha=0.2 if k.version == 2 else 1 / 6, beta=0.5)


def _hard_silu(k: Kit, t: Tensor) -> Tensor:
    return k.b.emit("Mul", t, k.b.emit("HardSigmoid", t, alpha=1 / 6, beta=0.5))


_FUNCTIONS: Final[Mapping[str, Function]] = {
    "linear": lambda k, t: t, "relu": _op("Relu"), "sigmoid": _op("Sigmoid"), "tanh": _op("Tanh"),
    "softplus": _op("Softplus"), "softsign": _op("Softsign"), "exponential": _op("Exp"), "exp": _op("Exp"),
    "elu": _op("Elu", alpha=1.0), "selu": _op("Selu"), "gelu": _gelu, "silu": _silu, "swish": _silu, "mish": _mish,
    "relu6": lambda k, t: _clip(k, t, 0.0, 6.0), "hard_tanh": lambda k, t: _clip(k, t, -1.0, 1.0),
    "hard_sigmoid": _hard_sigmoid, "hard_silu": _hard_silu, "hard_swish": _hard_silu,
    "leaky_relu": _op("LeakyRelu", alpha=0.2), "log_sigmoid": lambda k, t: k.b.emit("Log", k.b.emit("Sigmoid", t)),
}  # fmt: skip


def unary(name: str) -> Function:
    """A function by its name in Keras.

    Raises:
        UncoveredError: none of this name is known.
    """
    if name not in _FUNCTIONS:
        raise UncoveredError(f"the activation {name[:60]!r}")
    return _FUNCTIONS[name]


def softmax(k: Kit, value: Value, axis: int = -1, *, log: bool = False) -> Value:
    """Softmax along an axis of Keras' order."""
    return Value(k.b.emit("LogSoftmax" if log else "Softmax", k.plain(value), axis=axis))


def activated(use: Use, value: Value, spec: Any = "linear") -> Value:
    """What the activation that a layer ends with makes of its answer.

    Args:
        use: of the layer.
        value: before the activation.
        spec: as descriptions say it: a name, a function of Keras, or a layer.

    Raises:
        UncoveredError: it is not known.
    """
    name = spec
    if isinstance(spec, dict):
        config = spec.get("config")
        if isinstance(config, dict):
            layer = Use(
                kit=use.kit,
                layer=_inner(use, spec),
                path=use.path,
                args=(value,),
                kwargs={},
                fetch=lambda _: [],
            )
            kind = activation_layers().get(str(spec.get("class_name")))
            if kind is None or kind.variables(layer.layer):
                raise UncoveredError(f"the activation {str(spec.get('class_name'))[:60]!r}")
            return kind.build(layer)
        name = config
    name = str(name)
    if name in ("softmax", "log_softmax"):
        return softmax(use.kit, value, log=name == "log_softmax")
    return use.kit.each(value, lambda t: unary(name)(use.kit, t))


def _inner(use: Use, spec: Mapping[str, Any]) -> Any:
    from dataclasses import replace

    return replace(use.layer, kind=str(spec.get("class_name")), config=spec["config"], calls=())


def activation_layers() -> dict[str, Kind]:
    """Class → how it is translated."""
    return {
        "Activation": Kind(lambda use: activated(use, use.x, use.get("activation", "linear"))),
        "ReLU": Kind(_relu),
        "LeakyReLU": Kind(lambda use: _simple(use, "LeakyRelu", _slope(use, 0.3))),
        "ELU": Kind(lambda use: _simple(use, "Elu", float(use.get("alpha", 1.0)))),
        "ThresholdedReLU": Kind(lambda use: _simple(use, "ThresholdedRelu", float(use.get("theta", 1.0)))),
        "Softmax": Kind(_softmax_layer),
        "PReLU": Kind(_prelu, lambda layer: (("alpha", True),)),
    }


def _slope(use: Use, default: float) -> float:
    return float(use.get("negative_slope", use.get("alpha", default)))


def _simple(use: Use, op: str, alpha: float) -> Value:
    return use.kit.each(use.x, lambda t: use.kit.b.emit(op, t, alpha=alpha))


def _relu(use: Use) -> Value:
    k, slope = use.kit, float(use.get("negative_slope", 0.0))
    most, threshold = use.get("max_value"), float(use.get("threshold", 0.0))
    if threshold:
        raise UncoveredError("ReLU with a threshold")

    def run(t: Tensor) -> Tensor:
        if slope:
            t = k.b.emit("LeakyRelu", t, alpha=slope)
            return t if most is None else _clip(k, t, None, float(most))
        return k.b.emit("Relu", t) if most is None else _clip(k, t, 0.0, float(most))

    return k.each(use.x, run)


def _softmax_layer(use: Use) -> Value:
    axis = use.get("axis", -1)
    if isinstance(axis, list):
        if len(axis) != 1:
            raise UncoveredError("Softmax over several axes")
        axis = axis[0]
    if any(value is not None for value in (*use.args[1:], *use.kwargs.values())):
        raise UncoveredError("Softmax with a mask")
    return softmax(use.kit, use.x, int(axis))


def _prelu(use: Use) -> Value:
    k, dims = use.kit, use.kit.dims(use.x)
    shared = {int(axis) % len(dims) for axis in use.get("shared_axes", [])}
    shape = tuple(1 if axis in shared else d if isinstance(d, int) else None for axis, d in enumerate(dims))[
        1:
    ]
    (alpha,) = use.fetch([("alpha", shape)])
    if use.x.first is not None:
        slope = use.held("alpha, channels first", alpha, lambda a: np.moveaxis(a, -1, 0))
        return Value(first=k.b.emit("PRelu", use.x.first, slope))
    return Value(k.b.emit("PRelu", k.plain(use.x), use.held("alpha", alpha)))
