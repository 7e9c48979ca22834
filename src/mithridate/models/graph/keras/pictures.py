"""Pooling, borders, sizes: layers that move over axes of space and hold no weights.

Reference:
    Keras 3, keras.layers: pooling and reshaping layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mithridate.models.graph.aten.values import Tensor, UncoveredError
from mithridate.models.graph.keras.convolutions import same_pads
from mithridate.models.graph.keras.kit import END, Kind, Kit, Use, Value

__all__ = ["pictures"]


def pictures() -> dict[str, Kind]:
    """Class → how it is translated."""
    found: dict[str, Kind] = {}
    for rank in (1, 2, 3):
        found[f"MaxPooling{rank}D"] = Kind(_pooling("MaxPool", rank))
        found[f"AveragePooling{rank}D"] = Kind(_pooling("AveragePool", rank))
        for name in (f"GlobalAveragePooling{rank}D", f"GlobalAvgPool{rank}D"):
            found[name] = Kind(_whole("ReduceMean", rank))
        for name in (f"GlobalMaxPooling{rank}D", f"GlobalMaxPool{rank}D"):
            found[name] = Kind(_whole("ReduceMax", rank))
        found[f"ZeroPadding{rank}D"] = Kind(_border(_pad, "padding", rank))
        found[f"Cropping{rank}D"] = Kind(_border(_crop, "cropping", rank))
        found[f"UpSampling{rank}D"] = Kind(_larger(rank))
    return found


def _inner(use: Use, rank: int) -> list[int | None]:
    dims = use.kit.dims(use.x)
    inner = dims[2:] if use.channels_first else dims[1:-1]
    if len(inner) != rank:
        raise UncoveredError(f"a layer over {rank} axes of space that is given {len(inner)}")
    return [d if isinstance(d, int) else None for d in inner]


def _pooling(op: str, rank: int) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        sizes = use.whole("pool_size", rank, 2)
        strides = sizes if use.get("strides") is None else use.whole("strides", rank)
        how = str(use.get("padding", "valid"))
        extra: dict[str, Any] = {}
        inner = _inner(use, rank)
        if how == "same":
            pads = same_pads(inner, sizes, strides, (1,) * rank)
            extra = {"auto_pad": "SAME_UPPER"} if pads is None else {"pads": pads}
        elif how != "valid":
            raise UncoveredError(f"padding {how[:40]!r}")
        out = use.kit.b.emit(op, use.front(use.x), kernel_shape=sizes, strides=strides, **extra)
        return use.back(out)

    return build


def _whole(op: str, rank: int) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        keep = bool(use.get("keepdims", False))
        _inner(use, rank)
        axes = tuple(range(2, 2 + rank))
        out = use.kit.b.emit(op, use.front(use.x), axes=axes, keepdims=int(keep))
        return use.back(out) if keep else Value(out)

    return build


def _border(
    act: Callable[[Kit, Tensor, list[int], list[tuple[int, int]], list[int | None]], Tensor],
    name: str,
    rank: int,
) -> Callable[[Use], Value]:
    """A layer that adds or takes values before and after the axes of space, in whatever order they lie."""

    def build(use: Use) -> Value:
        sides, k, x = _sides(use.get(name, 1), rank), use.kit, use.x
        inner = _inner(use, rank)
        if use.channels_first or x.last is None:
            return use.back(act(k, use.front(x), list(range(2, 2 + rank)), sides, inner))
        return Value(act(k, k.plain(x), list(range(1, 1 + rank)), sides, inner))

    return build


def _sides(value: Any, rank: int) -> list[tuple[int, int]]:
    """One number for all sides, one for each axis, or two for each."""
    if isinstance(value, int):
        return [(value, value)] * rank
    if rank == 1 and len(value) == 2 and all(isinstance(v, int) for v in value):
        return [(int(value[0]), int(value[1]))]
    pairs = [(v, v) if isinstance(v, int) else tuple(map(int, v)) for v in value]
    if len(pairs) != rank or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise UncoveredError("a border of another number of axes")
    return [(int(before), int(after)) for before, after in pairs]


def _pad(
    k: Kit, t: Tensor, axes: list[int], sides: list[tuple[int, int]], sizes: Sequence[int | None]
) -> Tensor:
    widths = np.zeros((2, k.b.rank(t)), dtype=np.int64)
    for axis, pair in zip(axes, sides, strict=True):
        widths[:, axis] = pair
    return k.b.emit("Pad", t, widths.reshape(-1), mode="constant")


def _crop(
    k: Kit, t: Tensor, axes: list[int], sides: list[tuple[int, int]], sizes: Sequence[int | None]
) -> Tensor:
    """Bounds are counted from the front where the size is known: then it shows how little is left."""
    ends = []
    for (_, after), size in zip(sides, sizes, strict=True):
        ends.append(size - after if size is not None else -after if after else END)
    return k.slice(t, axes, [before for before, _ in sides], ends)


def _larger(rank: int) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        times, how = use.whole("size", rank, 2), str(use.get("interpolation", "nearest"))
        _inner(use, rank)
        scales = np.asarray([1, 1, *times], dtype=np.float32)
        modes: dict[str, dict[str, Any]] = {
            "nearest": {
                "mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor",
            },
            "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        }  # fmt: skip
        if how not in modes:
            raise UncoveredError(f"interpolation {how[:40]!r}")
        return use.back(use.kit.b.emit("Resize", use.front(use.x), None, scales, **modes[how]))

    return build
