"""Layers: convolutions, products, normalisations, softmax.

Reference:
    ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from typing import Any

from mithridate.models.graph.torch_ops.call import Call, Operator
from mithridate.models.graph.torch_ops.windows import padding

__all__ = ["layers"]


def layers() -> dict[str, Operator]:
    """Name → operator."""
    return {
        "Conv": _conv, "ConvTranspose": _transposed, "Gemm": _gemm, "MatMul": _matmul, "Einsum": _einsum,
        "BatchNormalization": _batch_norm, "InstanceNormalization": _instance_norm,
        "LayerNormalization": _layer_norm, "GroupNormalization": _group_norm, "LRN": _local_norm,
        "LpNormalization": _lp_norm, "Softmax": _softmax, "LogSoftmax": _softmax,
    }  # fmt: skip


def _conv(call: Call) -> Any:
    from torch.nn import functional as f

    x, weight, bias = call.x[0], call.x[1], call.at(2)
    rank = x.ndim - 2
    if rank not in (1, 2, 3):
        raise call.refuse(f"over {rank} axes")
    strides = tuple(call.get("strides", (1,) * rank))
    dilations = tuple(call.get("dilations", (1,) * rank))
    pads = padding(call, x.shape[2:], weight.shape[2:], strides, dilations)
    if pads[:rank] != pads[rank:]:
        x = f.pad(x, [side for k in range(rank - 1, -1, -1) for side in (pads[k], pads[k + rank])])
        pads = (0,) * (2 * rank)
    convolve = (f.conv1d, f.conv2d, f.conv3d)[rank - 1]
    return convolve(x, weight, bias, strides, pads[:rank], dilations, int(call.get("group", 1)))


def _transposed(call: Call) -> Any:
    from torch.nn import functional as f

    x, weight, bias = call.x[0], call.x[1], call.at(2)
    rank = x.ndim - 2
    pads = tuple(call.get("pads", (0,) * (2 * rank)))
    if rank not in (1, 2, 3) or pads[:rank] != pads[rank:] or call.text("auto_pad", "NOTSET") != "NOTSET":
        raise call.refuse(f"with pads {pads}")
    if call.get("output_shape"):
        raise call.refuse("with an output shape")
    run = (f.conv_transpose1d, f.conv_transpose2d, f.conv_transpose3d)[rank - 1]
    return run(
        x, weight, bias,
        stride=tuple(call.get("strides", (1,) * rank)), padding=pads[:rank],
        output_padding=tuple(call.get("output_padding", (0,) * rank)), groups=int(call.get("group", 1)),
        dilation=tuple(call.get("dilations", (1,) * rank)),
    )  # fmt: skip


def _gemm(call: Call) -> Any:
    a, b, c = call.x[0], call.x[1], call.at(2)
    a = a.T if call.get("transA", 0) else a
    b = b.T if call.get("transB", 0) else b
    out = a @ b
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    out = out if alpha == 1 else alpha * out
    return out if c is None else out + (c if beta == 1 else beta * c)


def _matmul(call: Call) -> Any:
    return call.x[0] @ call.x[1]


def _einsum(call: Call) -> Any:
    import torch

    return torch.einsum(call.text("equation", ""), *call.x)


def _batch_norm(call: Call) -> Any:
    from torch.nn import functional as f

    if call.get("training_mode", 0):
        raise call.refuse("in training mode")
    x, scale, shift, mean, variance = call.x[:5]
    return f.batch_norm(x, mean, variance, scale, shift, eps=call.get("epsilon", 1e-5))


def _instance_norm(call: Call) -> Any:
    from torch.nn import functional as f

    x, scale, shift = call.x
    return f.instance_norm(x, weight=scale, bias=shift, eps=call.get("epsilon", 1e-5))


def _layer_norm(call: Call) -> Any:
    from torch.nn import functional as f

    x, scale, shift = call.x[0], call.x[1], call.at(2)
    axis = int(call.get("axis", -1)) % x.ndim
    normal = f.layer_norm(x, x.shape[axis:], eps=call.get("epsilon", 1e-5)) * scale
    return normal if shift is None else normal + shift


def _group_norm(call: Call) -> Any:
    from torch.nn import functional as f

    x, scale, shift = call.x
    groups = int(call.get("num_groups"))
    if len(scale) == groups != x.shape[1]:  # opset 18 scales groups, 21 channels
        scale, shift = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, shift))
    return f.group_norm(x, groups, scale, shift, eps=call.get("epsilon", 1e-5))


def _local_norm(call: Call) -> Any:
    from torch.nn import functional as f

    size, alpha = int(call.get("size")), call.get("alpha", 1e-4)
    return f.local_response_norm(call.x[0], size, alpha, call.get("beta", 0.75), call.get("bias", 1.0))


def _lp_norm(call: Call) -> Any:
    from torch.nn import functional as f

    return f.normalize(call.x[0], p=float(call.get("p", 2)), dim=int(call.get("axis", -1)))


def _softmax(call: Call) -> Any:
    x = call.x[0]
    axis = int(call.get("axis", -1 if call.opset >= 13 else 1))
    flat = x if call.opset >= 13 else x.flatten(axis)  # older ones took all further axes together
    out = flat.softmax(axis) if call.node.op == "Softmax" else flat.log_softmax(axis)
    return out.reshape(x.shape)
