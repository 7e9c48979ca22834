"""Pooling, and how windows are padded; resizing.

Reference:
    ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mithridate.models.graph.torch_ops.call import Call, Operator, bounded

__all__ = ["padding", "windows"]


def windows() -> dict[str, Operator]:
    """Name → operator."""
    return {
        "MaxPool": _max_pool,
        "AveragePool": _average_pool,
        "GlobalAveragePool": lambda call: call.x[0].mean(tuple(range(2, call.x[0].ndim)), keepdim=True),
        "GlobalMaxPool": lambda call: call.x[0].amax(tuple(range(2, call.x[0].ndim)), keepdim=True),
        "Resize": _resize,
        "Upsample": _resize,
    }


def padding(
    call: Call, sides: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...]:
    """How many values are put before and then after each axis."""
    rank, auto = len(sides), call.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return tuple(call.get("pads", (0,) * (2 * rank)))
    if auto == "VALID":
        return (0,) * (2 * rank)
    before, after = [], []
    for side, size, stride, dilation in zip(sides, kernel, strides, dilations, strict=True):
        whole = max(0, (math.ceil(side / stride) - 1) * stride + dilation * (size - 1) + 1 - side)
        small, large = whole // 2, whole - whole // 2
        before.append(large if auto == "SAME_LOWER" else small)
        after.append(small if auto == "SAME_LOWER" else large)
    return (*before, *after)


def _window(call: Call) -> tuple[list[int], list[int], list[int], tuple[int, ...]]:
    """Kernel, strides, dilations and padding."""
    kernel = list(call.get("kernel_shape"))
    rank = len(kernel)
    if rank not in (1, 2, 3):
        raise call.refuse(f"over {rank} axes")
    strides, dilations = list(call.get("strides", (1,) * rank)), list(call.get("dilations", (1,) * rank))
    return kernel, strides, dilations, padding(call, call.x[0].shape[2:], kernel, strides, dilations)


def _padded(x: Any, pads: tuple[int, ...], value: float) -> Any:
    from torch.nn import functional as f

    rank = len(pads) // 2
    if not any(pads):
        return x
    return f.pad(
        x, [side for k in range(rank - 1, -1, -1) for side in (pads[k], pads[k + rank])], value=value
    )


def _max_pool(call: Call) -> Any:
    from torch.nn import functional as f

    if len([name for name in call.node.outputs if name]) > 1:
        raise call.refuse("with places")
    kernel, strides, dilations, pads = _window(call)
    pool = (f.max_pool1d, f.max_pool2d, f.max_pool3d)[len(kernel) - 1]
    x = _padded(call.x[0], pads, -math.inf)
    return pool(x, kernel, strides, 0, dilations, ceil_mode=bool(call.get("ceil_mode", 0)))


def _average_pool(call: Call) -> Any:
    import torch
    from torch.nn import functional as f

    kernel, strides, dilations, pads = _window(call)
    if any(step != 1 for step in dilations) or (call.get("ceil_mode", 0) and any(pads)):
        raise call.refuse("with holes, or rounded up with a border,")
    pool = (f.avg_pool1d, f.avg_pool2d, f.avg_pool3d)[len(kernel) - 1]
    mode = bool(call.get("ceil_mode", 0))
    means = pool(_padded(call.x[0], pads, 0.0), kernel, strides, 0, mode)
    if not any(pads) or call.get("count_include_pad", 0):
        return means
    there = pool(_padded(torch.ones_like(call.x[0][:1, :1]), pads, 0.0), kernel, strides, 0, mode)
    return means / there


def _resize(call: Call) -> Any:
    x = call.x[0]
    old = list(x.shape)
    new, scales = _sizes(call, old)
    bounded(call, math.prod(new))
    mode = call.text("mode", "nearest")
    if mode not in ("nearest", "linear") or call.get("axes") is not None or call.get("antialias", 0):
        raise call.refuse(f"of mode {mode}")
    way = (
        "asymmetric"
        if call.node.op == "Upsample"
        else call.text("coordinate_transformation_mode", "half_pixel")
    )
    for axis in range(x.ndim):
        if new[axis] != old[axis]:
            at = _places(call, way, old[axis], new[axis], scales[axis])
            x = _nearest(call, x, axis, at) if mode == "nearest" else _between(x, axis, at)
    return x


def _sizes(call: Call, old: list[int]) -> tuple[list[int], list[float]]:
    """New sizes and scales of all axes."""
    given = call.whole(3)
    if given:
        return given, [b / a for a, b in zip(old, given, strict=True)]
    factors = call.at(1) if call.node.op == "Upsample" else call.at(2)
    if factors is None or factors.numel() != len(old):
        raise call.refuse("without a size")
    scales = [float(v) for v in factors.tolist()]
    return [math.floor(a * s) for a, s in zip(old, scales, strict=True)], scales


def _places(call: Call, way: str, old: int, new: int, scale: float) -> Any:
    """Where along an axis each new value is read."""
    import torch

    at = torch.arange(new, dtype=torch.float64)
    if way == "half_pixel" or (way == "pytorch_half_pixel" and new > 1):
        return (at + 0.5) / scale - 0.5
    if way == "pytorch_half_pixel":
        return at * 0
    if way == "align_corners":
        return at * (old - 1) / max(new - 1, 1)
    if way == "asymmetric":
        return at / scale
    raise call.refuse(f"by {way}")


def _nearest(call: Call, x: Any, axis: int, at: Any) -> Any:
    import torch

    ways = {
        "round_prefer_floor": lambda v: torch.ceil(v - 0.5),
        "round_prefer_ceil": lambda v: torch.floor(v + 0.5),
        "floor": torch.floor,
        "ceil": torch.ceil,
    }
    name = "floor" if call.node.op == "Upsample" else call.text("nearest_mode", "round_prefer_floor")
    if name not in ways:
        raise call.refuse(f"by {name}")
    return x.index_select(axis, ways[name](at).long().clamp(0, x.shape[axis] - 1))


def _between(x: Any, axis: int, at: Any) -> Any:
    at = at.clamp(0, x.shape[axis] - 1)
    first = at.floor().long()
    share = (at - first).to(x.dtype).reshape([-1] + [1] * (x.ndim - 1 - axis))
    low = x.index_select(axis, first)
    return low + share * (x.index_select(axis, (first + 1).clamp(max=x.shape[axis] - 1)) - low)
