"""Arithmetic between tensors in functional models of Keras 2: functions of TensorFlow, each a layer of its own.

Reference:
    Keras 2, keras.layers.core.tf_op_layer (TFOpLambda, SlicingOpLambda).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mithridate.models.graph.aten.values import UncoveredError
from mithridate.models.graph.keras.kit import Kind, Use, Value
from mithridate.models.graph.keras.operations import operations

__all__ = ["tensorflow_layers"]

#: function → operation of Keras 3, and what its arguments are called there.
_FUNCTIONS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "math.add": ("Add", {}), "__operators__.add": ("Add", {}), "math.subtract": ("Subtract", {}),
    "math.multiply": ("Multiply", {}), "math.truediv": ("Divide", {}), "math.divide": ("Divide", {}),
    "math.maximum": ("Maximum", {}), "math.minimum": ("Minimum", {}), "math.pow": ("Power", {}),
    "math.greater": ("Greater", {}), "math.greater_equal": ("GreaterEqual", {}), "math.less": ("Less", {}),
    "math.less_equal": ("LessEqual", {}), "math.equal": ("Equal", {}), "math.logical_and": ("LogicalAnd", {}),
    "math.logical_or": ("LogicalOr", {}), "math.logical_not": ("LogicalNot", {}), "linalg.matmul": ("Matmul", {}),
    "math.abs": ("Abs", {}), "math.negative": ("Negative", {}), "math.exp": ("Exp", {}), "math.log": ("Log", {}),
    "math.sqrt": ("Sqrt", {}), "math.square": ("Square", {}), "math.rsqrt": ("Rsqrt", {}), "math.sign": ("Sign", {}),
    "math.floor": ("Floor", {}), "math.ceil": ("Ceil", {}), "math.round": ("Round", {}), "math.tanh": ("Tanh", {}),
    "math.sigmoid": ("Sigmoid", {}), "nn.sigmoid": ("Sigmoid", {}), "nn.relu": ("Relu", {}), "nn.relu6": ("Relu6", {}),
    "nn.silu": ("Silu", {}), "nn.softmax": ("Softmax", {}), "nn.log_softmax": ("LogSoftmax", {}),
    "identity": ("Identity", {}), "stop_gradient": ("StopGradient", {}), "cast": ("Cast", {}),
    "math.reduce_mean": ("Mean", {}), "math.reduce_sum": ("Sum", {}), "math.reduce_max": ("Max", {}),
    "math.reduce_min": ("Min", {}), "math.reduce_prod": ("Prod", {}), "math.reduce_any": ("Any", {}),
    "math.reduce_all": ("All", {}), "reshape": ("Reshape", {"shape": "newshape"}),
    "transpose": ("Transpose", {"perm": "axes"}), "squeeze": ("Squeeze", {}), "expand_dims": ("ExpandDims", {}),
    "concat": ("Concatenate", {}), "stack": ("Stack", {}), "where": ("Where", {"x": "x1", "y": "x2"}),
    "clip_by_value": ("Clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "math.argmax": ("Argmax", {}), "one_hot": ("OneHot", {"depth": "num_classes"}),
}  # fmt: skip
#: arguments that are a second tensor or number.
_SECOND: Final = ("y", "b")
#: say nothing about the answer.
_SILENT: Final = ("name", "conjugate")


def tensorflow_layers() -> dict[str, Kind]:
    """Class → how it is translated."""
    known = operations()
    return {
        "TFOpLambda": Kind(lambda use: _function(use, known)),
        "SlicingOpLambda": Kind(lambda use: _part(use, known)),
    }


def _function(use: Use, known: dict[str, Kind]) -> Value:
    name = str(use.get("function", ""))
    if name not in _FUNCTIONS:
        raise UncoveredError(f"the function tf.{name[:60]}")
    kind, names = _FUNCTIONS[name]
    told = {
        names.get(key, key): part
        for key, part in use.kwargs.items()
        if part is not None and key not in _SILENT
    }
    seconds = [told.pop(key) for key in _SECOND if key in told]
    wanted = ("axis", "keepdims", "newshape", "axes", "dtype", "x_min", "x_max", "num_classes")
    config = {
        "axis": 0 if kind in ("Stack", "Argmax") else None,
        **{key: told.pop(key) for key in wanted if key in told},
    }
    if kind in ("Softmax", "LogSoftmax") and config["axis"] is None:
        config["axis"] = -1
    made = replace(use, layer=_as(use, kind, config), args=(*use.args, *seconds), kwargs=told)
    if told and kind != "Where":
        raise UncoveredError(f"tf.{name} with {', '.join(sorted(told))[:60]}")
    return known[kind].build(made)


def _part(use: Use, known: dict[str, Kind]) -> Value:
    """x[...]; slices are {"start", "stop", "step"}."""
    key = use.kwargs.get("slice_spec")
    if use.get("function") != "__operators__.getitem" or key is None:
        raise UncoveredError("a part of a tensor that is not told")
    parts = [_slice(part) for part in (key if isinstance(key, list) else [key])]
    return known["GetItem"].build(replace(use, layer=_as(use, "GetItem", {}), args=(use.x, parts), kwargs={}))


def _slice(part: Any) -> Any:
    if isinstance(part, dict) and set(part) == {"start", "stop", "step"}:
        return slice(part["start"], part["stop"], part["step"])
    if isinstance(part, dict) and part.get("type") == "Ellipsis":
        return Ellipsis
    if isinstance(part, str) and part in ("...", "Ellipsis"):
        return Ellipsis
    return part


def _as(use: Use, kind: str, config: dict[str, Any]) -> Any:
    told = {key: value for key, value in config.items() if value is not None or key == "axis"}
    return replace(use.layer, kind=kind, operation=True, config=told)
