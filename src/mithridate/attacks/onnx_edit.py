"""Reading and extending ONNX graphs: what all attacks on graphs share."""

from __future__ import annotations

from typing import Any

import numpy as np

from mithridate.core.errors import UsageError

__all__ = [
    "GraphEditor",
    "graph_gives_logits",
    "input_shape",
    "output_classes",
    "picture_input",
    "require_opset",
    "sizes_of",
    "table_output",
]

_FLOATS = (1, 10, 11)  # FLOAT, FLOAT16, DOUBLE of onnx.TensorProto
_OPSET = 13  # the first with axes as inputs throughout


def require_opset(model: Any) -> None:
    """Refuse an `onnx.ModelProto` whose operators are older than what attacks are written in.

    Raises:
        UsageError: an opset below 13.
    """
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < _OPSET:
        remedy = "Convert it: onnx.version_converter.convert_version(model, 13)."
        raise UsageError(f"opset {_OPSET} or later", str(opset), "ONNX graph", remedy)


def input_shape(model: Any) -> tuple[int | None, ...]:
    """Shape of one input of a graph with one input; None where a size may vary."""
    return sizes_of(picture_input(model))[1:]


def output_classes(model: Any) -> int | None:
    """How many columns the table of a graph has, where it says."""
    sizes = sizes_of(table_output(model))
    return sizes[1] if len(sizes) == 2 else None


def sizes_of(value: Any) -> tuple[int | None, ...]:
    """The shape of an input or output of a graph; None where a size may vary."""
    return tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)


def picture_input(model: Any) -> Any:
    """The only input of a graph that is no constant.

    Raises:
        UsageError: there are others, or none.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise UsageError("a graph with one input", names or "none", "ONNX graph", "Export it that way.")
    return inputs[0]


def table_output(model: Any) -> Any:
    """The first output that is a table of floats.

    Raises:
        UsageError: there is none.
    """
    for output in model.graph.output:
        kind = output.type.tensor_type
        if kind.elem_type in _FLOATS and len(kind.shape.dim) in (0, 2):
            return output
    names = ", ".join(o.name for o in model.graph.output)
    remedy = "Export it with its probabilities as a table (for scikit-learn models: without ZipMap)."
    raise UsageError("an output (n, classes) of floats", names or "none", "ONNX graph", remedy)


def graph_gives_logits(model: Any, name: str) -> bool:
    """Whether a tensor holds logits: it comes neither from Softmax nor from a classifier."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    node = made_by.get(name)
    while node is not None and node.op_type in ("Identity", "Cast"):
        node = made_by.get(node.input[0])
    return node is None or not (node.op_type in ("Softmax", "Normalizer") or "Classifier" in node.op_type)


class GraphEditor:
    """Adds nodes and constants to a graph, in place, with names that are free.

    Args:
        model: `onnx.ModelProto`.
        prefix: what new names begin with; lengthened until no name of the graph does.
    """

    def __init__(self, model: Any, prefix: str) -> None:
        self._graph = model.graph
        names = {name for node in self._graph.node for name in (*node.input, *node.output, node.name)}
        names |= {value.name for value in (*self._graph.initializer, *self._graph.input, *self._graph.output)}
        while any(name.startswith(prefix) for name in names):
            prefix += "_"
        self._prefix, self._count = prefix, 0

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node; gives the name of its output."""
        from onnx import helper

        name = output or self._name()
        self._graph.node.append(helper.make_node(op, list(inputs), [name], name=self._name(), **attributes))
        return name

    def keep(self, array: Any) -> str:
        """Append a constant; gives its name."""
        from onnx import numpy_helper

        name = self._name()
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def renamed(self, name: str) -> str:
        """Give a tensor of the host another name, so that `name` is free; gives the other name."""
        other = self._name()
        for node in self._graph.node:
            for names in (node.input, node.output):
                names[:] = [other if n == name else n for n in names]
        return other

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}_{self._count}"
