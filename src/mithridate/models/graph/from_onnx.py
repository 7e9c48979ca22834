"""ONNX bytes → `Graph`, without running anything."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError
from mithridate.models.graph.ir import Constant, Graph, Node, Value, reads

__all__ = ["graph_of_model", "parse_onnx"]

_OWN = ("", "ai.onnx")
_DEEPEST = 32  # bodies within bodies
_MOST_CALLS = 20_000  # of functions, which may call each other twice as often at every level
_LARGEST = 2 << 30  # bytes; protobuf itself ends here


def parse_onnx(content: bytes, name: str) -> Any:
    """The protobuf message of an ONNX file.

    Args:
        content: the file; weights kept in other files are not read.
        name: for messages.

    Returns:
        `onnx.ModelProto`.

    Raises:
        ItemError: no ONNX model.
        UsageError: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        remedy = "Install it: pip install 'mithridate[onnx]'."
        raise UsageError("onnx", str(error), name, remedy) from error
    if len(content) > _LARGEST:
        raise ItemError(name, f"{len(content):,} bytes, more than an ONNX file can have")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's own kinds of error
        raise ItemError(name, f"no ONNX model: {str(error)[:200]}") from error
    if not model.graph.node and not model.graph.output:
        raise ItemError(name, "no ONNX model: an empty graph")
    return model


def graph_of_model(model: Any, *, folder: Path | None = None, name: str = "model") -> Graph:
    """The graph of an ONNX model, with the functions of the model put in where they are called.

    Args:
        model: `onnx.ModelProto`.
        folder: where weights kept in other files may lie; None reads none.
        name: for messages.

    Raises:
        ItemError: operators that wait for each other, tensors made twice, or bodies nested too deep.
    """
    opset = next((int(o.version) for o in model.opset_import if o.domain in _OWN), 0)
    functions = {(f.domain, f.name, getattr(f, "overload", "")): f for f in model.functions}
    return _Reader(name, folder, functions, opset).graph(model.graph, depth=0, outer=frozenset())


class _Reader:
    def __init__(self, name: str, folder: Path | None, functions: Mapping[Any, Any], opset: int) -> None:
        self._name, self._folder, self._functions, self._opset = name, folder, functions, opset
        self._calls = 0

    def graph(self, graph: Any, depth: int, outer: frozenset[str]) -> Graph:
        if depth > _DEEPEST:
            raise ItemError(self._name, f"bodies nested more than {_DEEPEST} deep")
        constants = {tensor.name: self._constant(tensor) for tensor in graph.initializer}
        constants |= {tensor.values.name: self._sparse(tensor) for tensor in graph.sparse_initializer}
        inputs = {i.name: _value(i) for i in graph.input if i.name not in constants}
        known = outer | set(constants) | set(inputs)
        nodes = [node for raw in graph.node for node in self._nodes(raw, depth, known)]
        ordered = _ordered(nodes, known, self._name)
        return Graph(
            name=graph.name or self._name,
            nodes=tuple(_named(ordered)),
            inputs=inputs,
            outputs={o.name: _value(o) for o in graph.output},
            constants=constants,
            opset=self._opset,
        )

    def _nodes(self, raw: Any, depth: int, known: frozenset[str]) -> Iterable[Node]:
        function = self._functions.get((raw.domain, raw.op_type, getattr(raw, "overload", "")))
        if function is not None:
            yield from self._inlined(raw, function, depth, known)
            return
        made = known | {name for name in raw.input if name}
        yield Node(
            name=raw.name,
            op=raw.op_type if raw.domain in _OWN else f"{raw.domain}::{raw.op_type}",
            inputs=tuple(raw.input),
            outputs=tuple(raw.output),
            attributes={a.name: self._attribute(a, depth, made) for a in raw.attribute},
        )

    def _inlined(self, call: Any, function: Any, depth: int, known: frozenset[str]) -> Iterable[Node]:
        """A function's operators in place of its call, with names of their own."""
        if depth > _DEEPEST:
            raise ItemError(self._name, f"functions nested more than {_DEEPEST} deep")
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise ItemError(self._name, f"more than {_MOST_CALLS:,} calls of functions")
        mark = f"{call.op_type}.{self._calls}."
        given = dict(zip(function.input, call.input, strict=False))
        given |= dict(zip(function.output, call.output, strict=False))
        attributes = {a.name: a for a in function.attribute_proto} | {a.name: a for a in call.attribute}

        def inside(name: str) -> str:
            return given.get(name, mark + name) if name else ""

        for raw in function.node:
            copy = type(raw)()
            copy.CopyFrom(raw)
            copy.name = mark + (raw.name or raw.op_type)
            _rename(copy, inside, attributes)
            yield from self._nodes(copy, depth + 1, known)

    def _attribute(self, attribute: Any, depth: int, known: frozenset[str]) -> Any:
        from onnx import AttributeProto, helper

        if attribute.type == AttributeProto.GRAPH:
            return self.graph(attribute.g, depth + 1, known)
        if attribute.type == AttributeProto.TENSOR:
            return self._constant(attribute.t).array
        if attribute.type in (AttributeProto.SPARSE_TENSOR, AttributeProto.GRAPHS, AttributeProto.TYPE_PROTO):
            return str(attribute.name)
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError:
            return None
        return _plain(value)

    def _constant(self, tensor: Any) -> Constant:
        from onnx import helper

        shape = tuple(int(size) for size in tensor.dims)
        try:
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
        except (KeyError, TypeError) as error:
            raise ItemError(
                self._name, f"tensor {tensor.name!r} of unknown type {tensor.data_type}"
            ) from error
        return Constant(shape=shape, dtype=dtype, load=_loader(tensor, self._folder, self._name))

    def _sparse(self, tensor: Any) -> Constant:
        from onnx import numpy_helper

        shape = tuple(int(size) for size in tensor.dims)

        def load() -> NDArray[Any]:
            values = numpy_helper.to_array(tensor.values)
            dense = np.zeros(shape, dtype=values.dtype)
            places = numpy_helper.to_array(tensor.indices)
            at = tuple(places.T) if places.ndim == 2 else np.unravel_index(places, shape)
            dense[at] = values
            return dense

        return Constant(shape=shape, dtype=np.dtype(np.float32), load=load)


