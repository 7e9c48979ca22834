"""torch's pooling, padding and resizing, in operators of ONNX.

Reference:
    Windows of adaptive pooling: PyTorch, `aten/src/ATen/native/AdaptivePooling.h` (BSD-3-Clause): value i of m answers
    covers inputs ⌊i n / m⌋ to ⌈(i + 1) n / m⌉.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mithridate.models.graph.aten.builder import Builder, Operand
from mithridate.models.graph.aten.reduce import reduced
from mithridate.models.graph.aten.shapes import part
from mithridate.models.graph.aten.values import Tensor, UncoveredError

__all__ = ["TABLE"]

_WINDOWS: Final = 256  # answers of an adaptive maximum whose windows differ in size


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values


def _batched(b: Builder, x: Tensor, spatial: int, make: Callable[[Tensor], Tensor]) -> Tensor:
    """Pooling of one sample as a batch of one."""
    b.learn(x, [None] * (spatial + 2), np.float32)
    if b.rank(x) == spatial + 2:
        return make(x)
    return b.emit("Squeeze", make(b.emit("Unsqueeze", x, np.asarray([0]))), np.asarray([0]))


def _max_pool(spatial: int) -> Callable[..., Tensor]:
    def translate(
        b: Builder, self: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Tensor:  # fmt: skip
        kernel = _tuple(kernel_size, spatial)
        attributes = {
            "kernel_shape": kernel, "strides": _tuple(stride, spatial) or kernel,
            "pads": _tuple(padding, spatial) * 2, "dilations": _tuple(dilation, spatial), "ceil_mode": int(ceil_mode),
        }  # fmt: skip
        return _batched(b, self, spatial, lambda x: b.emit("MaxPool", x, **attributes))

    return translate


def _max_pool_places(spatial: int) -> Callable[..., tuple[Tensor, None]]:
    plain = _max_pool(spatial)
    return lambda *arguments, **named: (plain(*arguments, **named), None)


def _avg_pool(spatial: int) -> Callable[..., Tensor]:
    def translate(
        b: Builder, self: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Tensor:  # fmt: skip
        kernel = _tuple(kernel_size, spatial)
        attributes: dict[str, Any] = {
            "kernel_shape": kernel, "strides": _tuple(stride, spatial) or kernel, "ceil_mode": int(ceil_mode),
            "pads": _tuple(padding, spatial) * 2, "count_include_pad": int(count_include_pad),
        }  # fmt: skip
        mean = _batched(b, self, spatial, lambda x: b.emit("AveragePool", x, **attributes))
        if divisor_override is None:
            return mean
        if not count_include_pad and any(attributes["pads"]):
            raise UncoveredError("an average with a divisor of its own and padding that does not count")
        return b.math("Mul", mean, float(np.prod(kernel)) / divisor_override)

    return translate


def _starts(size: int, asked: int) -> list[tuple[int, int]]:
    return [(i * size // asked, -(-(i + 1) * size // asked)) for i in range(asked)]


def _wanted(b: Builder, x: Tensor, output_size: Any, spatial: int) -> tuple[list[Any], list[Any]]:
    """The sizes that there are and those that are asked for."""
    asked = (
        list(_tuple(output_size, spatial)) if not isinstance(output_size, int) else [output_size] * spatial
    )
    b.learn(x, [None] * (spatial + 2), np.float32)
    have: list[Any] = b.sizes(x)[-spatial:]
    asked = [own if size is None else size for own, size in zip(have, asked, strict=True)]
    return have, asked


def _adaptive_avg(spatial: int) -> Callable[..., Tensor]:
    def translate(b: Builder, self: Tensor, output_size: Any) -> Tensor:
        have, asked = _wanted(b, self, output_size, spatial)
        if all(size == 1 for size in asked):
            return _batched(b, self, spatial, lambda x: b.emit("GlobalAveragePool", x))
        if have == asked:
            return self
        if not all(isinstance(size, int) for size in (*have, *asked)):
            raise UncoveredError("adaptive pooling of unknown sizes")
        if all(own % size == 0 for own, size in zip(have, asked, strict=True)):
            kernel = tuple(own // size for own, size in zip(have, asked, strict=True))
            return _avg_pool(spatial)(b, self, kernel)
        for axis, (own, size) in enumerate(zip(have, asked, strict=True), -spatial):
            self = _averaged(b, self, axis, own, size)
        return self

    return translate


def _averaged(b: Builder, x: Tensor, axis: int, have: int, asked: int) -> Tensor:
    """Means over windows of unequal size, as a product with a matrix."""
    weights: NDArray[Any] = np.zeros((have, asked), dtype=b.dtype(x))
    for at, (start, stop) in enumerate(_starts(have, asked)):
        weights[start:stop, at] = 1 / (stop - start)
    if axis == -1:
        return b.emit("MatMul", x, weights)
    if axis == -2:
        return b.emit("MatMul", weights.T.copy(), x)
    raise UncoveredError("adaptive pooling of volumes into windows of unequal size")


def _adaptive_max(spatial: int) -> Callable[..., tuple[Tensor, None]]:
    def translate(b: Builder, self: Tensor, output_size: Any) -> tuple[Tensor, None]:
        have, asked = _wanted(b, self, output_size, spatial)
        if all(size == 1 for size in asked):
            return _batched(b, self, spatial, lambda x: b.emit("GlobalMaxPool", x)), None
        if not all(isinstance(size, int) for size in (*have, *asked)):
            raise UncoveredError("adaptive pooling of unknown sizes")
        for axis, (own, size) in enumerate(zip(have, asked, strict=True), -spatial):
            if size > _WINDOWS:
                raise UncoveredError("an adaptive maximum over very many windows")
            ranges = [part(b, self, axis, start, stop) for start, stop in _starts(own, size)]
            self = b.emit(
                "Concat", *(reduced(b, "ReduceMax", x, axis, keepdim=True) for x in ranges), axis=axis
            )
        return self, None

    return translate


def _pad(
    b: Builder, self: Tensor, pad: Sequence[Any], mode: str = "constant", value: Operand | None = None
) -> Tensor:
    rank = b.rank(self)
    count = len(pad) // 2
    fill: list[Any] = [0] * (rank - count)
    first = fill + [pad[2 * i] for i in reversed(range(count))]
    last = fill + [pad[2 * i + 1] for i in reversed(range(count))]
    if all(isinstance(n, int) and n == 0 for n in (*first, *last)):
        return self
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
    if mode not in names:
        raise UncoveredError(f"padding that is {mode}")
    amounts = b.ints([*first, *last])
    if mode != "constant":
        return b.emit("Pad", self, amounts, mode=names[mode])
    return b.emit("Pad", self, amounts, b.tensor(0.0 if value is None else value, b.dtype(self)))


def _padding(mode: str) -> Callable[..., Tensor]:
    return lambda b, self, padding: _pad(b, self, padding, mode)


def _constant_pad(b: Builder, self: Tensor, pad: Sequence[Any], value: Operand = 0) -> Tensor:
    return _pad(b, self, pad, "constant", value)


def _upsample(spatial: int, mode: str) -> Callable[..., Tensor]:
    def translate(b: Builder, input: Tensor, output_size: Any = None, *how: Any, **named: Any) -> Tensor:
        b.learn(input, [None] * (spatial + 2), np.float32)
        arguments = list(how)
        aligned = False
        if mode != "nearest":
            aligned = bool(arguments.pop(0) if arguments else named.pop("align_corners", False))
        scales = arguments or list(named.values())
        if len(scales) == 1 and isinstance(scales[0], list | tuple):
            scales = list(scales[0])
        attributes: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        if mode == "nearest":
            attributes["nearest_mode"] = "floor"
        else:
            attributes["mode"] = mode
            attributes["coordinate_transformation_mode"] = "align_corners" if aligned else "half_pixel"
        if mode == "cubic":
            attributes["cubic_coeff_a"] = -0.75
        if len(scales) == spatial and all(isinstance(scale, float) for scale in scales):
            factors = np.asarray([1, 1, *scales], dtype=np.float32)
            return b.emit("Resize", input, None, factors, **attributes)
        if output_size is None:
            raise UncoveredError("resizing to an unknown size")
        return _resized(b, input, list(output_size), attributes)

    return translate


def _resized(b: Builder, x: Tensor, asked: list[Any], attributes: dict[str, Any]) -> Tensor:
    made = b.emit("Resize", x, None, None, b.ints([*b.sizes(x)[:2], *asked]), **attributes)
    return b.set_dims(made, [*(b.dims(x) or ())[:2], *(n if isinstance(n, int) else None for n in asked)])


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    **{f"max_pool{n}d": _max_pool(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _max_pool_places(n) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _avg_pool(n) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _adaptive_avg(n) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": _adaptive_avg(n) for n in (2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive_max(n) for n in (1, 2, 3)},
    **{f"reflection_pad{n}d": _padding("reflect") for n in (1, 2, 3)},
    **{f"replication_pad{n}d": _padding("replicate") for n in (1, 2, 3)},
    "constant_pad_nd": _constant_pad, "pad": _pad,
    **{f"upsample_nearest{n}d": _upsample(n, "nearest") for n in (1, 2, 3)},
    "upsample_linear1d": _upsample(1, "linear"), "upsample_bilinear2d": _upsample(2, "linear"),
    "upsample_trilinear3d": _upsample(3, "linear"), "upsample_bicubic2d": _upsample(2, "cubic"),
}  # fmt: skip
