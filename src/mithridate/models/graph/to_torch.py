"""`Graph` → a function of torch tensors that gradients flow through. Nothing foreign is executed.

Give it graphs only that ran within the limits of a jail, and batches no larger than there: what they need here is a
small multiple of what they needed there.

Reference:
    ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError
from mithridate.models.graph.ir import Graph, Node
from mithridate.models.graph.torch_ops.call import Call, Operator

__all__ = ["TorchGraph"]


class TorchGraph:
    """A graph with one input as a function of tensors, in evaluation mode, weights frozen.

    Graphs that were exported for one batch size take any: a `Reshape` to that size keeps the number of inputs.

    Args:
        graph: of the model.
        output: name of the answer wanted; None takes the first.
        raw: give what a final Softmax is given: logits have better gradients. `LogSoftmax` and `Sigmoid` stay.

    Raises:
        ItemError: not one input, or an operator that is not known here, by name.
        UsageError: torch is not installed.
    """

    def __init__(self, graph: Graph, output: str | None = None, *, raw: bool = True) -> None:
        try:
            import torch
        except ImportError as error:
            remedy = "Install it: pip install 'mithridate[torch]'."
            raise UsageError("torch, for gradients", "not installed", graph.name, remedy) from error
        if len(graph.inputs) != 1:
            raise ItemError(graph.name, f"gradients need one input, there are {len(graph.inputs)}")
        output = output or next(iter(graph.outputs))
        last = graph.producer.get(output)
        if raw and last is not None and last.op == "Softmax":
            output = last.inputs[0]
        part = graph.cut([output])
        self._operators = _known(part)
        self.name, self.output, self._graph = graph.name, output, part
        self._input, value = next(iter(graph.inputs.items()))
        self._fixed = None if value.shape is None or not value.shape else value.shape[0]
        self._constants: dict[str, Any] = {
            name: torch.from_numpy(_numbers(constant.array, graph.name))
            for name, constant in part.constants.items()
        }
        self._steps = _steps(part)

    def __call__(self, x: Any) -> Any:
        """What the graph answers.

        Args:
            x: (n, ...) float tensor, as the model takes it.

        Returns:
            (n, ...) tensor.

        Raises:
            ItemError: an operator is used in a way that is not known here, or refuses its inputs.
        """
        values: dict[str, Any] = {**self._constants, self._input: x}
        for node, spent in self._steps:
            call = Call(node, [values.get(name) if name else None for name in node.inputs], self._graph.opset)
            if node.op == "Reshape" and self._fixed is not None:
                call = self._freed(call, len(x))
            try:
                found = self._operators[node.op](call)
            except (RuntimeError, IndexError, TypeError, ValueError) as error:
                got = f"{node.op} {node.name!r}: {str(error)[:200]}"
                raise ItemError(self.name, f"gradients: {got}") from error
            found = found if isinstance(found, tuple) else (found,)
            values.update((name, v) for name, v in zip(node.outputs, found, strict=False) if name)
            for name in spent:
                values.pop(name, None)
        return values[self.output]

    def _freed(self, call: Call, n: int) -> Call:
        form = call.whole(1, "shape")
        if not form or form[0] != self._fixed or n == self._fixed:
            return call
        import torch

        return replace(call, x=[call.x[0], torch.tensor([n, *form[1:]])])


def _known(graph: Graph) -> Mapping[str, Operator]:
    from mithridate.models.graph.torch_ops.elementwise import elementwise
    from mithridate.models.graph.torch_ops.layers import layers
    from mithridate.models.graph.torch_ops.reduce import reductions
    from mithridate.models.graph.torch_ops.shapes import shapes
    from mithridate.models.graph.torch_ops.windows import windows

    operators = {**elementwise(), **layers(), **reductions(), **shapes(), **windows()}
    unknown = sorted({node.op for node in graph.nodes} - set(operators))
    if unknown:
        raise ItemError(graph.name, f"operators without gradients in this version: {', '.join(unknown[:5])}")
    return operators


def _numbers(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise ItemError(name, f"constants of type {array.dtype}")
    return np.array(array)  # a copy: what comes from a file cannot be written to


def _steps(graph: Graph) -> tuple[tuple[Node, tuple[str, ...]], ...]:
    """The operators, each with the tensors that nothing needs after it."""
    last: dict[str, int] = {}
    for place, node in enumerate(graph.nodes):
        last.update((name, place) for name in (*node.inputs, *node.outputs) if name)
    for name in (*graph.constants, *graph.outputs):
        last.pop(name, None)
    spent: dict[int, list[str]] = {}
    for name, place in last.items():
        spent.setdefault(place, []).append(name)
    return tuple((node, tuple(spent.get(place, ()))) for place, node in enumerate(graph.nodes))
