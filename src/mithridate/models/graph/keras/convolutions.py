"""Layers with kernels: dense layers and convolutions.

Reference:
    Keras 3, keras.layers: Dense, EinsumDense, Conv, DepthwiseConv, SeparableConv, ConvTranspose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.models.graph.aten.values import Tensor, UncoveredError
from mithridate.models.graph.keras.activations import activated
from mithridate.models.graph.keras.kit import END, Kind, Use, Value
from mithridate.models.graph.keras.store import Variable
from mithridate.models.graph.keras.wiring import Layer

__all__ = ["convolutions", "same_pads"]

Array = NDArray[Any]


def convolutions() -> dict[str, Kind]:
    """Class → how it is translated."""
    found = {"Dense": Kind(_dense, _variables("kernel"))}
    for rank in (1, 2, 3):
        found[f"Conv{rank}D"] = Kind(_over(_conv, rank), _variables("kernel"))
        found[f"Conv{rank}DTranspose"] = Kind(_over(_transposed, rank), _variables("kernel"))
        depth, both = ("depthwise_kernel",), ("depthwise_kernel", "pointwise_kernel")
        found[f"DepthwiseConv{rank}D"] = Kind(_over(_depthwise, rank), _variables(*depth))
        found[f"SeparableConv{rank}D"] = Kind(_over(_separable, rank), _variables(*both))
    return found


def same_pads(
    sizes: Sequence[int | None], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...] | None:
    """What padding "same" puts before and then after each axis; None where a size may vary."""
    before, after = [], []
    for size, side, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        if size is None:
            return None
        whole = max(0, (math.ceil(size / stride) - 1) * stride + dilation * (side - 1) + 1 - size)
        before.append(whole // 2)
        after.append(whole - whole // 2)
    return (*before, *after)


def _variables(*kernels: str) -> Callable[[Layer], Sequence[Variable]]:
    def names(layer: Layer) -> Sequence[Variable]:
        bias = ("bias",) if layer.config.get("use_bias", True) else ()
        if layer.kind.startswith("DepthwiseConv"):  # called so in Keras 2, and "kernel" since
            return tuple((name, True) for name in ("", *bias))
        return tuple((name, True) for name in (*kernels, *bias))

    return names


def _over(build: Callable[[Use, int], Value], rank: int) -> Callable[[Use], Value]:
    return lambda use: build(use, rank)


def _bias(use: Use, arrays: Sequence[Array]) -> Tensor | None:
    return use.held("bias", arrays[-1]) if use.get("use_bias", True) else None


def _dense(use: Use) -> Value:
    k, x = use.kit, use.x
    units, bias = int(use.get("units")), bool(use.get("use_bias", True))
    wanted = [("kernel", (k.size(x, -1), units)), ("bias", (units,))]
    arrays = use.fetch(wanted[: 1 + bias])
    kernel, shift = use.held("kernel", arrays[0]), _bias(use, arrays)
    plain = k.plain(x)
    if k.rank(x) == 2:
        out = k.b.emit("Gemm", plain, kernel, shift)
    else:
        out = k.b.emit("MatMul", plain, kernel)
        out = out if shift is None else k.b.emit("Add", out, shift)
    return activated(use, Value(out), use.get("activation", "linear"))


def _window(use: Use, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, strides and dilations."""
    return use.whole("kernel_size", rank), use.whole("strides", rank), use.whole("dilation_rate", rank)


