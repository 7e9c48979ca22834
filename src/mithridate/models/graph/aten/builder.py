"""Builds a `Graph` operator by operator, and knows the type and shape of every tensor on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError
from mithridate.models.graph.aten.inference import OPSET, Inference
from mithridate.models.graph.aten.values import (
    Dim,
    HintError,
    Number,
    Size,
    Tensor,
    Type,
    UncoveredError,
    View,
    flat,
    kind,
    promoted,
)  # fmt: skip
from mithridate.models.graph.ir import Constant, Graph, Node, Value, reads

__all__ = ["OPSET", "Builder", "Operand"]

Operand: TypeAlias = Tensor | Size | Number | NDArray[Any]

_MOST: Final = 100_000  # operators
_SMALL: Final = 4096  # values of a constant that code may depend on
_INT: Final = np.dtype(np.int64)
_FLOAT: Final = np.dtype(np.float32)
#: the answer has the shape of the first argument, whatever it is: what is learnt about one holds for the other.
_KEEP: Final = frozenset((
    "Relu", "Sigmoid", "Tanh", "Clip", "Cast", "Neg", "Abs", "Exp", "Log", "Sqrt", "Identity", "LeakyRelu", "Elu",
    "Floor", "Round", "HardSwish", "HardSigmoid", "Erf", "Sign",
))  # fmt: skip


class Builder:
    """A graph in the making.

    Args:
        name: of the model, for messages.

    Attributes:
        path: module that operators are made for now; part of their names.
        expected: how many values the code takes from the next operator, where it says so; for unknown ones.

    Raises:
        UsageError: onnx is not installed.
    """

    def __init__(self, name: str) -> None:
        self._inference = Inference(name)
        self.name, self.path, self.expected = name, "", 1
        self.constants: dict[str, Constant] = {}
        self.inputs: dict[str, Value] = {}
        self._types: dict[str, Type] = {}
        self._origin: dict[str, str] = {}  # tensor → the input whose shape it has
        self._blocks: list[list[Node]] = [[]]
        self._journals: list[dict[int, tuple[Tensor, str]]] = []
        self._literals: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._taken: dict[str, int] = {}
        self.count = 0

    # ---------------------------------------------------------------- tensors

    def input(self, name: str, known: Type) -> Tensor:
        """A tensor that is fed; sizes that may vary get symbols."""
        name = self._unique(name)
        dims = known.dims
        if dims is not None:
            dims = tuple(f"{name}.{axis}" if d is None else d for axis, d in enumerate(dims))
        self._types[name] = Type(dims, known.dtype)
        self._origin[name] = name
        shape = None if dims is None else tuple(d if isinstance(d, int) else None for d in dims)
        self.inputs[name] = Value(shape=shape, dtype="" if known.dtype is None else str(known.dtype))
        return Tensor(name)

    def constant(self, name: str, value: Constant) -> Tensor:
        """A tensor that the model holds."""
        name = self._unique(name)
        self.constants[name] = value
        self._types[name] = Type(value.shape, value.dtype)
        return Tensor(name)

    def literal(self, value: Any, dtype: Any = None) -> Tensor:
        """A constant of the code.

        Raises:
            UncoveredError: it is no number.
        """
        array = np.asarray(value, dtype=dtype)
        if array.dtype.kind not in "biufc":
            raise UncoveredError("a tensor of something else than numbers")
        if dtype is None and array.dtype == np.float64:
            array = array.astype(np.float32)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._literals:
            self._literals[key] = self.constant("constant", Constant.of(array))
        return Tensor(self._literals[key].name)

    def derived(
        self, name: str, shape: tuple[int, ...], source: Tensor, make: Callable[[Any], Any]
    ) -> Tensor:
        """A constant computed from another one when it is asked for."""
        held = self.constants[self.read(source)]
        load = lambda: np.ascontiguousarray(make(held.array))  # noqa: E731
        return self.constant(name, Constant(shape=shape, dtype=held.dtype, load=load))

    def is_constant(self, value: Any) -> bool:
        """Whether a tensor is a constant of the model."""
        return isinstance(value, Tensor) and self.read(value) in self.constants

    def value(self, tensor: Any) -> NDArray[Any] | None:
        """The values of a small constant, else None."""
        if isinstance(tensor, bool | int | float):
            return np.asarray(tensor)
        if not self.is_constant(tensor):
            return None
        held = self.constants[self.read(tensor)]
        return held.array if held.size <= _SMALL else None

    def read(self, tensor: Tensor) -> str:
        """The name of what a tensor holds now."""
        view = tensor.view
        if view is not None:
            self.read(view.base)
            if view.seen != view.base.version:
                view.seen = view.base.version
                self._change(tensor, view.look())
        return tensor.name

    # ------------------------------------------------------------------ types

    def type(self, value: Operand) -> Type:
        """What is known about a tensor or number."""
        if isinstance(value, Tensor):
            return self._types.get(self.read(value), Type())
        if isinstance(value, Size):
            return Type((), _INT)
        array = np.asarray(value)
        return Type(array.shape, _FLOAT if array.dtype == np.float64 else array.dtype)

    def dims(self, value: Operand) -> tuple[Dim, ...] | None:
        """The sizes of a tensor; None when not even their number is known."""
        return self.type(value).dims

    def rank(self, value: Operand) -> int:
        """The number of axes.

        Raises:
            UncoveredError: not known.
        """
        dims = self.dims(value)
        if dims is None:
            raise UncoveredError("a tensor with an unknown number of axes")
        return len(dims)

    def axis(self, value: Operand, axis: int) -> int:
        """An axis counted from the front."""
        return axis if axis >= 0 else axis + self.rank(value)

    def dtype(self, value: Operand) -> np.dtype[Any]:
        """The type of the numbers; float32 where nothing is known."""
        return self.type(value).dtype or _FLOAT

    def size(self, value: Tensor, axis: int) -> int | Size:
        """The size of an axis."""
        axis = self.axis(value, axis)
        dims = self.dims(value)
        dim = dims[axis] if dims is not None and axis < len(dims) else None
        return dim if isinstance(dim, int) else Size(self.read(value), axis, dim or "")

    def sizes(self, value: Tensor) -> list[int | Size]:
        """All sizes.

        Raises:
            UncoveredError: not even their number is known.
        """
        return [self.size(value, axis) for axis in range(self.rank(value))]

    def learn(self, tensor: Tensor, dims: Sequence[Dim] | None = None, dtype: Any = None) -> None:
        """What an operator says about its argument by accepting it.

        Raises:
            HintError: it is an input, so the graph can be built again with a better idea of it.
        """
        name, known = self.read(tensor), self.type(tensor)
        origin = self._origin.get(name)
        if dims is not None and known.dims is None:
            if origin is not None:
                raise HintError(origin, Type(tuple(dims), None))
            self._types[name] = Type(tuple(dims), known.dtype)
        if dtype is not None and origin is not None and known.dtype is None:
            raise HintError(origin, Type(None, np.dtype(dtype)))

    def set_dims(self, tensor: Tensor, dims: Sequence[Dim]) -> Tensor:
        """Say what shape a tensor has, where inference cannot know it."""
        name = self.read(tensor)
        self._types[name] = Type(tuple(dims), self._types.get(name, Type()).dtype)
        return tensor

    def set_type(self, tensor: Tensor, known: Type) -> Tensor:
        """Say what type a tensor has."""
        self._types[self.read(tensor)] = known
        return tensor

    # -------------------------------------------------------------- operators

    def emit(self, op: str, *inputs: Operand | None, **attributes: Any) -> Tensor:
        """An operator with one answer; numbers among the arguments become constants, None is left out."""
        return self.emit_many(op, inputs, 1, **attributes)[0]

    def emit_many(
        self, op: str, inputs: Sequence[Operand | None], count: int, **attributes: Any
    ) -> list[Tensor]:
        """An operator with several answers.

        Raises:
            ItemError: the graph grows too large.
        """
        names = tuple("" if value is None else self.read(self.tensor(value)) for value in inputs)
        while names and not names[-1]:
            names = names[:-1]
        self.count += 1
        if self.count > _MOST:
            raise ItemError(self.name, f"more than {_MOST:,} operators")
        name = self._unique(f"{self.path}/{op}" if self.path else op)
        outputs = (name,) if count == 1 else tuple(f"{name}:{i}" for i in range(count))
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = Node(name=name, op=op, inputs=names, outputs=outputs, attributes=attributes)
        self._blocks[-1].append(node)
        self._types |= self._inference.answers(node, self._types, self.constants)
        if op in _KEEP and names[0] in self._origin:
            self._origin[outputs[0]] = self._origin[names[0]]
        return [Tensor(output) for output in outputs]

    def opaque(self, op: str, arguments: Any, count: int) -> list[Tensor]:
        """An operator without a translation: what it reads and how many answers it gives."""
        tensors = [self.tensor(value) for value in flat(arguments)]
        plain = _plain(arguments) if isinstance(arguments, dict) else {}
        return self.emit_many(op, tensors, count, **plain)

    def math(self, op: str, *values: Operand) -> Tensor:
        """An operator on numbers of one type, to which the arguments are brought as torch does."""
        dtype = self.common(*values)
        return self.emit(op, *(self.tensor(value, dtype) for value in values))

    def common(self, *values: Operand) -> np.dtype[Any]:
        """The type that torch computes some arguments in: tensors with axes before single numbers before code."""
        groups: list[list[np.dtype[Any]]] = [[], [], []]
        for value in values:
            known = self.type(value)
            if isinstance(value, Tensor):
                groups[1 if known.dims == () else 0].append(known.dtype or _FLOAT)
            else:
                groups[2].append(known.dtype or _FLOAT)
        found: np.dtype[Any] | None = None
        for group in reversed(groups):  # the lower group first; the higher one wins within a kind
            if group:
                here = promoted(group)
                found = here if found is None or kind(found) <= kind(here) else found
        return found or _FLOAT

    def tensor(self, value: Operand, dtype: Any = None) -> Tensor:
        """A number, size or tensor as a tensor of some type."""
        if isinstance(value, Size):
            shape = self.emit("Shape", Tensor(value.tensor))
            value = self.emit("Gather", shape, np.asarray(value.axis, dtype=np.int64), axis=0)
        if not isinstance(value, Tensor):
            if dtype is None and isinstance(value, int) and not isinstance(value, bool):
                dtype = _INT
            return self.literal(value, dtype)
        return value if dtype is None else self.cast(value, dtype)

    def cast(self, tensor: Tensor, dtype: Any) -> Tensor:
        """A tensor with numbers of another type; itself where it has them already."""
        dtype = np.dtype(dtype)
        known = self.type(tensor).dtype
        if (known or _FLOAT) == dtype:
            return tensor
        return self.emit("Cast", tensor, to=self._inference.code(dtype))

    def ints(self, values: Sequence[int | Size | Tensor] | Tensor) -> Tensor:
        """Whole numbers as one tensor of one axis."""
        if isinstance(values, Tensor):
            return self.cast(values, _INT)
        if all(isinstance(value, int) for value in values):
            return self.literal(np.asarray(values, dtype=np.int64))
        parts = [self._row(value) for value in values]
        return parts[0] if len(parts) == 1 else self.emit("Concat", *parts, axis=0)

    def _row(self, value: int | Size | Tensor) -> Tensor:
        if isinstance(value, int):
            return self.literal(np.asarray([value], dtype=np.int64))
        if isinstance(value, Size):
            at = self.literal(np.asarray([value.axis], dtype=np.int64))
            return self.emit("Gather", self.emit("Shape", Tensor(value.tensor)), at, axis=0)
        return self.emit("Reshape", self.cast(value, _INT), np.asarray([1]))

    # ---------------------------------------------------- views, work in place

    def view(self, base: Tensor, look: Callable[[], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
        """A tensor that looks into another one.

        Args:
            base: the tensor looked into.
            look: makes the part of what `base` holds.
            back: makes the base that has another part.
        """
        made = look()
        tensor = Tensor(made.name)
        tensor.view = View(base, base.version, lambda: self.read(look()), back)
        return tensor

    def assign(self, target: Tensor, value: Tensor) -> Tensor:
        """Write to a tensor in place, and so to those that it looks into."""
        known = self.type(target)
        name = self.read(self.cast(value, self.dtype(target)))
        if known.dims is not None:  # what is written in place has the shape of what was there
            self._types[name] = Type(known.dims, self.dtype(target))
        self._change(target, name)
        view = target.view
        if view is not None:
            self.assign(view.base, view.back(Tensor(target.name)))
            view.seen = view.base.version
        return target

    def _change(self, tensor: Tensor, name: str) -> None:
        for journal in self._journals:
            journal.setdefault(id(tensor), (tensor, tensor.name))
        tensor.name = name
        tensor.version += 1

    # ------------------------------------------------------------------ bodies

    @contextmanager
    def block(self) -> Iterator[tuple[list[Node], dict[int, tuple[Tensor, str]]]]:
        """Operators of a body of their own; gives them, and the tensors changed in place with their old names.

        Afterwards these tensors hold again what they held before.
        """
        nodes: list[Node] = []
        journal: dict[int, tuple[Tensor, str]] = {}
        self._blocks.append(nodes)
        self._journals.append(journal)
        try:
            yield nodes, journal
        finally:
            self._blocks.pop()
            self._journals.pop()
            for tensor, name in journal.values():
                if tensor.name != name:
                    self._change(tensor, name)

    def add(self, node: Node, known: Sequence[Type]) -> list[Tensor]:
        """A node made elsewhere."""
        self._blocks[-1].append(node)
        for output, type_ in zip(node.outputs, known, strict=True):
            self._types[output] = type_
        return [Tensor(output) for output in node.outputs]

    @property
    def nodes(self) -> list[Node]:
        """The operators of the block in the making."""
        return self._blocks[-1]

    def graph(self, outputs: Sequence[Tensor]) -> Graph:
        """The finished graph; constants that nothing reads are part of it.

        Args:
            outputs: the answers; where one is an input or a constant, or is there twice, an operator is put in between.
        """
        answers: dict[str, Value] = {}
        for tensor in outputs:
            held = self.read(tensor)
            if held in answers or held in self.inputs or held in self.constants:
                held = self.read(self.emit("Identity", Tensor(held)))
            answers[held] = self._as_value(held)
        inputs = {
            name: value if value.dtype else replace(value, dtype="float32")
            for name, value in self.inputs.items()
        }
        nodes = self._kept(answers)
        return Graph(
            name=self.name, nodes=nodes, inputs=inputs, outputs=answers, constants=self._held(nodes), opset=OPSET,
        )  # fmt: skip

    def _kept(self, answers: Mapping[str, Value]) -> tuple[Node, ...]:
        """All operators but those that only tests of shapes needed, which nothing reads any more."""
        needed = set(answers)
        kept: list[Node] = []
        for node in reversed(self._blocks[0]):
            known = [self._types.get(output, Type()).dtype for output in node.outputs]
            if all(dtype is not None and kind(dtype) < 2 for dtype in known) and needed.isdisjoint(
                node.outputs
            ):
                continue
            kept.append(node)
            needed.update(reads(node))
        return tuple(reversed(kept))

    def _held(self, nodes: Sequence[Node]) -> dict[str, Constant]:
        """All constants but whole numbers that nothing reads: the counters of batches that layers were trained on."""
        read = {name for node in nodes for name in reads(node)}
        return {
            name: held for name, held in self.constants.items()
            if name in read or held.size > 1 or kind(held.dtype) > 1
        }  # fmt: skip

    def value_of(self, tensor: Tensor) -> Value:
        """What is known about a tensor, as graphs say it."""
        return self._as_value(self.read(tensor))

    def _as_value(self, name: str) -> Value:
        known = self._types.get(name, Type())
        dims = None if known.dims is None else tuple(d if isinstance(d, int) else None for d in known.dims)
        return Value(shape=dims, dtype="" if known.dtype is None else str(known.dtype))

    def unique(self, name: str) -> str:
        """A name that nothing has yet."""
        return self._unique(name)

    def _unique(self, name: str) -> str:
        number = self._taken.get(name)
        self._taken[name] = (number or 0) + 1
        return name if number is None else self._unique(f"{name}#{number}")


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that are numbers, text or lists of these."""
    single = bool | int | float | str
    kept: dict[str, Any] = {}
    for key, value in arguments.items():
        if isinstance(value, list | tuple) and value and all(isinstance(v, single) for v in value):
            if len({type(v) for v in value}) == 1:
                kept[key] = tuple(value)
        elif isinstance(value, single):
            kept[key] = value
    return kept
