"""Operators that make one number out of many.

Reference:
    ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mithridate.models.graph.torch_ops.call import Call, Operator

__all__ = ["reductions"]


def reductions() -> dict[str, Operator]:
    """Name → operator."""
    import torch

    kinds: dict[str, Callable[[Any, tuple[int, ...], bool], Any]] = {
        "ReduceMean": torch.mean,
        "ReduceSum": torch.sum,
        "ReduceMax": torch.amax,
        "ReduceMin": torch.amin,
        "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keep),
        "ReduceL2": lambda x, axes, keep: (x * x).sum(axes, keep).sqrt(),
        "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axes, keep),
        "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keep).log(),
        "ReduceLogSumExp": torch.logsumexp,
        "ReduceProd": _product,
    }
    return {
        **{name: _over(function) for name, function in kinds.items()},
        "ArgMax": _placed(torch.argmax),
        "ArgMin": _placed(torch.argmin),
    }


def _over(function: Callable[[Any, tuple[int, ...], bool], Any]) -> Operator:
    def run(call: Call) -> Any:
        x, axes = call.x[0], call.whole(1, "axes")
        if not axes:
            if call.get("noop_with_empty_axes", 0):
                return x
            axes = list(range(x.ndim))
        return function(x, tuple(axes), bool(call.get("keepdims", 1)))

    return run


def _product(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keep)
    return x


def _placed(function: Callable[..., Any]) -> Operator:
    def run(call: Call) -> Any:
        if call.get("select_last_index", 0):
            raise call.refuse("of the last index")
        return function(call.x[0], dim=int(call.get("axis", 0)), keepdim=bool(call.get("keepdims", 1)))

    return run
