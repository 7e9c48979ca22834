"""torch's layers with weights, and attention, in operators of ONNX.

Reference:
    Formulas: PyTorch documentation, `torch.nn.functional`; Vaswani et al., Attention Is All You Need, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder, Operand
from mithridate.models.graph.aten.elementwise import TABLE as ELEMENTWISE
from mithridate.models.graph.aten.reduce import reduced
from mithridate.models.graph.aten.shapes import moved, reshaped
from mithridate.models.graph.aten.values import Size, Tensor, UncoveredError

__all__ = ["TABLE", "attention", "linear"]


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values


def _conv(
    b: Builder, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    return _convolution(b, input, weight, bias, stride, padding, dilation, False, 0, groups)


def _conv_transpose(
    b: Builder, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    return _convolution(b, input, weight, bias, stride, padding, dilation, True, output_padding, groups)


def _convolution(
    b: Builder, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, *_: Any,
) -> Tensor:  # fmt: skip
    shape = b.dims(weight)
    if shape is None:
        raise UncoveredError("a convolution with a kernel of unknown shape")
    spatial = len(shape) - 2
    channels = shape[0] if transposed else shape[1]
    if isinstance(channels, int) and not transposed:
        channels *= groups
    b.learn(input, [None, channels, *[None] * spatial], np.float32)
    single = b.rank(input) == spatial + 1
    x = b.emit("Unsqueeze", input, np.asarray([0])) if single else input
    attributes: dict[str, Any] = {
        "dilations": _tuple(dilation, spatial), "group": groups, "strides": _tuple(stride, spatial),
        "kernel_shape": tuple(shape[2:]) if all(isinstance(n, int) for n in shape) else None,
    }  # fmt: skip
    if isinstance(padding, str):
        attributes |= {"pads": _same_pads(shape[2:], attributes["dilations"], padding)}
    else:
        attributes |= {"pads": _tuple(padding, spatial) * 2}
    if transposed:
        attributes["output_padding"] = _tuple(output_padding, spatial)
    y = b.emit("ConvTranspose" if transposed else "Conv", x, weight, bias, **attributes)
    return b.emit("Squeeze", y, np.asarray([0])) if single else y


def _same_pads(kernel: Sequence[Any], dilations: Sequence[int], padding: str) -> tuple[int, ...]:
    totals = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilations, strict=True)]
    return tuple(n // 2 for n in totals) + tuple(n - n // 2 for n in totals)


def _batch_norm(
    b: Builder, input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float, *_: Any,
) -> Tensor:  # fmt: skip
    if training or running_mean is None or running_var is None:
        return _batch_itself(b, input, weight, bias, eps)
    count = b.size(running_mean, 0)
    dtype = b.dtype(running_mean)
    scale = weight if weight is not None else _vector(b, count, 1, dtype)
    shift = bias if bias is not None else _vector(b, count, 0, dtype)
    return b.emit("BatchNormalization", input, scale, shift, running_mean, running_var, epsilon=float(eps))


def _batch_itself(b: Builder, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Batch norm by the mean and variance of the batch, as in training and for weights that are standardised."""
    axes = [axis for axis in range(b.rank(x)) if axis != 1]
    away = b.emit("Sub", x, reduced(b, "ReduceMean", x, axes, keepdim=True))
    variance = reduced(b, "ReduceMean", b.emit("Mul", away, away), axes, keepdim=True)
    return _affine(b, b.emit("Div", away, b.emit("Sqrt", b.math("Add", variance, eps))), weight, bias)


def _vector(b: Builder, count: int | Size | None, value: float, dtype: Any = np.float32) -> Tensor:
    if not isinstance(count, int):
        raise UncoveredError("a layer with an unknown number of channels")
    return b.literal(np.full(count, value, dtype=dtype))


def _batch_norm_many(b: Builder, *arguments: Any, **named: Any) -> tuple[Tensor, None, None]:
    return _batch_norm(b, *arguments, **named), None, None


def _batch_norm_legit(
    b: Builder, input: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Tensor, None, None]:  # fmt: skip
    return _batch_norm(b, input, weight, bias, running_mean, running_var, False, momentum, eps), None, None


def _layer_norm(
    b: Builder, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5, *_: Any,
) -> Tensor:  # fmt: skip
    scale = (
        weight if weight is not None else b.literal(np.ones(tuple(normalized_shape), dtype=b.dtype(input)))
    )
    return b.emit("LayerNormalization", input, scale, bias, axis=-len(normalized_shape), epsilon=float(eps))


def _native_layer_norm(b: Builder, *arguments: Any, **named: Any) -> tuple[Tensor, None, None]:
    return _layer_norm(b, *arguments, **named), None, None


