"""The last linear layer of a model, where nothing that mixes classes stands between it and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.models.graph.ir import Graph, Node

__all__ = ["Head", "head_of"]

Floats = NDArray[np.float64]

#: keep classes apart and in order.
_THROUGH = frozenset((
    "Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Flatten", "Reshape", "Squeeze", "Dropout", "Relu", "Clip",
    "GlobalAveragePool", "AveragePool", "ReduceMean",
))  # fmt: skip
_FAR = 32  # operators between the layer and the answer


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """The layer that gives each class its logit.

    Attributes:
        weights: (classes, features), float64 and finite.
        bias: (classes,).
    """

    weights: Floats
    bias: Floats


def head_of(graph: Graph, output: str | None = None) -> Head | None:
    """Find the last linear layer: Gemm, MatMul with or without Add, or a convolution of 1x1.

    Args:
        graph: of the model.
        output: name of the answer; None takes the first.

    Returns:
        None where there is none: the answer comes from several branches, from trees, or through something else.
    """
    name = output or next(iter(graph.outputs))
    factor, shift = np.ones(1), np.zeros(1)  # of what stands behind the layer
    for _ in range(_FAR):
        node = graph.producer.get(name)
        if node is None:
            return None
        linear = _linear(graph, node)
        if linear is not None:
            return _finished(linear[0] * factor[:, None], linear[1] * factor + shift)
        if node.op in _THROUGH:
            name = node.inputs[0]
            continue
        step = _affine(graph, node)
        if step is None:
            return None
        name, times, plus = step
        factor, shift = factor * times, shift + factor * plus
    return None


def _affine(graph: Graph, node: Node) -> tuple[str, Floats, Floats] | None:
    """What is computed on, and what it is multiplied by and what is added: one constant, or one for each class."""
    if node.op not in ("Add", "Sub", "Mul", "Div") or len(node.inputs) != 2:
        return None
    left, right = node.inputs
    value = _values(graph, right)
    if value is None and node.op in ("Add", "Mul"):
        left, right = right, left
        value = _values(graph, right)
    if value is None:
        return None
    number: Floats = value.astype(np.float64).ravel()
    one, none = np.ones(1), np.zeros(1)
    steps = {
        "Add": (one, number),
        "Sub": (one, -number),
        "Mul": (number, none),
        "Div": (1 / np.where(number == 0, np.nan, number), none),
    }
    return left, *steps[node.op]


def _linear(graph: Graph, node: Node) -> tuple[Floats, Floats] | None:
    """(classes, features) and (classes,) of an operator that is a linear layer."""
    if node.op not in ("Gemm", "MatMul", "Conv") or len(node.inputs) < 2:
        return None
    weights = _values(graph, node.inputs[1])
    if weights is None or _values(graph, node.inputs[0]) is not None:
        return None
    bias = None
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = _values(graph, node.inputs[2])
        if bias is None:
            return None
    scale, offset = 1.0, 1.0
    if node.op == "Conv":
        if node.attributes.get("group", 1) != 1 or any(side != 1 for side in weights.shape[2:]):
            return None
        weights = weights.reshape(weights.shape[:2])
    elif weights.ndim != 2:
        return None
    elif node.op == "Gemm":
        scale, offset = (float(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
        weights = weights if node.attributes.get("transB", 0) else weights.T
    else:
        weights = weights.T
    found = np.zeros(len(weights)) if bias is None else offset * bias.astype(np.float64).ravel()
    return scale * weights.astype(np.float64), found


def _finished(weights: Floats, bias: Floats) -> Head | None:
    bias = np.broadcast_to(bias, len(weights)) if len(bias) == 1 else bias
    if min(weights.shape) < 2 or bias.shape != (len(weights),):
        return None
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        return None
    return Head(weights=weights, bias=bias)


def _values(graph: Graph, name: str) -> NDArray[Any] | None:
    """What is constant, also where it is transposed or passed on only."""
    value = graph.value_of(name)
    node = graph.producer.get(name)
    if value is not None or node is None or node.op not in ("Transpose", "Identity"):
        return value
    inner = _values(graph, node.inputs[0])
    return (
        inner if inner is None or node.op == "Identity" else np.transpose(inner, node.attributes.get("perm"))
    )
