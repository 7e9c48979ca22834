"""Types and shapes of what an operator answers, by the rules that ONNX gives for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.graph.aten.values import Type
from mithridate.models.graph.ir import Constant, Graph, Node

__all__ = ["OPSET", "Inference"]

#: of ONNX that graphs are built in.
OPSET: Final = 17

_IR: Final = 8
_SMALL: Final = 4096  # values of a constant that a shape may depend on: whole numbers
_FEW: Final = 8  # the same, of floats: factors of a size


class Inference:
    """ONNX's rules.

    Args:
        name: of the model, for messages.

    Raises:
        UsageError: onnx is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            from onnx import defs, helper, shape_inference
        except ImportError as error:
            remedy = "Install it: pip install 'mithridate[onnx]'."
            raise UsageError("onnx", str(error), name, remedy) from error
        self._schemas, self._helper, self._rules = defs, helper, shape_inference
        self._opsets = [helper.make_opsetid("", OPSET)]

    def code(self, dtype: Any) -> int:
        """ONNX's number of a type."""
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def answers(
        self, node: Node, types: Mapping[str, Type], constants: Mapping[str, Constant]
    ) -> dict[str, Type]:
        """What is known about the outputs of an operator; empty where no rule says anything.

        Args:
            node: the operator.
            types: what is known about tensors.
            constants: small ones may decide about shapes.
        """
        if "::" in node.op or any(isinstance(value, Graph) for value in node.attributes.values()):
            return {}
        if _broken(node, types):
            return {}
        protos = {name: self._proto(types.get(name, Type())) for name in node.inputs if name}
        try:
            schema = self._schemas.get_schema(node.op, OPSET, "")
            attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in node.attributes.items()}
            for key, value in attributes.items():
                if isinstance(value, np.ndarray):
                    attributes[key] = self._tensor(value)
            made = self._helper.make_node(node.op, list(node.inputs), list(node.outputs), **attributes)
            found = self._rules.infer_node_outputs(
                schema, made, protos, self._data(node, constants), opset_imports=self._opsets, ir_version=_IR
            )
        except Exception:  # contradictions inside a model are for its runtime to tell
            return {}
        return {name: self._known(proto) for name, proto in found.items()}

    def _tensor(self, value: Any, name: str = "") -> Any:
        from onnx import numpy_helper

        return numpy_helper.from_array(value, name)

    def _data(self, node: Node, constants: Mapping[str, Constant]) -> dict[str, Any]:
        held = {name: constants[name] for name in node.inputs if name in constants}
        return {
            name: self._tensor(c.array, name)
            for name, c in held.items()
            if len(c.shape) < 2 and c.size <= (_SMALL if c.dtype == np.int64 else _FEW)
        }

    def _proto(self, known: Type) -> Any:
        from onnx import TypeProto

        proto = TypeProto()
        tensor = proto.tensor_type
        if known.dtype is not None:
            tensor.elem_type = self.code(known.dtype)
        if known.dims is not None:
            tensor.shape.SetInParent()
            for dim in known.dims:
                added = tensor.shape.dim.add()
                if isinstance(dim, int):
                    added.dim_value = dim
                elif dim is not None:
                    added.dim_param = dim
        return proto

    def _known(self, proto: Any) -> Type:
        tensor = proto.tensor_type
        dtype = self._helper.tensor_dtype_to_np_dtype(tensor.elem_type) if tensor.elem_type else None
        if not tensor.HasField("shape"):
            return Type(None, dtype)
        dims = (d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
        return Type(tuple(dims), dtype)


def _broken(node: Node, types: Mapping[str, Type]) -> bool:
    """Whether an operator is given less than nothing, or a slice of nothing: some rules end the process then."""
    given = [types.get(name, Type()).dims or () for name in node.inputs]
    if any(isinstance(dim, int) and dim < 0 for dims in given for dim in dims):
        return True
    return node.op == "Slice" and bool(given) and 0 in given[0]
