"""torch's operators that move values without changing them, in operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.values import Dim, Size, Tensor, UncoveredError

__all__ = ["TABLE", "expanded", "moved", "part", "reshaped"]

_Sizes: TypeAlias = Sequence[int | Size | Tensor] | Tensor
_END: Final = (1 << 63) - 1


def reshaped(b: Builder, x: Tensor, sizes: _Sizes) -> Tensor:
    """A tensor in another shape, said by numbers alone wherever that is possible.

    ONNX copies a size where the shape says 0, and one size may be left open, which covers most sizes that vary.
    """
    if isinstance(sizes, Tensor):
        return b.emit("Reshape", x, b.ints(sizes))
    dims = b.dims(x)
    if not any(isinstance(size, int) and size == 0 for size in sizes):
        sizes = [0 if _same_size(b, x, dims, axis, size) else size for axis, size in enumerate(sizes)]
        varying = [axis for axis, size in enumerate(sizes) if not isinstance(size, int)]
        if len(varying) == 1 and -1 not in [size for size in sizes if isinstance(size, int)]:
            symbol = _symbol(sizes[varying[0]])
            open_ = [-1 if axis == varying[0] else size for axis, size in enumerate(sizes)]
            made = _reshape(b, x, open_, dims)
            known = b.dims(made)
            if symbol and known is not None:
                b.set_dims(made, [symbol if axis == varying[0] else dim for axis, dim in enumerate(known)])
            return made
    return _reshape(b, x, sizes, dims)


def _reshape(
    b: Builder, x: Tensor, sizes: Sequence[int | Size | Tensor], dims: tuple[Dim, ...] | None
) -> Tensor:
    if all(isinstance(size, int) for size in sizes) and b.is_constant(x) and dims is not None:
        shape = tuple(dims[axis] if size == 0 else size for axis, size in enumerate(sizes))
        whole = [size for size in dims if isinstance(size, int)]
        if -1 in shape:
            rest = math.prod(size for size in shape if isinstance(size, int) and size != -1)
            shape = tuple(math.prod(whole) // max(rest, 1) if size == -1 else size for size in shape)
        fixed = tuple(size for size in shape if isinstance(size, int))
        return b.derived(f"{b.read(x)}.reshaped", fixed, x, lambda array: array.reshape(fixed))
    made = b.emit("Reshape", x, b.ints(sizes))
    if b.dims(made) is None or not all(isinstance(size, int) for size in sizes):
        found: list[Dim] = []
        for axis, size in enumerate(sizes):
            copied = dims[axis] if dims is not None and axis < len(dims) else None
            found.append(copied if size == 0 else _dim(size))
        b.set_dims(made, found)
    return made


def _dim(size: int | Size | Tensor) -> Dim:
    if isinstance(size, int):
        return None if size < 0 else size
    return _symbol(size) or None


def _symbol(size: int | Size | Tensor) -> str:
    return size.symbol if isinstance(size, Size) else ""


def _same_size(
    b: Builder, x: Tensor, dims: tuple[Dim, ...] | None, axis: int, size: int | Size | Tensor
) -> bool:
    """Whether a size that varies is the size that the tensor has at this axis anyway."""
    if not isinstance(size, Size):
        return False
    if size.tensor == b.read(x) and size.axis == axis:
        return True
    return bool(size.symbol) and dims is not None and axis < len(dims) and dims[axis] == size.symbol


def _view(b: Builder, self: Tensor, size: Any, *more: Any) -> Tensor:
    if isinstance(size, int) and not more and not isinstance(size, bool):
        raise UncoveredError("a view of the bits of numbers")
    return _looking(b, self, lambda x: reshaped(b, x, size))


def _looking(b: Builder, base: Tensor, look: Callable[[Tensor], Tensor]) -> Tensor:
    """A tensor in another shape that shares its values."""

    def back(part_: Tensor) -> Tensor:
        return b.emit("Reshape", part_, b.emit("Shape", Tensor(b.read(base))))

    return b.view(base, lambda: look(Tensor(b.read(base))), back)


def _reshape_as(b: Builder, self: Tensor, other: Tensor) -> Tensor:
    return _looking(b, self, lambda x: reshaped(b, x, b.sizes(other)))


def _flatten(b: Builder, self: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    dims = b.dims(self)
    if start_dim == 1 and (end_dim == -1 or (dims is not None and end_dim == len(dims) - 1)):
        return _looking(b, self, lambda x: b.emit("Flatten", x, axis=1))
    rank = b.rank(self)
    start, end = b.axis(self, start_dim), b.axis(self, end_dim)
    sizes: list[Any] = b.sizes(self)
    if rank == 0:
        return _looking(b, self, lambda x: reshaped(b, x, [1]))
    inner = sizes[start : end + 1]
    middle = math.prod(inner) if all(isinstance(size, int) for size in inner) else -1
    return _looking(b, self, lambda x: reshaped(b, x, [*sizes[:start], middle, *sizes[end + 1 :]]))


def _unflatten(b: Builder, self: Tensor, dim: int, sizes: Sequence[Any]) -> Tensor:
    whole: list[Any] = b.sizes(self)
    axis = b.axis(self, dim)
    return _looking(b, self, lambda x: reshaped(b, x, [*whole[:axis], *sizes, *whole[axis + 1 :]]))


def moved(b: Builder, x: Tensor, order: Sequence[int]) -> Tensor:
    """Axes in another order; constants stay constants."""
    if list(order) == sorted(order):
        return x
    dims = b.dims(x)
    if b.is_constant(x) and dims is not None:
        shape = tuple(size for size in (dims[axis] for axis in order) if isinstance(size, int))
        return b.derived(f"{b.read(x)}.moved", shape, x, lambda array: array.transpose(order))
    return b.emit("Transpose", x, perm=tuple(order))


def _permute(b: Builder, self: Tensor, dims: Sequence[int]) -> Tensor:
    order = [axis if axis >= 0 else axis + len(dims) for axis in dims]
    inverse = [int(axis) for axis in np.argsort(order)]
    return b.view(self, lambda: moved(b, Tensor(b.read(self)), order), lambda part_: moved(b, part_, inverse))


def _transpose(b: Builder, self: Tensor, dim0: int, dim1: int) -> Tensor:
    rank = b.rank(self)
    order = list(range(rank))
    if not rank:
        return self
    first, second = dim0 % rank, dim1 % rank
    order[first], order[second] = second, first
    return _permute(b, self, order)


def _t(b: Builder, self: Tensor) -> Tensor:
    return _permute(b, self, list(range(b.rank(self)))[::-1])


def _matrix_transpose(b: Builder, self: Tensor) -> Tensor:
    return _transpose(b, self, -2, -1)


def _movedim(b: Builder, self: Tensor, source: Any, destination: Any) -> Tensor:
    rank = b.rank(self)
    sources = [axis % rank for axis in ([source] if isinstance(source, int) else source)]
    targets = [axis % rank for axis in ([destination] if isinstance(destination, int) else destination)]
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return _permute(b, self, order)


def _unsqueeze(b: Builder, self: Tensor, dim: int) -> Tensor:
    axes = np.asarray([dim])
    return b.view(
        self,
        lambda: b.emit("Unsqueeze", Tensor(b.read(self)), axes),
        lambda part_: b.emit("Squeeze", part_, axes),
    )


def _squeeze(b: Builder, self: Tensor, dim: Any = None) -> Tensor:
    if dim is None:
        axes = [axis for axis, size in enumerate(b.sizes(self)) if size == 1]
    else:
        dims = b.dims(self)
        axes = [dim] if isinstance(dim, int) else list(dim)
        # torch leaves axes alone that are not of size 1; of sizes without a name we believe what the code wants
        axes = [axis for axis in axes if dims is None or dims[axis] in (1, None)]
    if not axes:
        return self
    return b.view(
        self,
        lambda: b.emit("Squeeze", Tensor(b.read(self)), np.asarray(axes)),
        lambda part_: b.emit("Reshape", part_, b.emit("Shape", Tensor(b.read(self)))),
    )


def expanded(b: Builder, x: Tensor, sizes: _Sizes) -> Tensor:
    """A tensor repeated along axes of size 1 and along new ones."""
    if isinstance(sizes, Tensor):
        return b.emit("Expand", x, sizes)
    dims = b.dims(x)
    missing = len(sizes) - len(dims) if dims is not None else 0
    asked: list[int | Size | Tensor] = []
    known: list[Dim] = []
    for axis, size in enumerate(sizes):
        own = dims[axis - missing] if dims is not None and axis >= missing else None
        same = (isinstance(size, int) and size in (-1, own)) or (own is not None and _symbol(size) == own)
        asked.append(1 if same else size)
        known.append(own if same else _dim(size))
    if not missing and all(size == 1 for size in asked) and dims is not None:
        return x
    made = b.emit("Expand", x, b.ints(asked))
    return b.set_dims(made, known) if dims is not None else made


def _expand(b: Builder, self: Tensor, size: _Sizes, implicit: bool = False) -> Tensor:
    return expanded(b, self, size)


def _expand_as(b: Builder, self: Tensor, other: Tensor) -> Tensor:
    return b.emit("Expand", self, b.emit("Shape", other))


def _repeat(b: Builder, self: Tensor, repeats: Sequence[Any]) -> Tensor:
    missing = len(repeats) - b.rank(self)
    if missing:
        self = b.emit("Unsqueeze", self, np.arange(missing))
    return b.emit("Tile", self, b.ints(repeats))


def _tile(b: Builder, self: Tensor, dims: Sequence[Any]) -> Tensor:
    missing = b.rank(self) - len(dims)
    return _repeat(b, self, [1] * missing + list(dims))


def _cat(b: Builder, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    dtype = b.common(*tensors)
    parts = [b.cast(x, dtype) for x in tensors if b.dims(x) != (0,)]
    if not parts:
        return tensors[0]
    return parts[0] if len(parts) == 1 else b.emit("Concat", *parts, axis=dim)


def _stack(b: Builder, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    if dim < 0:
        dim += b.rank(tensors[0]) + 1
    return _cat(b, [b.emit("Unsqueeze", x, np.asarray([dim])) for x in tensors], dim)


def part(b: Builder, x: Tensor, axis: int, start: Any, stop: Any, step: int = 1) -> Tensor:
    """x[start:stop:step] along an axis."""
    return b.emit("Slice", x, b.ints([start]), b.ints([stop]), b.ints([axis]), b.ints([step]))


def _slice(
    b: Builder, self: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    start, end = 0 if start is None else start, _END if end is None else end
    dims = b.dims(self)
    size = dims[dim] if dims is not None else None
    if start == 0 and step == 1 and isinstance(end, int) and end >= (size if isinstance(size, int) else _END):
        return b.view(self, lambda: Tensor(b.read(self)), lambda part_: part_)

    def back(part_: Tensor) -> Tensor:
        return _replaced(b, self, part_, dim, start, end, step)

    return b.view(self, lambda: part(b, Tensor(b.read(self)), dim, start, end, step), back)


def _replaced(b: Builder, base: Tensor, part_: Tensor, dim: int, start: Any, end: Any, step: int) -> Tensor:
    """A tensor in which a slice is replaced."""
    if step != 1:
        raise UncoveredError("writing to every n-th value in place")
    whole = Tensor(b.read(base))
    first = part(b, whole, dim, 0, start) if start != 0 else None
    last = part(b, whole, dim, end, _END) if end != _END else None
    return b.emit("Concat", *(x for x in (first, part_, last) if x is not None), axis=dim)


def _narrow(b: Builder, self: Tensor, dim: int, start: Any, length: Any) -> Tensor:
    if isinstance(start, int) and isinstance(length, int):
        if start < 0:
            size = b.size(self, dim)
            start = start + size if isinstance(size, int) else start
        stop: Any = start + length or _END
    else:
        stop = b.math("Add", start, length)
    return _slice(b, self, dim, start, stop)


def _select(b: Builder, self: Tensor, dim: int, index: Any) -> Tensor:
    at = b.tensor(index, np.int64)

    def back(part_: Tensor) -> Tensor:
        if not isinstance(index, int):
            raise UncoveredError("writing in place to a row that is only known when the model runs")
        row = b.emit("Unsqueeze", part_, np.asarray([dim]))
        return _replaced(b, self, row, dim, index, index + 1 or _END, 1)

    return b.view(self, lambda: b.emit("Gather", Tensor(b.read(self)), at, axis=dim), back)


def _split(b: Builder, self: Tensor, split_size: Any, dim: int = 0) -> list[Tensor]:
    if isinstance(split_size, int):
        whole = b.size(self, dim)
        if isinstance(whole, int):
            sizes = [min(split_size, whole - start) for start in range(0, max(whole, 1), max(split_size, 1))]
        elif b.expected > 1:
            return _ranges(b, self, split_size, dim)
        else:
            raise UncoveredError("split into pieces whose number is not known")
    else:
        sizes = list(split_size)
    if len(sizes) == 1:
        return [self]
    return b.emit_many("Split", [self, b.ints(sizes)], len(sizes), axis=dim)


def _ranges(b: Builder, x: Tensor, size: int, dim: int) -> list[Tensor]:
    return [part(b, x, dim, i * size, (i + 1) * size) for i in range(b.expected)]


def _chunk(b: Builder, self: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    whole = b.size(self, dim)
    if not isinstance(whole, int):
        return b.emit_many("Split", [self], chunks, axis=dim)
    return _split(b, self, -(-whole // chunks), dim)


def _unbind(b: Builder, self: Tensor, dim: int = 0) -> list[Tensor]:
    whole = b.size(self, dim)
    if not isinstance(whole, int):
        if b.expected <= 1:
            raise UncoveredError("unbind into a number of tensors that is not known")
        whole = b.expected
    return [_select(b, self, dim, index) for index in range(whole)]


def _flip(b: Builder, self: Tensor, dims: Sequence[int]) -> Tensor:
    count = len(dims)
    return b.emit(
        "Slice", self, b.ints([-1] * count), b.ints([-_END] * count), b.ints(dims), b.ints([-1] * count)
    )


def _roll(b: Builder, self: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    dims = [dims] if isinstance(dims, int) else list(dims)
    if not dims:
        row = reshaped(b, self, [-1])
        return b.emit("Reshape", _roll(b, row, shifts, [0]), b.emit("Shape", self))
    for shift, dim in zip(shifts, dims, strict=True):
        size = b.size(self, dim)
        if isinstance(size, int):
            shift %= max(size, 1)
        if shift:
            self = b.emit("Concat", part(b, self, dim, -shift, _END), part(b, self, dim, 0, -shift), axis=dim)
    return self


def _pixel_shuffle(b: Builder, self: Tensor, upscale_factor: int) -> Tensor:
    b.learn(self, [None] * 4, np.float32)
    return b.emit("DepthToSpace", self, blocksize=upscale_factor, mode="CRD")


def _pixel_unshuffle(b: Builder, self: Tensor, downscale_factor: int) -> Tensor:
    n, c, h, w = b.sizes(self)
    r = downscale_factor
    if not isinstance(c, int):
        raise UncoveredError("pixel_unshuffle of an unknown number of channels")
    rows, columns = (size // r if isinstance(size, int) else b.math("Div", size, r) for size in (h, w))
    split = moved(b, reshaped(b, self, [n, c, rows, r, columns, r]), [0, 1, 3, 5, 2, 4])
    return reshaped(b, split, [n, c * r * r, rows, columns])


def _channel_shuffle(b: Builder, self: Tensor, groups: int) -> Tensor:
    n, c, *rest = b.sizes(self)
    if not isinstance(c, int):
        raise UncoveredError("channel_shuffle of unknown sizes")
    order = [0, 2, 1, *range(3, 3 + len(rest))]
    return reshaped(b, moved(b, reshaped(b, self, [n, groups, c // groups, *rest]), order), [n, c, *rest])


def _unfold(b: Builder, self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    whole, axis = b.size(self, dimension), b.axis(self, dimension)
    if not isinstance(whole, int):
        raise UncoveredError("windows over an axis of unknown size")
    at = np.arange(0, whole - size + 1, step)[:, None] + np.arange(size)
    windows = b.emit("Gather", self, at.astype(np.int64), axis=axis)
    rank = b.rank(self)
    order = [i for i in range(rank + 1) if i != axis + 1]
    return moved(b, windows, [*order, axis + 1])


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    "view": _view, "reshape": _view, "_unsafe_view": _view, "view_as": _reshape_as, "reshape_as": _reshape_as,
    "flatten": _flatten, "unflatten": _unflatten, "permute": _permute, "transpose": _transpose, "t": _t,
    "numpy_T": _t, "swapaxes": _transpose, "swapdims": _transpose, "movedim": _movedim, "moveaxis": _movedim,
    "matrix_H": _matrix_transpose, "mT": _matrix_transpose, "adjoint": _matrix_transpose,
    "unsqueeze": _unsqueeze, "squeeze": _squeeze, "expand": _expand, "expand_as": _expand_as, "repeat": _repeat,
    "tile": _tile, "cat": _cat, "concat": _cat, "concatenate": _cat, "stack": _stack, "slice": _slice,
    "narrow": _narrow, "select": _select, "split": _split, "split_with_sizes": _split, "chunk": _chunk,
    "unsafe_split": _split, "unsafe_chunk": _chunk, "unbind": _unbind, "flip": _flip, "roll": _roll,
    "pixel_shuffle": _pixel_shuffle, "pixel_unshuffle": _pixel_unshuffle, "channel_shuffle": _channel_shuffle,
    "unfold": _unfold,
}  # fmt: skip