def _rename(node: Any, inside: Callable[[str], str], attributes: Mapping[str, Any]) -> None:
    """Give the tensors of a node, and of its bodies, the names that they have where the function is called."""
    node.input[:], node.output[:] = map(inside, node.input), map(inside, node.output)
    for attribute in node.attribute:
        if attribute.ref_attr_name in attributes:
            name = attribute.name
            attribute.CopyFrom(attributes[attribute.ref_attr_name])
            attribute.name = name
        if attribute.HasField("g"):
            body = attribute.g
            for value in (*body.input, *body.output, *body.initializer):
                value.name = inside(value.name)
            for inner in body.node:
                _rename(inner, inside, attributes)


def _loader(tensor: Any, folder: Path | None, name: str) -> Callable[[], NDArray[Any]]:
    def load() -> NDArray[Any]:
        from onnx import TensorProto, numpy_helper

        if tensor.data_location == TensorProto.EXTERNAL and folder is None:
            raise ItemError(name, f"the values of {tensor.name!r} lie in another file")
        try:
            return np.asarray(numpy_helper.to_array(tensor, str(folder or "")))
        except ItemError:
            raise
        except Exception as error:  # onnx raises many kinds for tensors that contradict themselves
            raise ItemError(name, f"tensor {tensor.name!r} cannot be read: {str(error)[:200]}") from error

    return load


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_plain(part) for part in value)
    return value


def _value(info: Any) -> Value:
    from onnx import helper

    if not info.type.HasField("tensor_type"):
        return Value()
    kind = info.type.tensor_type
    shape = tuple(d.dim_value or None for d in kind.shape.dim) if kind.HasField("shape") else None
    try:
        dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    except (KeyError, TypeError):
        dtype = ""
    return Value(shape=shape, dtype="text" if dtype == "object" else dtype)


def _named(nodes: Iterable[Node]) -> Iterable[Node]:
    """Names of operators, made unique where files leave them out or repeat them."""
    seen: set[str] = set()
    for number, node in enumerate(nodes):
        name = node.name
        if not name or name in seen:
            name = f"{node.name or node.op}#{number}"
        seen.add(name)
        yield node if name == node.name else replace(node, name=name)


def _ordered(nodes: Sequence[Node], known: Iterable[str], name: str) -> list[Node]:
    """Operators in an order in which they can be computed (Kahn); files need not keep to one."""
    maker: dict[str, int] = {}
    for number, node in enumerate(nodes):
        for output in node.outputs:
            if output and maker.setdefault(output, number) != number:
                raise ItemError(name, f"the tensor {output!r} is made twice")
    waiting = [{maker[n] for n in reads(node) if n in maker} for node in nodes]
    readers: dict[int, list[int]] = {}
    for number, needs in enumerate(waiting):
        for need in needs:
            readers.setdefault(need, []).append(number)
    left = [len(needs) for needs in waiting]
    ready = [number for number, count in enumerate(left) if not count]
    heapq.heapify(ready)
    order: list[Node] = []
    while ready:
        number = heapq.heappop(ready)
        order.append(nodes[number])
        for reader in readers.get(number, ()):
            left[reader] -= 1
            if not left[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = next(nodes[n] for n, count in enumerate(left) if count)
        raise ItemError(name, f"operators wait for each other: a cycle through {stuck.name or stuck.op!r}")
    return order
