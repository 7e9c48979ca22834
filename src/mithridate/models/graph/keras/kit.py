"""What the layers of Keras are translated with: tensors that know both orders of their axes, and one use of a layer.

Keras keeps channels last, the operators of ONNX first. A tensor that came out of a convolution stays as it came until
something needs it in Keras' order; so a network is turned around once at its beginning and once at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.values import Dim, Tensor, UncoveredError
from mithridate.models.graph.ir import Constant, Shape
from mithridate.models.graph.keras.store import Variable
from mithridate.models.graph.keras.wiring import Layer

__all__ = ["END", "FLOAT", "Kind", "Kit", "Use", "Value"]

FLOAT: Final = np.dtype(np.float32)
#: "to the end of the axis".
END: Final = (1 << 63) - 1


class Value:
    """A tensor of Keras: in its own order of axes, with channels moved to the front, or both.

    Args:
        last: in Keras' order.
        first: with the last axis moved behind the first one.
    """

    def __init__(self, last: Tensor | None = None, first: Tensor | None = None) -> None:
        self.last, self.first = last, first

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The forms that there are."""
        return tuple(tensor for tensor in (self.last, self.first) if tensor is not None)


class Kit:
    """A graph in the making.

    Args:
        builder: of the graph.
        version: of Keras that wrote the file, its first number.
    """

    def __init__(self, builder: Builder, version: int) -> None:
        self.b, self.version = builder, version
        self._constants: dict[tuple[str, ...], Tensor] = {}

    # ------------------------------------------------------------------ orders

    def plain(self, value: Value) -> Tensor:
        """In Keras' order."""
        if value.last is None:
            assert value.first is not None
            rank = self.b.rank(value.first)
            value.last = self.b.emit("Transpose", value.first, perm=(0, *range(2, rank), 1))
        return value.last

    def front(self, value: Value) -> Tensor:
        """With the channels, which are last, moved to the front."""
        if value.first is None:
            assert value.last is not None
            rank = self.b.rank(value.last)
            if rank < 3:
                return value.last
            value.first = self.b.emit("Transpose", value.last, perm=(0, rank - 1, *range(1, rank - 1)))
        return value.first

    def rank(self, value: Value) -> int:
        """The number of axes.

        Raises:
            UncoveredError: not known.
        """
        return self.b.rank(value.tensors[0])

    def dims(self, value: Value) -> tuple[Dim, ...]:
        """The sizes in Keras' order; text or None for those that may vary.

        Raises:
            UncoveredError: not even their number is known.
        """
        self.rank(value)
        if value.last is not None:
            return tuple(self.b.dims(value.last) or ())
        assert value.first is not None
        dims = tuple(self.b.dims(value.first) or ())
        return (dims[0], *dims[2:], dims[1])

    def size(self, value: Value, axis: int) -> int | None:
        """The size of an axis; None where it may vary."""
        dim = self.dims(value)[axis]
        return dim if isinstance(dim, int) else None

    def each(self, value: Value, function: Callable[[Tensor], Tensor]) -> Value:
        """A function of single numbers, in whatever order they lie."""
        if value.first is not None:
            return Value(first=function(value.first))
        return Value(function(self.plain(value)))

    def together(self, values: Sequence[Value], function: Callable[[list[Tensor]], Tensor]) -> Value:
        """A function of numbers that lie at the same places of several tensors; smaller ones are repeated."""
        ranks = {self.rank(value) for value in values}
        if len(ranks) == 1 and min(ranks) > 2 and any(value.last is None for value in values):
            return Value(first=function([self.front(value) for value in values]))
        return Value(function([self.plain(value) for value in values]))

    def float(self, value: Value) -> Value:
        """With numbers that have a fraction."""
        return self.each(value, lambda t: self.b.cast(t, FLOAT))

    # --------------------------------------------------------------- constants

    def held(
        self,
        path: tuple[str, ...],
        array: NDArray[Any],
        make: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> Tensor:
        """A weight, once for all uses of its layer.

        Args:
            path: of the layer, and the weight's own name.
            array: its values.
            make: brings them into the form that the operator takes, when they are asked for.
        """
        if path not in self._constants:
            make = make or (lambda values: values)
            shape = make(np.broadcast_to(np.zeros((), array.dtype), array.shape)).shape
            dtype = FLOAT if array.dtype.kind == "f" else array.dtype
            load = lambda: np.ascontiguousarray(make(array), dtype=dtype)  # noqa: E731
            self._constants[path] = self.b.constant(
                "/".join(path), Constant(shape=shape, dtype=dtype, load=load)
            )
        return self._constants[path]

    def number(self, value: Any) -> Tensor:
        """Constants of the description, as floats."""
        return self.b.literal(np.asarray(value, dtype=FLOAT))

    # ------------------------------------------------------------ common forms

    def slice(
        self, tensor: Tensor, axes: Sequence[int], starts: Sequence[int], ends: Sequence[int]
    ) -> Tensor:
        """A part of a tensor."""
        rows = [np.asarray(part, dtype=np.int64) for part in (starts, ends, axes)]
        return self.b.emit("Slice", tensor, *rows)

    def reshape(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """Another shape; 0 keeps a size, -1 takes what is left."""
        return self.b.emit("Reshape", tensor, np.asarray(shape, dtype=np.int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Use:
    """One use of a layer.

    Attributes:
        kit: of the graph.
        layer: the layer.
        path: of models and the layer; its weights are named after it.
        args: what it is given; tensors are `Value`s.
        kwargs: the same, by name.
        fetch: (name, shape), ... of what it needs → its weights.
    """

    kit: Kit
    layer: Layer
    path: tuple[str, ...]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    fetch: Callable[[Sequence[tuple[str, Shape]]], list[NDArray[Any]]] = field(repr=False)

    @property
    def x(self) -> Value:
        """The only tensor that it is given.

        Raises:
            UncoveredError: it is given something else.
        """
        given = self.args[0] if self.args else None
        if isinstance(given, list) and len(given) == 1:
            given = given[0]
        if not isinstance(given, Value):
            raise UncoveredError("a layer that is not given one tensor")
        return given

    @property
    def many(self) -> list[Value]:
        """The tensors that it is given.

        Raises:
            UncoveredError: there is something else among them.
        """
        given = self.args[0] if len(self.args) == 1 and isinstance(self.args[0], list) else list(self.args)
        if not given or not all(isinstance(value, Value) for value in given):
            raise UncoveredError("a merge of something else than tensors")
        return list(given)

    def get(self, name: str, default: Any = None) -> Any:
        """An argument that the layer is made with."""
        value = self.layer.config.get(name)
        return default if value is None else value

    def whole(self, name: str, count: int, default: int = 1) -> tuple[int, ...]:
        """Whole numbers, one for each of some axes; one number stands for all.

        Raises:
            UncoveredError: there are not as many.
        """
        value = self.get(name, default)
        found = tuple(int(v) for v in value) if isinstance(value, list) else (int(value),) * count
        if len(found) != count:
            raise UncoveredError(f"{name} of {len(found)} numbers for {count} axes")
        return found

    @property
    def channels_first(self) -> bool:
        """Whether Keras' own order has the channels first."""
        return bool(self.get("data_format", "channels_last") == "channels_first")

    def front(self, value: Value) -> Tensor:
        """A tensor with channels first, whichever order the layer works in."""
        return self.kit.plain(value) if self.channels_first else self.kit.front(value)

    def back(self, tensor: Tensor) -> Value:
        """A tensor with channels first as an answer of the layer."""
        return Value(tensor) if self.channels_first else Value(first=tensor)

    def channels(self, value: Value) -> int | None:
        """How many channels a tensor has; None where that may vary."""
        return self.kit.size(value, 1 if self.channels_first else -1)

    def held(
        self, name: str, array: NDArray[Any], make: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    ) -> Tensor:
        """A weight of the layer as a constant."""
        return self.kit.held((*self.path, name), array, make)


#: translates a use of a layer.
Build: TypeAlias = Callable[[Use], Value]


@dataclass(frozen=True)
class Kind:
    """A class of layers.

    Attributes:
        build: translates a use.
        variables: names of its weights, in order, and whether they are trained.
    """

    build: Build
    variables: Callable[[Layer], Sequence[Variable]] = lambda layer: ()