def _padded(
    use: Use, value: Value, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> dict[str, Any]:
    """Attributes that say how a convolution is padded."""
    how = str(use.get("padding", "valid"))
    rank = len(kernel)
    if how == "valid":
        return {}
    if how == "causal" and rank == 1:
        return {"pads": (dilations[0] * (kernel[0] - 1), 0)}
    if how != "same":
        raise UncoveredError(f"padding {how[:40]!r}")
    dims = use.kit.dims(value)
    inner = dims[2:] if use.channels_first else dims[1:-1]
    pads = same_pads([d if isinstance(d, int) else None for d in inner], kernel, strides, dilations)
    return {"auto_pad": "SAME_UPPER"} if pads is None else {"pads": pads}


def _conv(use: Use, rank: int) -> Value:
    kernel, strides, dilations = _window(use, rank)
    groups, filters = int(use.get("groups", 1)), int(use.get("filters"))
    channels = use.channels(use.x)
    into = None if channels is None else channels // groups
    wanted = [("kernel", (*kernel, into, filters)), ("bias", (filters,))]
    arrays = use.fetch(wanted[: 1 + bool(use.get("use_bias", True))])
    weight = use.held("kernel", arrays[0], lambda a: np.moveaxis(a, (-1, -2), (0, 1)))
    out = use.kit.b.emit(
        "Conv", use.front(use.x), weight, _bias(use, arrays), kernel_shape=kernel, strides=strides,
        dilations=dilations, group=groups, **_padded(use, use.x, kernel, strides, dilations),
    )  # fmt: skip
    return activated(use, use.back(out), use.get("activation", "linear"))


def _single(kernel: Array) -> Array:
    """(..., in, times) of a depthwise convolution → (in · times, 1, ...)."""
    turned = np.moveaxis(kernel, (-2, -1), (0, 1))
    return turned.reshape(turned.shape[0] * turned.shape[1], 1, *turned.shape[2:])


def _spread(use: Use, rank: int, kernel: Array, bias: Tensor | None) -> Tensor:
    """A convolution of each channel on its own."""
    sizes, strides, dilations = _window(use, rank)
    return use.kit.b.emit(
        "Conv", use.front(use.x), use.held("depthwise_kernel", kernel, _single), bias, kernel_shape=sizes,
        strides=strides, dilations=dilations, group=int(kernel.shape[-2]),
        **_padded(use, use.x, sizes, strides, dilations),
    )  # fmt: skip


def _depthwise(use: Use, rank: int) -> Value:
    sizes, _, _ = _window(use, rank)
    times, channels = int(use.get("depth_multiplier", 1)), use.channels(use.x)
    made = None if channels is None else channels * times
    wanted = [("kernel", (*sizes, channels, times)), ("bias", (made,))]
    arrays = use.fetch(wanted[: 1 + bool(use.get("use_bias", True))])
    out = _spread(use, rank, arrays[0], _bias(use, arrays))
    return activated(use, use.back(out), use.get("activation", "linear"))


def _separable(use: Use, rank: int) -> Value:
    sizes, _, _ = _window(use, rank)
    times, filters, channels = (
        int(use.get("depth_multiplier", 1)),
        int(use.get("filters")),
        use.channels(use.x),
    )
    made = None if channels is None else channels * times
    wanted = [
        ("depthwise_kernel", (*sizes, channels, times)),
        ("pointwise_kernel", (*(1,) * rank, made, filters)),
        ("bias", (filters,)),
    ]
    arrays = use.fetch(wanted[: 2 + bool(use.get("use_bias", True))])
    between = _spread(use, rank, arrays[0], None)
    weight = use.held("pointwise_kernel", arrays[1], lambda a: np.moveaxis(a, (-1, -2), (0, 1)))
    out = use.kit.b.emit("Conv", between, weight, _bias(use, arrays), kernel_shape=(1,) * rank)
    return activated(use, use.back(out), use.get("activation", "linear"))


def _transposed(use: Use, rank: int) -> Value:
    """What padding cuts away is cut away afterwards: so the two sides of an axis may differ."""
    kernel, strides, dilations = _window(use, rank)
    filters, how = int(use.get("filters")), str(use.get("padding", "valid"))
    if (
        use.get("output_padding") is not None
        or how not in ("valid", "same")
        or any(d != 1 for d in dilations)
    ):
        raise UncoveredError("a transposed convolution with holes or padding of its output")
    wanted = [("kernel", (*kernel, filters, use.channels(use.x))), ("bias", (filters,))]
    arrays = use.fetch(wanted[: 1 + bool(use.get("use_bias", True))])
    weight = use.held("kernel", arrays[0], lambda a: np.moveaxis(a, (-1, -2), (0, 1)))
    longer = tuple(max(stride - side, 0) for side, stride in zip(kernel, strides, strict=True))
    out = use.kit.b.emit(
        "ConvTranspose", use.front(use.x), weight, _bias(use, arrays), kernel_shape=kernel, strides=strides,
        output_padding=longer,
    )  # fmt: skip
    if how == "same":
        extra = [max(side - stride, 0) for side, stride in zip(kernel, strides, strict=True)]
        cut = [(k + 2, n // 2, n - n // 2) for k, n in enumerate(extra) if n]
        if cut:
            ends = [-after if after else END for _, _, after in cut]
            out = use.kit.slice(out, [axis for axis, _, _ in cut], [before for _, before, _ in cut], ends)
    return activated(use, use.back(out), use.get("activation", "linear"))
