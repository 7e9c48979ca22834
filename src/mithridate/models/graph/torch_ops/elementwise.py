"""Operators that look at one value at a time.

Reference:
    ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from mithridate.models.graph.torch_ops.call import Call, Operator

__all__ = ["elementwise"]


def elementwise() -> dict[str, Operator]:
    """Name → operator."""
    return {
        **_plain(),
        **_shaped(),
        **_pairs(),
        "Clip": _clip,
        "Cast": _cast,
        "CastLike": _cast,
        "Where": _where,
    }


def _unary(function: Callable[[Any], Any]) -> Operator:
    return lambda call: function(call.x[0])


def _plain() -> dict[str, Operator]:
    import torch
    from torch.nn import functional as f

    plain: dict[str, Callable[[Any], Any]] = {
        "Relu": torch.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Exp": torch.exp, "Log": torch.log,
        "Sqrt": torch.sqrt, "Abs": torch.abs, "Neg": torch.neg, "Reciprocal": torch.reciprocal, "Erf": torch.erf,
        "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round, "Sign": torch.sign, "Sin": torch.sin,
        "Cos": torch.cos, "Softplus": f.softplus, "Softsign": f.softsign, "Mish": f.mish, "HardSwish": f.hardswish,
        "Not": torch.logical_not, "Identity": lambda x: x, "Dropout": lambda x: x,
    }  # fmt: skip
    return {name: _unary(function) for name, function in plain.items()}


def _shaped() -> dict[str, Operator]:
    import torch
    from torch.nn import functional as f

    def selu(call: Call) -> Any:
        alpha, gamma = call.get("alpha", 1.6732632423543772), call.get("gamma", 1.0507009873554805)
        return gamma * f.elu(call.x[0], alpha)

    def prelu(call: Call) -> Any:
        x, slope = call.x
        return torch.where(x < 0, slope * x, x)

    return {
        "LeakyRelu": lambda call: f.leaky_relu(call.x[0], call.get("alpha", 0.01)),
        "Elu": lambda call: f.elu(call.x[0], call.get("alpha", 1.0)),
        "Celu": lambda call: f.celu(call.x[0], call.get("alpha", 1.0)),
        "Selu": selu,
        "PRelu": prelu,
        "ThresholdedRelu": lambda call: torch.where(call.x[0] > call.get("alpha", 1.0), call.x[0], 0.0),
        "HardSigmoid": lambda call: (call.get("alpha", 0.2) * call.x[0] + call.get("beta", 0.5)).clamp(0, 1),
        "Gelu": lambda call: f.gelu(call.x[0], approximate=call.text("approximate", "none")),
    }


def _pairs() -> dict[str, Operator]:
    import torch

    def many(function: Callable[[Any, Any], Any]) -> Operator:
        return lambda call: reduce(function, call.x)

    def divide(call: Call) -> Any:
        a, b = call.x
        return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")

    def modulo(call: Call) -> Any:
        return torch.fmod(*call.x) if call.get("fmod", 0) else torch.remainder(*call.x)

    return {
        "Add": many(torch.add), "Sub": many(torch.sub), "Mul": many(torch.mul), "Sum": many(torch.add),
        "Max": many(torch.maximum), "Min": many(torch.minimum), "Equal": many(torch.eq), "Greater": many(torch.gt),
        "Less": many(torch.lt), "GreaterOrEqual": many(torch.ge), "LessOrEqual": many(torch.le),
        "And": many(torch.logical_and), "Or": many(torch.logical_or), "Xor": many(torch.logical_xor),
        "Mean": lambda call: reduce(torch.add, call.x) / len(call.x),
        "Pow": lambda call: torch.pow(*call.x).to(call.x[0].dtype),
        "Div": divide,
        "Mod": modulo,
    }  # fmt: skip


def _clip(call: Call) -> Any:
    low = call.get("min") if call.at(1) is None else call.at(1)
    high = call.get("max") if call.at(2) is None else call.at(2)
    return call.x[0] if low is None and high is None else call.x[0].clamp(low, high)


def _cast(call: Call) -> Any:
    import torch

    if call.node.op == "CastLike":
        return call.x[0].to(call.x[1].dtype)
    # numbers of onnx.TensorProto.DataType
    kinds = {
        1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64,
        9: torch.bool, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16,
    }  # fmt: skip
    to = int(call.get("to", 1))
    if to not in kinds:
        raise call.refuse(f"to type {to}")
    return call.x[0].to(kinds[to])


def _where(call: Call) -> Any:
    import torch

    return torch.where(*call.x)
