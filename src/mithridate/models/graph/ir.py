"""A model as a graph of operators, whatever format it came in. The vocabulary is that of ONNX.

Reference:
    ONNX operator schemas, opset 13 to 26, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Constant", "Graph", "Node", "Shape", "Value", "reads"]

#: one entry per axis; None where a size may vary.
Shape: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A tensor that is part of the model.

    Attributes:
        shape: of the tensor.
        dtype: of the tensor.
        load: gives its values; called at most once.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]] = field(repr=False)

    @classmethod
    def of(cls, array: NDArray[Any]) -> Constant:
        """A constant that is in memory already."""
        return cls(shape=array.shape, dtype=array.dtype, load=lambda: array)

    @cached_property
    def array(self) -> NDArray[Any]:
        """The values, of `shape` and `dtype`."""
        return self.load()

    @property
    def size(self) -> int:
        """How many values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @cached_property
    def nonzero(self) -> int:
        """How many values are not zero; padding a branch with zeros does not make it larger."""
        return int(np.count_nonzero(self.array))


@dataclass(frozen=True, kw_only=True)
class Node:
    """An operator.

    Attributes:
        name: unique within its graph.
        op: name of the ONNX operator; with its domain and "::" before it where that is not ONNX's own.
        inputs: names of tensors; "" where an optional one is left out.
        outputs: names of tensors; "" where one is not used.
        attributes: numbers, text, tuples of these, arrays (`numpy.ndarray`), or `Graph`s for the bodies of If, Loop
            and Scan.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bodies(self) -> tuple[Graph, ...]:
        """Graphs among the attributes."""
        return tuple(value for value in self.attributes.values() if isinstance(value, Graph))


@dataclass(frozen=True, kw_only=True)
class Value:
    """What is known about an input or output.

    Attributes:
        shape: None when not even the number of axes is known.
        dtype: "float32", "int64", "text" ...; "" when unknown.
    """

    shape: Shape | None = None
    dtype: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A model, or the body of an operator.

    Attributes:
        name: for people.
        nodes: in an order in which they can be computed.
        inputs: what is fed; constants are not among them.
        outputs: what is answered.
        constants: by the name of the tensor.
        opset: of ONNX that the operators are meant in.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]
    constants: Mapping[str, Constant]
    opset: int = 17

    @cached_property
    def producer(self) -> Mapping[str, Node]:
        """Tensor → the operator that makes it."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """Tensor → the operators that read it, in order; also those whose bodies do."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(reads(node)):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def value_of(self, name: str) -> NDArray[Any] | None:
        """The values of a tensor that is constant, else None."""
        if name in self.constants:
            return self.constants[name].array
        node = self.producer.get(name)
        if node is not None and node.op == "Constant":
            value = node.attributes.get("value", next(iter(node.attributes.values()), None))
            return None if value is None else np.asarray(value)
        return None

    def needed_for(self, outputs: Iterable[str], given: Iterable[str] = ()) -> tuple[Node, ...]:
        """The operators that some tensors are computed by, in order.

        Args:
            outputs: names of tensors.
            given: tensors that are there already: nothing before them is needed.
        """
        stop, wanted = set(given), set(outputs)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if any(output and output in wanted and output not in stop for output in node.outputs):
                kept.append(node)
                wanted.update(reads(node))
        return tuple(reversed(kept))

    def cut(self, outputs: Iterable[str], given: Mapping[str, Value] | None = None) -> Graph:
        """The part that computes some tensors.

        Args:
            outputs: names of the tensors that the part answers.
            given: tensors that the part is fed instead of computing them.
        """
        outputs, given = tuple(outputs), dict(given or {})
        nodes = self.needed_for(outputs, given)
        read = {name for node in nodes for name in reads(node)} | set(outputs)
        inputs = {name: value for name, value in {**self.inputs, **given}.items() if name in read}
        return Graph(
            name=self.name,
            nodes=nodes,
            inputs=inputs,
            outputs={name: self.outputs.get(name, Value()) for name in outputs},
            constants={name: value for name, value in self.constants.items() if name in read},
            opset=self.opset,
        )


def reads(node: Node) -> tuple[str, ...]:
    """The tensors that an operator reads, those that its bodies take from outside included."""
    inner = tuple(name for body in node.bodies for name in _free(body))
    return tuple(name for name in node.inputs if name) + inner


def _free(body: Graph) -> tuple[str, ...]:
    made = set(body.inputs) | set(body.constants) | {out for node in body.nodes for out in node.outputs}
    asked = [*(name for node in body.nodes for name in reads(node)), *body.outputs]
    return tuple(name for name in dict.fromkeys(asked) if name not in made)