def _rms_norm(
    b: Builder, input: Tensor, normalized_shape: Sequence[int], weight: Any = None, eps: Any = None
) -> Tensor:
    axes = tuple(range(-len(normalized_shape), 0))
    square = reduced(b, "ReduceMean", b.emit("Mul", input, input), axes, keepdim=True)
    room = float(np.finfo(b.dtype(input)).eps) if eps is None else float(eps)
    scaled = b.emit("Div", input, b.emit("Sqrt", b.math("Add", square, room)))
    return scaled if weight is None else b.emit("Mul", scaled, weight)


def _group_norm(
    b: Builder, input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, *_: Any,
) -> Tensor:  # fmt: skip
    sizes = b.sizes(input)
    rows = reshaped(b, input, [sizes[0], num_groups, -1])
    ones, zeros = _vector(b, num_groups, 1, b.dtype(input)), _vector(b, num_groups, 0, b.dtype(input))
    normal = b.emit("InstanceNormalization", rows, ones, zeros, epsilon=float(eps))
    fixed = [0, *sizes[1:]]
    if all(isinstance(size, int) for size in fixed):
        y = reshaped(b, normal, fixed) if len(fixed) > 3 else b.emit("Reshape", normal, np.asarray(fixed))
    else:
        y = b.emit("Reshape", normal, b.emit("Shape", input))
        y = b.set_dims(y, b.dims(input) or ())
    return _affine(b, y, weight, bias)


