"""Cutting a hidden branch out of a model. What stays is bit for bit what it was; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.files.item import Item
from mithridate.models.graph.from_onnx import parse_onnx
from mithridate.models.graph.read import read_graph

__all__ = ["Excised", "excise_item", "excise_onnx"]

_LARGEST = 2 << 30
#: formats besides ONNX that are edited, in words.
_EDITED = {"torchscript": "TorchScript", "keras": "a Keras model", "hdf5": "a Keras model"}


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


def excise_item(item: Item, cut: Mapping[str, Any]) -> Excised:
    """Cut a branch out of an ONNX, TorchScript or Keras file.

    Args:
        item: the file.
        cut: as a finding says under "excise"; see `excise_onnx`. Only in ONNX constants can take a branch's place; in
            the other formats another tensor becomes the answer.

    Raises:
        ItemError: no such model, or one that cannot answer with that tensor.
        UsageError: tensors that are not in it, or a format that is not edited.
    """
    if item.kind == "onnx":
        return excise_onnx(item.read(_LARGEST), cut, item.name)
    if item.kind not in _EDITED or "answer" not in cut:
        got = f"a branch in the middle of {_EDITED.get(item.kind, '')}"
        got = got if item.kind in _EDITED else f"a file of kind {item.kind}"
        raise UsageError(
            "a branch that can be cut out", got, item.name, "Export the model as ONNX and repair that."
        )
    graph, answer = read_graph(item), str(cut["answer"])
    if item.kind == "torchscript":
        content, outputs = _cut_torchscript(item, answer), [answer]
    else:
        output = str(cut["output"])
        content = _cut_keras(item, output, answer)
        outputs = [answer if name == output else name for name in graph.outputs]
    needed = graph.needed_for(outputs)
    names = {node.name for node in needed}
    read = {name for node in needed for name in node.inputs}
    return Excised(
        content=content,
        operators=tuple(node.name for node in graph.nodes if node.name not in names),
        weights=tuple(name for name in graph.constants if name not in read),
        kept=tuple(name for name in graph.constants if name in read),
    )


def _cut_torchscript(item: Item, answer: str) -> bytes:
    from mithridate.models.graph.cut_torchscript import excise

    return excise(item, answer).content


def _cut_keras(item: Item, output: str, answer: str) -> bytes:
    from mithridate.models.graph.cut_keras import excise

    return excise(item, output, answer)


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
