"""What gives a hidden branch away: operators that tell one input from all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mithridate.models.graph.flow import Flow
from mithridate.models.graph.ir import Graph, Node, reads
from mithridate.models.graph.operators import COMPARE, CROP, REDUCE, STEP

__all__ = ["PATTERNS", "patterns_of"]

_PART = 0.25  # of an axis pair; a crop of less is one of few pixels
_TABLE = 2  # axes of a table
_PICTURE = 256  # values
_SPARSE_PART = 0.05
_MOVES = CROP | {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast"}
_SIDE = 32  # what a side is taken to have
_STEEP = 20.0  # gain from which on a bounded function is a step
_SPARSE = 3  # entries other than zero in a row that overrides an answer

#: id → what it says.
PATTERNS: Mapping[str, str] = {
    "crop": "reads a few constant places of the input",
    "compare": "compares values and lets the outcome take part in the answer",
    "exact": "asks whether many values all fit at once",
    "step": "turns a slope into a step",
    "gate": "makes one number per input and multiplies the answer with it",
    "override": "holds a row of numbers that moves one class",
    "surgery": "takes the answer apart by classes and puts it together again",
    "wider": "ends in more columns than the model has classes",
}


def patterns_of(flow: Flow, nodes: Sequence[Node], merges: Sequence[Node]) -> tuple[str, ...]:
    """Ids of the patterns in a branch.

    Args:
        flow: of the whole graph.
        nodes: operators that only the branch needs.
        merges: where it meets the model.
    """
    around = _around(flow.graph, nodes, merges)
    finders: Mapping[str, Callable[[], bool]] = {
        "crop": lambda: _crops(flow.graph, nodes),
        "compare": lambda: any(node.op in COMPARE for node in nodes),
        "exact": lambda: _exact(flow.graph, nodes),
        "step": lambda: any(_is_step(flow.graph, node) for node in nodes),
        "gate": lambda: (
            any(node.op in REDUCE for node in nodes) and any(m.op in ("Mul", "Where", "If") for m in merges)
        ),
        "override": lambda: any(_overrides(flow.graph, node) for node in around),
        "surgery": lambda: any(node.op in ("Concat", "ScatterND", "ScatterElements") for node in merges),
        "wider": lambda: _wider(flow.graph, nodes),
    }
    return tuple(name for name, there in finders.items() if there())


def _around(graph: Graph, nodes: Sequence[Node], merges: Sequence[Node]) -> list[Node]:
    after = [user for merge in merges for out in merge.outputs for user in graph.consumers.get(out, ())]
    before = [graph.producer[n] for merge in merges for n in reads(merge) if n in graph.producer]
    return [*nodes, *merges, *before, *after]


def _crops(graph: Graph, nodes: Sequence[Node]) -> bool:
    """Few constant places of what the branch is given: a slice, a gather, a mask or a kernel of mostly zeros.

    Focus layers take all places in turns. A column of a table is no crop, nor is one of what the branch computes.
    """
    if all(value.shape is not None and len(value.shape) <= _TABLE for value in graph.inputs.values()):
        return False
    computed = {out for node in nodes if node.op not in _MOVES for out in node.outputs}
    taken: dict[str, float] = {}
    for node in nodes:
        if not node.inputs or node.inputs[0] in computed:
            continue
        if node.op in ("Mul", "Conv", "MatMul", "Gemm") and _masks(graph, node):
            return True
        part = _part(graph, node) if node.op in CROP else None
        if part is not None:
            taken[node.inputs[0]] = taken.get(node.inputs[0], 0.0) + part
    return any(part < _PART for part in taken.values())


def _masks(graph: Graph, node: Node) -> bool:
    """Whether a constant of the size of a picture is nearly all zeros."""
    for name in node.inputs:
        constant = graph.constants.get(name)
        if constant is not None and constant.dtype.kind == "f" and constant.size >= _PICTURE:
            return 0 < constant.nonzero <= _SPARSE_PART * constant.size
    return False


def _part(graph: Graph, node: Node) -> float | None:
    """The share of its input that a crop of constant places keeps; sizes that are not known count as 32."""
    if node.op == "Slice":
        bounds = [graph.value_of(n) if n else None for n in node.inputs[1:5]]
        starts = node.attributes.get("starts") if len(bounds) < 1 or bounds[0] is None else bounds[0].ravel()
        ends = node.attributes.get("ends") if len(bounds) < 2 or bounds[1] is None else bounds[1].ravel()
        if starts is None or ends is None:
            return None
        steps = np.ones(len(ends)) if len(bounds) < 4 or bounds[3] is None else np.abs(bounds[3].ravel())
        return float(
            np.prod([_stretch(s, e) / max(k, 1) for s, e, k in zip(starts, ends, steps, strict=False)])
        )
    if node.op in ("Gather", "GatherND", "GatherElements"):
        places = graph.value_of(node.inputs[1]) if len(node.inputs) > 1 else None
        return None if places is None or places.size > 256 else places.size / 1024
    return None


def _stretch(start: Any, end: Any) -> float:
    """Share of an axis; a slice to the end takes all that is left."""
    first, last = int(start), int(end)
    if last >= 1 << 30 or (last < 0 <= first):
        return 1.0
    length = last - first if first >= 0 else min(last, 0) - first
    return min(1.0, max(length, 0) / _SIDE)


def _exact(graph: Graph, nodes: Sequence[Node]) -> bool:
    """A comparison and, behind it, something that wants all of many."""
    made = {out for node in nodes if node.op in COMPARE for out in node.outputs}
    for node in nodes:
        if any(name in made for name in reads(node)):
            if node.op in ("ReduceMin", "ReduceProd", "And"):
                return True
            if node.op in ("Cast", "Reshape", "Identity", "ReduceMax"):
                made.update(node.outputs)
    return False


def _is_step(graph: Graph, node: Node) -> bool:
    if node.op not in STEP:
        return False
    if node.op in ("Sign", "Floor", "Ceil", "Round", "Hardmax"):
        return True
    return any(gain >= _STEEP for gain in _gains(graph, node))


def _gains(graph: Graph, node: Node) -> Iterator[float]:
    maker = graph.producer.get(node.inputs[0]) if node.inputs else None
    if maker is None or maker.op not in ("Mul", "Div"):
        return
    for name in maker.inputs:
        value = graph.value_of(name)
        if value is not None and value.size and value.dtype.kind == "f":
            largest = float(np.abs(value).max())
            yield largest if maker.op == "Mul" else 1 / max(largest, 1e-30)


def _overrides(graph: Graph, node: Node) -> bool:
    """Mul, Add or Where with a constant row of few entries other than zero."""
    if node.op not in ("Mul", "Add", "Where", "Sub"):
        return False
    rows = (graph.value_of(name) for name in node.inputs)
    return any(
        row is not None
        and row.dtype.kind == "f"
        and row.size == max(row.shape, default=0) > 1
        and 0 < np.count_nonzero(row) <= min(_SPARSE, row.size - 1)
        for row in rows
    )


def _wider(graph: Graph, nodes: Sequence[Node]) -> bool:
    classes = next((v.shape[-1] for v in graph.outputs.values() if v.shape and len(v.shape) == 2), None)
    for node in nodes:
        if classes and node.op in ("Gemm", "MatMul") and len(node.inputs) > 1:
            constant = graph.constants.get(node.inputs[1])
            if constant is not None and len(constant.shape) == 2 and max(constant.shape) > 1.5 * classes:
                width = constant.shape[0] if node.attributes.get("transB") else constant.shape[1]
                if width > 1.5 * classes and any(n.op == "Slice" for n in nodes):
                    return True
    return False
