"""TorchScript → `Graph`, without torch and without running anything."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.files.torch_tensors import StoredTensor
from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.values import Dim, HintError, Size, Tensor, Type, UncoveredError
from mithridate.models.graph.ir import Graph, Value
from mithridate.models.graph.script.archive import Class, Function, Script
from mithridate.models.graph.script.frames import Place
from mithridate.models.graph.script.reader import Reader

__all__ = ["ScriptGraph", "graph_of_torchscript", "read_torchscript"]

_READINGS: Final = 8  # of one file, each with a better idea of its inputs
_FLOAT: Final = np.dtype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScriptGraph:
    """The graph of a TorchScript file, and where in the code its tensors are made.

    Attributes:
        graph: the graph.
        script: the file taken apart.
        places: tensor of the graph → the first expression of the outermost function that has it as its value.
        calls: id of a function's syntax tree → how often it is called.
    """

    graph: Graph
    script: Script
    places: Mapping[str, Place]
    calls: Mapping[int, int]


def graph_of_torchscript(item: Item, *, inputs: Sequence[Value] | None = None) -> Graph:
    """The graph of what `forward` of a TorchScript file does; operators without a translation are "aten::NAME".

    Names of operators and tensors begin with the module that they belong to: "features.0/Conv". Of models that were
    traced, the sizes of the inputs are those of the file, but for the first axis, which may vary.

    Args:
        item: the file.
        inputs: what is known of the inputs, in order; None takes what the file says, or what its layers ask for.

    Raises:
        ItemError: no TorchScript, or code that is not read.
        UsageError: onnx is not installed.
    """
    return read_torchscript(item, inputs=inputs).graph


def read_torchscript(item: Item, *, inputs: Sequence[Value] | None = None) -> ScriptGraph:
    """The graph of a TorchScript file, and where its tensors are made.

    Args:
        item: the file.
        inputs: as in `graph_of_torchscript`.

    Raises:
        ItemError: no TorchScript, or code that is not read.
        UsageError: onnx is not installed.
    """
    hints: dict[str, Type] = {}
    for _ in range(_READINGS):
        script = Script(item)  # anew: code may change the attributes of modules
        try:
            return _Reading(script, hints, inputs).result()
        except HintError as hint:
            known = hints.get(hint.name, Type())
            better = Type(hint.known.dims or known.dims, hint.known.dtype or known.dtype)
            if better == known:
                raise ItemError(item.name, f"contradicts itself about its input {hint.name!r}") from hint
            hints[hint.name] = better
        except (UncoveredError, RecursionError) as error:
            why = "" if inputs else "; the shape of its input, if given, may help"
            raise ItemError(item.name, f"code that is not read: {str(error)[:200]}{why}") from error
    raise ItemError(item.name, "its inputs cannot be told from its code")


class _Reading:
    """One reading of a file."""

    def __init__(self, script: Script, hints: Mapping[str, Type], given: Sequence[Value] | None) -> None:
        self._script, self._hints, self._given = script, hints, given
        self._b = Builder(script.name)
        self._reader = Reader(script, self._b)

    def result(self) -> ScriptGraph:
        script, reader = self._script, self._reader
        class_ = script.class_of(script.root)
        forward = class_.methods.get("forward") if class_ is not None else None
        if class_ is None or forward is None:
            raise ItemError(script.name, "a module without `forward`")
        arguments = self._arguments(forward)
        reader.hold(script.root)
        arguments = self._before(class_, arguments)
        answer = reader.function(forward, [script.root, *arguments], {}, None, None, "")
        answer = self._after(class_, arguments, answer)
        return ScriptGraph(
            graph=self._b.graph([self._b.tensor(value) for value in _answers(answer, script.name)]),
            script=script, places=reader.places, calls=reader.calls,
        )  # fmt: skip

    def _before(self, class_: Class, arguments: list[Any]) -> list[Any]:
        """Hooks that a module runs before `forward`."""
        for name in class_.names("__forward_pre_hooks__"):
            answer = self._reader.method(self._script.root, name, [tuple(arguments)], None, None)
            if answer is not None:
                arguments = list(answer) if isinstance(answer, tuple) else [answer]
        return arguments

    def _after(self, class_: Class, arguments: list[Any], answer: Any) -> Any:
        """Hooks that a module runs after `forward`."""
        for name in class_.names("__forward_hooks__"):
            other = self._reader.method(self._script.root, name, [tuple(arguments), answer], None, None)
            answer = answer if other is None else other
        return answer

    def _arguments(self, forward: Function) -> list[Any]:
        """What `forward` is given: tensors that are fed, and the values of what has a default."""
        tree = forward.tree
        traced = self._script.traced_inputs() or []
        parameters = tree.args.args[1:]
        without = len(parameters) - len(tree.args.defaults)
        values: list[Any] = []
        for number, parameter in enumerate(parameters):
            kind = ast.unparse(parameter.annotation) if parameter.annotation is not None else "Tensor"
            seen = traced[number] if number < len(traced) else None
            if number >= without and "Tensor" not in kind:
                break
            if kind in ("int", "float", "bool"):
                dtype = {"int": np.int64, "float": np.float32, "bool": np.bool_}[kind]
                values.append(self._b.input(parameter.arg, Type((), np.dtype(dtype))))
            elif kind == "Tensor":
                values.append(self._b.input(parameter.arg, self._known(parameter.arg, number, seen)))
            elif number >= without:
                break
            else:
                raise ItemError(self._script.name, f"an input {parameter.arg!r} of type {kind}")
        return values

    def _known(self, name: str, number: int, seen: StoredTensor | None) -> Type:
        if self._given is not None and number < len(self._given):
            given = self._given[number]
            return Type(given.shape, np.dtype(given.dtype) if given.dtype else _FLOAT)
        if seen is not None:
            dims: tuple[Dim, ...] = (None, *seen.shape[1:]) if seen.shape else ()
            return Type(dims, seen.dtype)
        return self._hints.get(name, Type())


def _answers(answer: Any, name: str) -> list[Any]:
    """The tensors that a model answers with, in order."""
    if isinstance(answer, Tensor | Size | bool | int | float):
        return [answer]
    parts = list(answer.values()) if isinstance(answer, dict) else answer
    if isinstance(parts, list | tuple):
        return [found for part in parts for found in _answers(part, name)]
    if answer is None:
        return []
    raise ItemError(name, f"a model that answers with {type(answer).__name__}")