def _affine(b: Builder, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    ones = [1] * (b.rank(x) - 2)
    if weight is not None:
        x = b.emit("Mul", x, reshaped(b, weight, [-1, *ones]))
    return x if bias is None else b.emit("Add", x, reshaped(b, bias, [-1, *ones]))


def _instance_norm(
    b: Builder, input: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any,
    use_input_stats: bool, momentum: float, eps: float, *_: Any,
) -> Tensor:  # fmt: skip
    if not use_input_stats:
        return _batch_norm(b, input, weight, bias, running_mean, running_var, False, momentum, eps)
    count = b.size(input, 1)
    scale = weight if weight is not None else _vector(b, count, 1)
    shift = bias if bias is not None else _vector(b, count, 0)
    return b.emit("InstanceNormalization", input, scale, shift, epsilon=float(eps))


def linear(b: Builder, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X wᵀ + b over the last axis."""
    width = b.size(weight, -1)
    b.learn(input, [None, width if isinstance(width, int) else None], np.float32)
    if b.rank(input) == 2 and b.rank(weight) == 2:
        return b.emit("Gemm", input, weight, bias, transB=1)
    turned = moved(b, weight, [1, 0]) if b.rank(weight) == 2 else weight
    product = b.emit("MatMul", input, turned)
    return product if bias is None else b.emit("Add", product, bias)


def _matmul(b: Builder, self: Tensor, mat2: Tensor) -> Tensor:
    return b.math("MatMul", self, mat2)


def _addmm(b: Builder, self: Tensor, mat1: Tensor, mat2: Tensor, beta: Any = 1, alpha: Any = 1) -> Tensor:
    return b.emit("Gemm", mat1, mat2, self, alpha=float(alpha), beta=float(beta))


def _add_scaled(
    b: Builder, self: Tensor, left: Tensor, right: Tensor, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    product = b.emit("MatMul", left, right)
    if alpha != 1:
        product = b.math("Mul", product, alpha)
    if beta == 0:
        return product
    return b.math("Add", self if beta == 1 else b.math("Mul", self, beta), product)


def _outer(b: Builder, self: Tensor, vec2: Tensor) -> Tensor:
    return b.math(
        "Mul", b.emit("Unsqueeze", self, np.asarray([1])), b.emit("Unsqueeze", vec2, np.asarray([0]))
    )


def _einsum(b: Builder, equation: str, tensors: Sequence[Tensor], path: Any = None) -> Tensor:
    return b.emit("Einsum", *tensors, equation=equation)


def _bilinear(
    b: Builder, input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    y = b.emit("Einsum", input1, weight, input2, equation="...i,oij,...j->...o")
    return y if bias is None else b.emit("Add", y, bias)


def _weight_norm(b: Builder, v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    axes = [axis for axis in range(b.rank(v)) if axis != dim % b.rank(v)]
    return b.emit("Mul", v, b.emit("Div", g, reduced(b, "ReduceL2", v, axes, keepdim=True)))


def _scaled_dot_product(
    b: Builder, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: Any = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    if enable_gqa:
        raise UncoveredError("attention whose heads share keys")
    return attention(b, query, key, value, attn_mask, is_causal, scale)


def _fused_attention(
    b: Builder, query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0, is_causal: bool = False,
    attn_mask: Tensor | None = None, scale: Any = None,
) -> tuple[Tensor, None]:  # fmt: skip
    return attention(b, query, key, value, attn_mask, is_causal, scale), None


def attention(
    b: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    scale: Operand | None,
) -> Tensor:
    """softmax(q kᵀ / √d + mask) v."""
    if scale is None:
        width = b.size(query, -1)
        root = (
            b.emit("Sqrt", b.cast(b.tensor(width), b.dtype(query)))
            if isinstance(width, Size)
            else math.sqrt(width)
        )
        scaled = b.math("Div", query, root)
    else:
        scaled = b.math("Mul", query, scale)
    rank = b.rank(key)
    scores = b.emit("MatMul", scaled, moved(b, key, [*range(rank - 2), rank - 1, rank - 2]))
    if causal:
        square = b.emit("Expand", b.literal(1, np.int32), b.emit("Shape", scores))
        allowed = b.cast(b.emit("Trilu", square, upper=0), np.bool_)
        scores = b.emit("Where", allowed, scores, b.tensor(float("-inf"), b.dtype(scores)))
    if mask is not None:
        if b.dtype(mask) == np.bool_:
            scores = b.emit("Where", mask, scores, b.tensor(float("-inf"), b.dtype(scores)))
        else:
            scores = b.math("Add", scores, mask)
    return b.emit("MatMul", b.emit("Softmax", scores, axis=-1), value)


def _multi_head(
    b: Builder, query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_head: int, qkv_weight: Tensor,
    qkv_bias: Tensor, proj_weight: Tensor, proj_bias: Tensor, mask: Tensor | None = None, need_weights: bool = True,
    average_attn_weights: bool = True, mask_type: int | None = None,
) -> tuple[Tensor, None]:  # fmt: skip
    """Torch's fused attention of one sequence with itself; nothing else is fused."""
    if mask is not None or need_weights or len({b.read(x) for x in (query, key, value)}) > 1:
        raise UncoveredError("fused attention with a mask, or between two sequences")
    parts = b.emit_many("Split", [linear(b, query, qkv_weight, qkv_bias)], 3, axis=-1)
    size = b.sizes(query)
    q, k, v = (
        moved(b, reshaped(b, x, [size[0], size[1], num_head, embed_dim // num_head]), [0, 2, 1, 3])
        for x in parts
    )
    joined = moved(b, attention(b, q, k, v, None, False, None), [0, 2, 1, 3])
    return linear(b, reshaped(b, joined, [size[0], size[1], embed_dim]), proj_weight, proj_bias), None


def _encoder_layer(
    b: Builder, src: Tensor, embed_dim: int, num_heads: int, qkv_weight: Tensor, qkv_bias: Tensor, proj_weight: Tensor,
    proj_bias: Tensor, use_gelu: bool, norm_first: bool, eps: float, norm_weight_1: Tensor, norm_bias_1: Tensor,
    norm_weight_2: Tensor, norm_bias_2: Tensor, ffn_weight_1: Tensor, ffn_bias_1: Tensor, ffn_weight_2: Tensor,
    ffn_bias_2: Tensor, mask: Tensor | None = None, mask_type: int | None = None,
) -> Tensor:  # fmt: skip
    """Torch's fused layer of a transformer."""

    def attend(x: Tensor) -> Tensor:
        made = (b, x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias)
        return _multi_head(*made, mask=mask, need_weights=False)[0]

    def feed(x: Tensor) -> Tensor:
        inner = linear(b, x, ffn_weight_1, ffn_bias_1)
        return linear(b, ELEMENTWISE["gelu" if use_gelu else "relu"](b, inner), ffn_weight_2, ffn_bias_2)

    def first(x: Tensor) -> Tensor:
        return _layer_norm(b, x, [embed_dim], norm_weight_1, norm_bias_1, eps)

    def second(x: Tensor) -> Tensor:
        return _layer_norm(b, x, [embed_dim], norm_weight_2, norm_bias_2, eps)

    if norm_first:
        x = b.emit("Add", src, attend(first(src)))
        return b.emit("Add", x, feed(second(x)))
    x = first(b.emit("Add", src, attend(src)))
    return second(b.emit("Add", x, feed(x)))


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    "conv1d": _conv, "conv2d": _conv, "conv3d": _conv, "conv_transpose1d": _conv_transpose,
    "conv_transpose2d": _conv_transpose, "conv_transpose3d": _conv_transpose, "_convolution": _convolution,
    "convolution": _convolution, "_convolution_mode": _conv, "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm_legit, "native_batch_norm": _batch_norm_many,
    "cudnn_batch_norm": _batch_norm, "layer_norm": _layer_norm, "native_layer_norm": _native_layer_norm,
    "rms_norm": _rms_norm, "group_norm": _group_norm, "instance_norm": _instance_norm, "linear": linear,
    "matmul": _matmul, "mm": _matmul, "bmm": _matmul, "mv": _matmul, "dot": _matmul, "linalg_matmul": _matmul,
    "addmm": _addmm, "addbmm": _add_scaled, "baddbmm": _add_scaled, "addmv": _add_scaled, "outer": _outer,
    "einsum": _einsum, "bilinear": _bilinear, "_weight_norm": _weight_norm,
    "scaled_dot_product_attention": _scaled_dot_product,
    "_scaled_dot_product_flash_attention_for_cpu": _fused_attention,
    "_native_multi_head_attention": _multi_head, "_transformer_encoder_layer_fwd": _encoder_layer,
}  # fmt: skip
