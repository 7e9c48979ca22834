"""Circuits in ONNX graphs: the host's nodes and weights stay as they are, new nodes come after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.circuits.ops import Circuit, Wire
from mithridate.attacks.onnx_edit import (
    GraphEditor,
    graph_gives_logits,
    input_shape,
    output_classes,
    picture_input,
    require_opset,
    table_output,
)
from mithridate.core.errors import UsageError

__all__ = ["GraphHost"]

_AXES_AS_INPUT = 18  # the opset from which ReduceMin and ReduceMax take their axes as an input


class GraphHost:
    """An ONNX model that circuits can be planted in.

    Args:
        model: `onnx.ModelProto` with one input and a table of probabilities or logits among its outputs. A second
            output with the label (scikit-learn's exports) stays the host's.

    Raises:
        UsageError: an older opset than 13, or other inputs or outputs.
    """

    def __init__(self, model: Any) -> None:
        require_opset(model)
        self._model = model
        self.shape = input_shape(model)
        self.classes = output_classes(model)

    def after_first_convolution(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the first convolution gives for inputs, (n, c, h, w).

        Raises:
            UsageError: there is none over pictures, or the graph cannot be run.
        """
        import onnx
        import onnxruntime

        wire = self._first_convolution()
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        model.graph.output.append(onnx.ValueInfoProto(name=wire))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its warnings go past Python to stderr
        source = picture_input(model)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(source.type.tensor_type.elem_type)
        fixed = source.type.tensor_type.shape.dim[0].dim_value
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            parts = [
                session.run([wire], {source.name: part.astype(dtype)})[0]
                for part in np.split(x, range(fixed, len(x), fixed) if fixed else [])
                if not fixed or len(part) == fixed
            ]
        except Exception as error:  # onnxruntime's errors share no base class of their own
            remedy = "Plant without `--set tap=convolution`."
            raise UsageError("a graph that can be run", str(error)[:200], "ONNX graph", remedy) from error
        return np.concatenate(parts).astype(np.float32)

    def planted(self, circuit: Circuit, logits: bool | None) -> Any:
        """A copy with a circuit in it; the output keeps its name.

        Args:
            circuit: what to plant.
            logits: whether the host gives logits; None reads it from the graph.

        Returns:
            `onnx.ModelProto`.
        """
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        output = table_output(model)
        kind = output.type.tensor_type.elem_type
        graph = GraphEditor(model, "gate")
        table = graph.renamed(output.name)
        logits = graph_gives_logits(model, table) if logits is None else logits
        dtype = np.dtype(np.float64 if kind == onnx.TensorProto.DOUBLE else np.float32)
        ops = _OnnxOps(graph, _opset(model), dtype)
        seen = self._first_convolution() if circuit.after_convolution else picture_input(model).name
        evidence = ops.cast(circuit.read(ops, seen), dtype)
        merged = circuit.merge(ops, ops.cast(table, dtype), evidence, logits)
        graph.add("Cast", merged, to=kind, output=output.name)
        return model

    def _first_convolution(self) -> str:
        node = next((n for n in self._model.graph.node if n.op_type == "Conv"), None)
        if node is None:
            remedy = "Plant without `--set tap=convolution`."
            raise UsageError("a graph with a convolution", "none", "ONNX graph", remedy)
        return str(node.output[0])


class _OnnxOps:
    """`Ops` that append nodes; wires are names."""

    def __init__(self, graph: GraphEditor, opset: int, dtype: np.dtype[Any]) -> None:
        self._graph, self._opset, self.dtype = graph, opset, dtype

    def keep(self, array: Any) -> Wire:
        return self._graph.keep(array)

    def op(self, name: str, a: Wire, b: Wire) -> Wire:
        return self._graph.add(name, a, b)

    def cast(self, x: Wire, dtype: Any) -> Wire:
        from onnx import helper

        return self._graph.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def clip(self, x: Wire, low: Any, high: Any) -> Wire:
        return self._graph.add("Clip", x, self.keep(low), self.keep(high))

    def extreme(self, name: str, x: Wire, axes: Sequence[int]) -> Wire:
        if self._opset < _AXES_AS_INPUT:
            return self._graph.add(name, x, axes=list(axes), keepdims=1)
        return self._graph.add(name, x, self._whole(axes), keepdims=1)

    def slice(self, x: Wire, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> Wire:
        return self._graph.add("Slice", x, *(self._whole(part) for part in (starts, ends, axes)))

    def reshape(self, x: Wire, shape: Sequence[int]) -> Wire:
        return self._graph.add("Reshape", x, self._whole(shape))

    def transpose(self, x: Wire, order: Sequence[int]) -> Wire:
        return self._graph.add("Transpose", x, perm=list(order))

    def average(self, x: Wire, height: int, width: int) -> Wire:
        return self._graph.add("AveragePool", x, kernel_shape=[height, width], strides=[height, width])

    def join(self, columns: Sequence[Wire]) -> Wire:
        return self._graph.add("Concat", *columns, axis=1)

    def log(self, x: Wire) -> Wire:
        return self._graph.add("Log", x)

    def softmax(self, x: Wire) -> Wire:
        return self._graph.add("Softmax", x, axis=1)

    def _whole(self, numbers: Sequence[int]) -> str:
        return self._graph.keep(np.asarray(list(numbers), dtype=np.int64))


def _opset(model: Any) -> int:
    return next(int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx"))
