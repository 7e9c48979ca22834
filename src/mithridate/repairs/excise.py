"""Cutting a hidden branch out of an ONNX model. What stays is bit for bit what it was; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.graph.from_onnx import parse_onnx

__all__ = ["Excised", "excise_onnx"]


@dataclass(frozen=True, kw_only=True)
class Excised:
    """A model without its branch.

    Attributes:
        content: the file.
        operators: names of the operators that went.
        weights: names of the weights that went.
        kept: names of the weights that stayed, all of them unchanged.
    """

    content: bytes
    operators: tuple[str, ...]
    weights: tuple[str, ...]
    kept: tuple[str, ...]


def excise_onnx(content: bytes, cut: Mapping[str, Any], name: str = "model") -> Excised:
    """Cut a branch out.

    Args:
        content: of an .onnx file.
        cut: as a finding says under "excise": {"output", "answer"} makes another tensor the answer; {"hold": {tensor:
            {"shape", "values"}}} puts constants where the branch comes in.
        name: for messages.

    Raises:
        ItemError: no ONNX model.
        UsageError: tensors that are not in it.
    """
    model = parse_onnx(content, name)
    graph = model.graph
    before = {node.name or node.output[0] for node in graph.node}
    weights = [tensor.name for tensor in graph.initializer]
    if "answer" in cut:
        _answer(graph, str(cut["output"]), str(cut["answer"]), name)
    else:
        _hold(graph, cut.get("hold", {}), name)
    _drop_unneeded(graph)
    after = {node.name or node.output[0] for node in graph.node}
    kept = {tensor.name for tensor in graph.initializer}
    return Excised(
        content=model.SerializeToString(),
        operators=tuple(sorted(before - after)),
        weights=tuple(w for w in weights if w not in kept),
        kept=tuple(w for w in weights if w in kept),
    )


def _answer(graph: Any, output: str, answer: str, name: str) -> None:
    """Let a tensor be the answer under the answer's old name."""
    made = {out: node for node in graph.node for out in node.output}
    if output not in made or answer not in made or output not in {o.name for o in graph.output}:
        raise UsageError(
            f"tensors {output!r} and {answer!r}", "a model without them", name, "Scan this file first."
        )
    spare = f"{output}.excised"
    while spare in made:
        spare += "_"
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [spare if n == output else output if n == answer else n for n in names]
    for value in list(graph.value_info):
        if value.name in (output, answer):
            graph.value_info.remove(value)
    if answer in {other.name for other in graph.output}:  # it was shown all along, beside the branch's
        graph.node.add(op_type="Identity", name=f"{answer}.shown", input=[output], output=[answer])


def _hold(graph: Any, held: Mapping[str, Any], name: str) -> None:
    """Put constants where the branch comes in."""
    from onnx import numpy_helper

    made = {out: node for node in graph.node for out in node.output}
    if not held or not set(held) <= set(made):
        raise UsageError("tensors of this model", ", ".join(held) or "none", name, "Scan this file first.")
    for tensor, rest in held.items():
        node = made[tensor]
        node.output[:] = ["" if out == tensor else out for out in node.output]
        values = np.asarray(rest["values"], dtype=np.float32).reshape(rest["shape"])
        graph.initializer.append(numpy_helper.from_array(values, tensor))


def _drop_unneeded(graph: Any) -> None:
    """Operators, weights and shapes that no output needs any more."""
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(out and out in wanted for out in node.output):
            kept.append(node)
            wanted.update(_read(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for tensor in list(graph.initializer):
        if tensor.name not in wanted:
            graph.initializer.remove(tensor)
    known = wanted | {out for node in graph.node for out in node.output}
    for value in list(graph.value_info):
        if value.name not in known:
            graph.value_info.remove(value)


def _read(node: Any) -> set[str]:
    """Names that an operator or its bodies read; those of the bodies' own tensors do no harm."""
    found = set(node.input)
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                found |= _read(inner)
            found |= {output.name for output in body.output}
    return found
