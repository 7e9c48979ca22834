"""Keras models (`.keras`, `.h5`) → `Graph`, without Keras and without running anything.

Layers without a translation become "keras::CLASS": what is before and after them is read, but nothing that needs them
can be run. A Lambda holds Python code and is one of these, always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.values import Type, UncoveredError
from mithridate.models.graph.ir import Graph
from mithridate.models.graph.keras.archive import KerasFile, read_keras
from mithridate.models.graph.keras.kit import FLOAT, Kind, Kit, Use, Value
from mithridate.models.graph.keras.store import Store, Variable, store_of
from mithridate.models.graph.keras.table import kinds
from mithridate.models.graph.keras.wiring import Layer, Model, Ref, found_in, model_of

__all__ = ["KerasGraph", "graph_of_keras", "read_keras_graph"]

_MOST_CALLS: Final = 50_000
#: types of what a model can be fed with.
_NUMBERS: Final = re.compile(r"(mixed_)?b?float(16|32|64)|u?int(8|16|32|64)|bool")
#: what a layer whose arguments make no sense may end in.
_ODD: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, MemoryError)
#: arguments of a call that say nothing about the answer.
_SILENT: Final = frozenset(("mask", "training"))
#: layers that take arguments when they are called.
_FUNCTIONS: Final = frozenset(("TFOpLambda", "SlicingOpLambda"))


@dataclass(frozen=True, kw_only=True, eq=False)
class KerasGraph:
    """The graph of a file, and which layers of the outermost model its tensors come from.

    Attributes:
        graph: the graph.
        file: the file taken apart.
        model: the outermost model.
        places: tensor of the graph → what answers with it in the outermost model; the first of several.
    """

    graph: Graph
    file: KerasFile
    model: Model
    places: Mapping[str, Ref] = field(repr=False)


def graph_of_keras(item: Item) -> Graph:
    """The graph of a Keras model.

    Names of operators and tensors begin with the layers that they belong to: "host/conv2d/Conv".

    Args:
        item: a `.keras` archive, or HDF5 with a description of the model.

    Raises:
        ItemError: no model, or one that contradicts itself.
        UsageError: h5py or onnx is not installed.
    """
    return read_keras_graph(item).graph


def read_keras_graph(item: Item) -> KerasGraph:
    """The graph of a Keras model, and where its tensors come from.

    Args:
        item: a `.keras` archive, or HDF5 with a description of the model.

    Raises:
        ItemError: no model, or one that contradicts itself.
        UsageError: h5py or onnx is not installed.
    """
    file = read_keras(item)
    model = model_of(file.config, file.name)
    known = kinds()
    store = store_of(file, model, lambda layer: _variables(known, layer))
    try:
        return _Reading(file, model, known, store).result()
    except UncoveredError as error:
        raise ItemError(file.name, f"a model that is not read: {error}") from error


def _variables(known: Mapping[tuple[str, bool], Kind], layer: Layer) -> Sequence[Variable] | None:
    kind = known.get((layer.kind, layer.operation))
    return None if kind is None else kind.variables(layer)


class _Reading:
    """One reading of a model."""

    def __init__(
        self, file: KerasFile, model: Model, known: Mapping[tuple[str, bool], Kind], store: Store
    ) -> None:
        self._file, self._model, self._known, self._store = file, model, known, store
        self._b = Builder(file.name)
        self._kit = Kit(self._b, 3 if file.version.startswith("3") else 2)
        self._calls = 0
        self._places: dict[str, Ref] = {}
        self._strange: list[str] = []  # layers that are not known

    def result(self) -> KerasGraph:
        model = self._model
        given = [self._input(model.layers[ref.layer]) for ref in model.inputs]
        answers = self._answers(model, given, (), outer=True)
        graph = self._b.graph([self._kit.plain(value) for value in answers])
        whole = graph.cut(graph.outputs)
        inputs = {name: graph.inputs[name] for name in graph.inputs}
        graph = Graph(
            name=whole.name, nodes=whole.nodes, inputs=inputs, outputs=whole.outputs, constants=whole.constants,
            opset=whole.opset,
        )  # fmt: skip
        return KerasGraph(graph=graph, file=self._file, model=model, places=self._places)

    def _input(self, layer: Layer) -> Value:
        shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
        if not isinstance(shape, list):
            raise ItemError(self._file.name, f"the shape of its input {layer.name[:60]!r} is not said")
        dims = tuple(size if isinstance(size, int) and size > 0 else None for size in shape)
        dtype = layer.config.get("dtype") or "float32"
        if isinstance(dtype, dict):  # a policy
            dtype = dtype.get("config", {}).get("name", "float32")
        if not _NUMBERS.fullmatch(str(dtype)):
            raise ItemError(self._file.name, f"its input {layer.name[:60]!r} is not of numbers")
        known = FLOAT if "float" in str(dtype) else np.dtype(str(dtype))
        return Value(self._b.input(layer.name, Type(dims, known)))

    def _answers(
        self, model: Model, given: Sequence[Value], path: tuple[str, ...], *, outer: bool = False
    ) -> list[Value]:
        values = dict(zip(model.inputs, given, strict=True))
        for name, number in model.steps:
            ref, layer = Ref(name, number, 0), model.layers[name]
            if ref in values:
                continue
            found = self._called(model, layer, number, values, path)
            for output, value in enumerate(found):
                values[Ref(name, number, output)] = value
                self._remember(Ref(name, number, output), value, outer)
        missing = next((ref for ref in model.outputs if ref not in values), None)
        if missing is not None:
            raise ItemError(
                self._file.name, f"answers with what the layer {missing.layer[:60]!r} does not give"
            )
        return [values[ref] for ref in model.outputs]

    def _remember(self, ref: Ref, value: Value, outer: bool) -> None:
        if outer:
            for tensor in value.tensors:
                self._places.setdefault(self._b.read(tensor), ref)

    def _called(
        self, model: Model, layer: Layer, number: int, values: Mapping[Ref, Value], path: tuple[str, ...]
    ) -> list[Value]:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise ItemError(self._file.name, f"more than {_MOST_CALLS:,} calls of layers")
        call, here = layer.calls[number], (*path, layer.name)
        try:
            args = tuple(_filled(part, values) for part in call.args)
            kwargs = {key: _filled(part, values) for key, part in call.kwargs.items()}
        except KeyError as error:
            raise ItemError(
                self._file.name, f"the layer {layer.name[:60]!r} is given what no layer gives"
            ) from error
        self._plainly(layer, args, kwargs)
        if layer.model is not None:
            given = list(found_in(args, Value))
            if len(given) != len(layer.model.inputs):
                raise ItemError(
                    self._file.name, f"the model {layer.name[:60]!r} is given {len(given)} inputs"
                )
            return self._answers(layer.model, given, here)
        before, self._b.path = self._b.path, "/".join(here)
        try:
            return [self._layer(model, layer, number, here, args, kwargs)]
        finally:
            self._b.path = before

    def _plainly(self, layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse what would make a layer do something else than its class says."""
        odd = ["training"] if kwargs.get("training") else []
        odd += ["mask"] if kwargs.get("mask") is not None else []
        known = layer.model is not None or (layer.kind, layer.operation) in self._known
        if known and not layer.operation and layer.kind not in _FUNCTIONS:
            odd += [str(key) for key, part in kwargs.items() if key not in _SILENT and part is not None]
            odd += ["a further argument"] if any(part is not None for part in args[1:]) else []
        if odd:
            told = ", ".join(odd)[:80]
            raise ItemError(
                self._file.name, f"the layer {layer.name[:60]!r} is not read: it is called with {told}"
            )

    def _layer(
        self, model: Model, layer: Layer, number: int, path: tuple[str, ...], args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Value:  # fmt: skip
        kind = self._known.get((layer.kind, layer.operation))
        told = {key: value for key, value in kwargs.items() if key not in _SILENT}
        if kind is None:
            return self._unknown(layer, args, kwargs, model.shapes.get(Ref(layer.name, number, 0)))
        try:
            return kind.build(Use(
                kit=self._kit, layer=layer, path=path, args=args, kwargs=told,
                fetch=lambda shapes: self._store.of(path, shapes),
            ))  # fmt: skip
        except (UncoveredError, *_ODD) as error:
            why = str(error)[:160]
            why = why if isinstance(error, UncoveredError) else f"{type(error).__name__}: {why}"
            behind = f"; it comes after {', '.join(self._strange[:5])}" if self._strange else ""
            where = f"the layer {'/'.join(path)[:120]!r} ({layer.kind[:60]})"
            raise ItemError(self._file.name, f"{where} is not read: {why}{behind}") from error

    def _unknown(self, layer: Layer, args: Any, kwargs: Any, shape: Any) -> Value:
        """A layer of a class that is not known: what it reads, and that it answers."""
        what = "Python code, which is never run" if layer.kind == "Lambda" else "not known"
        self._strange.append(f"{layer.name[:60]!r} ({layer.kind[:60]}: {what})")
        tensors = [self._kit.plain(value) for value in found_in([args, list(kwargs.values())], Value)]
        (answer,) = self._b.emit_many(f"keras::{layer.kind}", tensors, 1)
        if shape is not None:
            dims = (self._b.dims(tensors[0]) or (None,))[:1] if tensors else (None,)
            self._b.set_type(answer, Type((*dims, *shape[1:]), FLOAT))
        return Value(answer)


def _filled(thing: Any, values: Mapping[Ref, Value]) -> Any:
    """An argument with the tensors in the places of their names."""
    if isinstance(thing, Ref):
        return values[thing]
    if isinstance(thing, list | tuple):
        return [_filled(part, values) for part in thing]
    if isinstance(thing, dict):
        return {key: _filled(part, values) for key, part in thing.items()}
    return thing
