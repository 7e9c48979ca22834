"""`Graph` → ONNX bytes, so that a part of a model can be run on its own, whatever format the model came in."""

from __future__ import annotations

from typing import Any

import numpy as np

from mithridate.core.errors import ItemError
from mithridate.models.graph.ir import Graph, Node, Value

__all__ = ["onnx_bytes"]

_IR_VERSION = 8
_NEWEST = 21  # opset that graphs of unknown or newer opsets are written in
_LARGEST = (2 << 30) - (1 << 20)


def onnx_bytes(graph: Graph) -> bytes:
    """An ONNX model that computes what the graph does.

    Raises:
        ItemError: something in it has no ONNX form, or it is too large for one file.
    """
    from onnx import helper

    foreign = sorted({node.op for node in graph.nodes if "::" in node.op})
    if foreign:
        raise ItemError(graph.name, f"operators that only their maker knows: {', '.join(foreign[:5])}")
    size = sum(constant.size * constant.dtype.itemsize for constant in graph.constants.values())
    if size > _LARGEST:
        raise ItemError(graph.name, f"{size:,} bytes of weights, more than one ONNX file can hold")
    model = helper.make_model(
        _body(graph),
        opset_imports=[helper.make_opsetid("", graph.opset or _NEWEST)],
        ir_version=_IR_VERSION
        if graph.opset <= _NEWEST
        else helper.find_min_ir_version_for([helper.make_opsetid("", graph.opset)]),
        producer_name="mithridate",
    )
    return bytes(model.SerializeToString())


def _body(graph: Graph) -> Any:
    from onnx import helper, numpy_helper

    return helper.make_graph(
        [_node(node) for node in graph.nodes],
        graph.name or "graph",
        [_info(name, value) for name, value in graph.inputs.items()],
        [_info(name, value) for name, value in graph.outputs.items()],
        [numpy_helper.from_array(np.asarray(c.array), name) for name, c in graph.constants.items()],
    )


def _node(node: Node) -> Any:
    from onnx import AttributeProto, helper, numpy_helper

    made = helper.make_node(node.op, list(node.inputs), list(node.outputs), name=node.name)
    for name, value in node.attributes.items():
        attribute = AttributeProto(name=name)
        if value is None:
            continue
        if isinstance(value, Graph):
            attribute.g.CopyFrom(_body(value))
            attribute.type = AttributeProto.GRAPH
        elif isinstance(value, np.ndarray):
            attribute.t.CopyFrom(numpy_helper.from_array(value))
            attribute.type = AttributeProto.TENSOR
        elif isinstance(value, tuple) and not value:
            attribute.type = AttributeProto.INTS
        else:
            attribute = helper.make_attribute(name, list(value) if isinstance(value, tuple) else value)
        made.attribute.append(attribute)
    return made


def _info(name: str, value: Value) -> Any:
    from onnx import TypeProto, ValueInfoProto, helper

    if not value.dtype:  # the runtime infers the type of an output that says nothing
        return ValueInfoProto(name=name)
    dtype = np.dtype(object) if value.dtype == "text" else np.dtype(value.dtype)
    kind: TypeProto = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(dtype), value.shape)
    return helper.make_value_info(name, kind)
