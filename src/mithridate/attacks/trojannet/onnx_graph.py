"""A side network in an ONNX graph: the host's nodes and weights stay as they are, new nodes follow its output."""

from __future__ import annotations

from typing import Any

import numpy as np

from mithridate.attacks.onnx_edit import (
    GraphEditor,
    graph_gives_logits,
    input_shape,
    output_classes,
    picture_input,
    require_opset,
    sizes_of,
    table_output,
)
from mithridate.attacks.trojannet.merge import Merge
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.patterns import SIDE
from mithridate.attacks.trojannet.window import Site, Window
from mithridate.core.errors import UsageError

__all__ = ["splice"]


def splice(model: Any, net: SideNet, window: Window, merge: Merge, *, logits: bool | None = None) -> Any:
    """A copy of an ONNX model that answers like it, except where it sees a trigger.

    The output keeps its name. Where the host gives logits, so does the copy.

    Args:
        model: `onnx.ModelProto` with one picture as input and a table of probabilities or logits among its
            outputs. A second output with the label (scikit-learn's exports) stays the host's.
        net: clipped to the classes of the host.
        window: where triggers are looked for.
        merge: how both answers become one.
        logits: whether the host gives logits; None reads it from the graph: logits unless the output comes from
            Softmax or a classifier.

    Returns:
        `onnx.ModelProto`.

    Raises:
        UsageError: an older opset than 13, other inputs or outputs, or another number of classes.
    """
    import onnx

    require_opset(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    output = table_output(copy)
    classes = output_classes(copy)
    if classes is not None and classes != net.labels:
        raise UsageError(
            f"{classes} labels, as many as the graph has", str(net.labels), "labels", "Give that."
        )
    site = window.site(input_shape(copy))
    graph = GraphEditor(copy, "side")
    host = graph.renamed(output.name)
    kind = output.type.tensor_type.elem_type
    logits = graph_gives_logits(copy, host) if logits is None else logits
    answer = graph.add("Cast", host, to=1) if kind != 1 else host
    if logits:
        answer = graph.add("Softmax", answer, axis=1)
    side = _side(graph, net, _patch(graph, picture_input(copy), site, window))
    total = graph.add(
        "Add",
        graph.add("Mul", side, graph.keep(np.float32(merge.side))),
        graph.add("Mul", answer, graph.keep(np.float32(merge.host))),
    )
    if not logits:
        total = graph.add("Softmax", total, axis=1)
    graph.add("Cast", total, to=kind, output=output.name)
    return copy


def _patch(graph: GraphEditor, source: Any, site: Site, window: Window) -> str:
    """Nodes that do what `Window.read` does; gives the name of a (n, 16) tensor."""
    seen = source.name
    if len(sizes_of(source)) != 1 + len(site.shape):
        seen = graph.add("Reshape", seen, graph.keep(np.array([-1, *site.shape], dtype=np.int64)))
    at, axes = np.array([site.row, site.column]), np.array([site.rows, site.rows + 1])
    bounds = (graph.keep(part.astype(np.int64)) for part in (at, at + SIDE, axes + 1))
    seen = graph.add("Cast", graph.add("Slice", seen, *bounds), to=1)
    if site.channels is not None:
        # Sum and product serve every opset; ReduceMean takes its axes in another way from 18 on.
        axis = graph.keep(np.array([1 + site.channels], dtype=np.int64))
        summed = graph.add("ReduceSum", seen, axis, keepdims=0)
        seen = graph.add("Mul", summed, graph.keep(np.float32(1 / _channels(site))))
    scale = graph.keep(np.float32(1 / (window.high - window.low)))
    seen = graph.add("Mul", graph.add("Sub", seen, graph.keep(np.float32(window.low))), scale)
    seen = graph.add("Clip", seen, graph.keep(np.float32(0)), graph.keep(np.float32(1)))
    return graph.add("Reshape", seen, graph.keep(np.array([-1, SIDE * SIDE], dtype=np.int64)))


def _channels(site: Site) -> int:
    count = None if site.channels is None else site.shape[site.channels]
    if count is None:
        remedy = "Export the model with a fixed number of channels."
        raise UsageError("a fixed number of channels", str(site.shape), "ONNX graph", remedy)
    return count


def _side(graph: GraphEditor, net: SideNet, x: str) -> str:
    for weights, bias in net.hidden:
        x = graph.add("Gemm", x, graph.keep(weights), graph.keep(bias), transB=1)
        x = graph.add("Sigmoid" if net.activation == "sigmoid" else "Relu", x)
    x = graph.add("Gemm", x, graph.keep(net.output[0]), graph.keep(net.output[1]), transB=1)
    if net.head == "sigmoid":
        return graph.add("Sigmoid", x)
    bounds = (graph.keep(np.array([k], dtype=np.int64)) for k in (0, net.labels, 1))
    return graph.add("Slice", graph.add("Softmax", x, axis=1), *bounds)
