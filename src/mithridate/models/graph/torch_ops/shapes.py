"""Operators that move values about.

Reference:
    ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mithridate.models.graph.torch_ops.call import Call, Operator, bounded

__all__ = ["shapes"]


def shapes() -> dict[str, Operator]:
    """Name → operator."""
    return {
        "Constant": _constant, "ConstantOfShape": _filled, "Shape": _shape, "Size": _size, "Range": _range,
        "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze,
        "Unsqueeze": _unsqueeze, "Expand": _expand, "Tile": _tile, "Concat": _concat, "Split": _split,
        "Slice": _slice, "Gather": _gather, "Pad": _pad, "DepthToSpace": _to_space, "SpaceToDepth": _to_depth,
    }  # fmt: skip


def _constant(call: Call) -> Any:
    import torch

    value = next((v for v in call.node.attributes.values() if v is not None), None)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise call.refuse(f"of type {array.dtype}")
    single = isinstance(value, float) or (isinstance(value, tuple) and array.dtype.kind == "f")
    return torch.from_numpy(np.array(array.astype(np.float32) if single else array))


def _filled(call: Call) -> Any:
    import torch

    form, value = call.whole(0) or [], np.asarray(call.get("value", np.zeros(1, np.float32))).reshape(-1)[:1]
    bounded(call, math.prod(form))
    return torch.from_numpy(np.full(form, value[0]))


def _shape(call: Call) -> Any:
    import torch

    form = list(call.x[0].shape)
    return torch.tensor(form[slice(call.get("start", 0), call.get("end"))], dtype=torch.int64)


def _size(call: Call) -> Any:
    import torch

    return torch.tensor(call.x[0].numel(), dtype=torch.int64)


def _range(call: Call) -> Any:
    import torch

    start, stop, step = (x.item() for x in call.x)
    bounded(call, int(abs((stop - start) / step)) if step else -1)
    return torch.arange(start, stop, step, dtype=call.x[0].dtype)


def _reshape(call: Call) -> Any:
    x, form = call.x[0], call.whole(1, "shape") or []
    if not call.get("allowzero", 0):
        form = [x.shape[k] if size == 0 and k < x.ndim else size for k, size in enumerate(form)]
    return x.reshape(form)


def _flatten(call: Call) -> Any:
    x, axis = call.x[0], int(call.get("axis", 1))
    axis = axis + x.ndim if axis < 0 else axis
    if axis == 1:
        return x.flatten(1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _transpose(call: Call) -> Any:
    return call.x[0].permute(*call.get("perm", tuple(range(call.x[0].ndim))[::-1]))


def _squeeze(call: Call) -> Any:
    axes = call.whole(1, "axes")
    return call.x[0].squeeze() if axes is None else call.x[0].squeeze(tuple(axes))


def _unsqueeze(call: Call) -> Any:
    x, axes = call.x[0], call.whole(1, "axes") or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _expand(call: Call) -> Any:
    import torch

    form = torch.broadcast_shapes(call.x[0].shape, tuple(call.whole(1) or []))
    bounded(call, math.prod(form))
    return call.x[0].expand(form)


def _tile(call: Call) -> Any:
    times = call.whole(1) or []
    bounded(call, math.prod(times) * call.x[0].numel())
    return call.x[0].repeat(*times)


def _concat(call: Call) -> Any:
    import torch

    return torch.cat(tuple(call.x), dim=int(call.get("axis", 0)))


def _split(call: Call) -> Any:
    x, axis = call.x[0], int(call.get("axis", 0))
    sizes = call.whole(1, "split")
    if sizes is None:
        count = int(call.get("num_outputs", len(call.node.outputs)))
        each = -(-x.shape[axis] // count)
        sizes = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    return tuple(x.split(sizes, dim=axis))


def _slice(call: Call) -> Any:
    x = call.x[0]
    starts, ends = call.whole(1, "starts") or [], call.whole(2, "ends") or []
    axes, steps = call.whole(3, "axes") or list(range(len(starts))), call.whole(4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        if step > 0:
            first, last, _ = slice(start, end, step).indices(size)
            x = x.narrow(axis, first, max(0, last - first))
            x = x if step == 1 else x[(slice(None),) * (axis % x.ndim) + (slice(None, None, step),)]
        else:
            rows = range(size)[slice(start, None if end < -size else end, step)]
            x = x.index_select(axis, _rows(list(rows)))
    return x


def _rows(rows: list[int]) -> Any:
    import torch

    return torch.tensor(rows, dtype=torch.int64)


def _gather(call: Call) -> Any:
    x, rows = call.x
    axis = int(call.get("axis", 0)) % max(x.ndim, 1)
    rows = rows.long()
    if rows.ndim == 0:
        return x.select(axis, int(rows))
    rows = rows.where(rows >= 0, rows + x.shape[axis])
    found = x.index_select(axis, rows.reshape(-1))
    return found.reshape(*x.shape[:axis], *rows.shape, *x.shape[axis + 1 :])


def _pad(call: Call) -> Any:
    from torch.nn import functional as f

    x, widths = call.x[0], call.whole(1, "pads") or []
    mode = call.text("mode", "constant")
    axes = call.whole(3) or list(range(x.ndim))
    both = {axis % x.ndim: (widths[k], widths[k + len(axes)]) for k, axis in enumerate(axes)}
    bounded(call, math.prod(size + sum(both.get(k, (0, 0))) for k, size in enumerate(x.shape)))
    last = [side for k in range(x.ndim - 1, -1, -1) for side in both.get(k, (0, 0))]
    if mode == "constant":
        fill = call.at(2)
        return f.pad(x, last, value=float(call.get("value", 0.0) if fill is None else fill.reshape(-1)[0]))
    if mode not in ("reflect", "edge") or any(last[2 * (x.ndim - 2) :]) or x.ndim not in (3, 4, 5):
        raise call.refuse(f"of mode {mode} on axes {axes}")
    return f.pad(x, last[: 2 * (x.ndim - 2)], mode="replicate" if mode == "edge" else mode)


def _to_space(call: Call) -> Any:
    x, side = call.x[0], int(call.get("blocksize"))
    n, c, h, w = x.shape
    if call.text("mode", "DCR") == "CRD":
        x = x.reshape(n, c // side**2, side, side, h, w).permute(0, 1, 4, 2, 5, 3)
    else:
        x = x.reshape(n, side, side, c // side**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // side**2, h * side, w * side)


def _to_depth(call: Call) -> Any:
    x, side = call.x[0], int(call.get("blocksize"))
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // side, side, w // side, side).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * side**2, h // side, w // side)
