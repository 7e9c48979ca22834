"""How the layers of a Keras model are wired, out of its description.

References:
    Keras 3, keras.src.models.functional (`functional_from_config`) and keras.src.ops.function (`map_graph`): what
    the description means, and in which order layers stand, which decides whose weights are whose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import numpy as np

from mithridate.core.errors import ItemError
from mithridate.models.graph.ir import Shape

__all__ = ["MODELS", "Call", "Layer", "Model", "Ref", "found_in", "model_of", "refs_in"]

T = TypeVar("T")

#: classes whose description holds layers.
MODELS: Final = frozenset(("Functional", "Sequential", "Model"))
_OWN: Final = frozenset(("keras", "tf_keras", "tensorflow"))
_DEEPEST: Final = 32  # models within models
_MOST_LAYERS: Final = 50_000
_NESTED: Final = 12  # lists within the arguments of a call
_MOST_VALUES: Final = 1 << 20  # of a constant in the description


@dataclass(frozen=True)
class Ref:
    """A tensor: what the `call`-th call of a layer answers, the `output`-th of it."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of a layer; tensors among the arguments are `Ref`s."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The tensors that it reads, in the order in which Keras goes through them."""
        named = [self.kwargs[key] for key in sorted(self.kwargs)]
        return tuple(refs_in([*self.args, *named]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A layer or an operation of a description.

    Attributes:
        name: unique within its model.
        kind: name of its class.
        config: arguments that it is made with.
        operation: one of `keras.ops`, which are no layers and have no weights.
        calls: its uses.
        model: what it is made of, where it is a model itself.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    operation: bool
    calls: tuple[Call, ...]
    model: Model | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A model of layers.

    Attributes:
        name: of the model.
        layers: by name, in the order in which Keras lists them: the order that tells weights apart.
        steps: (layer, call) in an order in which they can be computed.
        inputs: tensors that are fed.
        outputs: tensors that are answered.
        shapes: of tensors, as far as the description says.
        sequential: made as a sequence.
    """

    name: str
    layers: Mapping[str, Layer]
    steps: tuple[tuple[str, int], ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    shapes: Mapping[Ref, Shape] = field(default_factory=dict)
    sequential: bool = False


def found_in(thing: Any, kind: type[T]) -> Iterator[T]:
    """The parts of a kind within lists and dictionaries."""
    if isinstance(thing, kind):
        yield thing
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from found_in(part, kind)
    elif isinstance(thing, dict):
        for key in sorted(thing):
            yield from found_in(thing[key], kind)


def refs_in(thing: Any) -> Iterator[Ref]:
    """The tensors within lists and dictionaries."""
    return found_in(thing, Ref)


def model_of(description: Mapping[str, Any], name: str) -> Model:
    """Read a description.

    Args:
        description: {"class_name", "config"}.
        name: of the file, for messages.

    Raises:
        ItemError: it is none, contradicts itself, goes in circles, or is beyond the limits.
    """
    try:
        return _Reader(name).model(description, 0)
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        told = f"{type(error).__name__}: {str(error)[:120]}"
        raise ItemError(name, f"a description of a model that is not sound ({told})") from error


class _Reader:
    def __init__(self, name: str) -> None:
        self._name, self._count = name, 0

    def model(self, description: Mapping[str, Any], depth: int) -> Model:
        kind, config = _class(description), description["config"]
        if depth > _DEEPEST:
            raise ItemError(self._name, f"models nested more than {_DEEPEST} deep")
        if kind not in MODELS:
            raise ItemError(
                self._name, f"a model of class {kind[:80]!r}, which is written in Python, not described"
            )
        if kind == "Sequential":
            return self._sequence(config, depth)
        return self._functional(config, depth)

    def _sequence(self, config: Any, depth: int) -> Model:
        """Layers one after the other; the first Keras versions wrote the list alone."""
        config = {"layers": config} if isinstance(config, list) else config
        raw = list(config["layers"])
        if not raw:
            raise ItemError(self._name, "a sequence of no layers")
        if raw[0]["class_name"] != "InputLayer":
            shape = _first_shape(raw[0], config)
            own = {"name": "input", "batch_shape": shape} if shape else {"name": "input"}
            raw.insert(0, {"class_name": "InputLayer", "config": own})
        layers: dict[str, Layer] = {}
        last: Ref | None = None
        for entry in raw:
            made = self._layer(entry, depth, [] if last is None else [Call(args=(last,), kwargs={})])
            if made.name in layers:
                raise ItemError(self._name, f"two layers of the name {made.name[:80]!r}")
            layers[made.name] = made
            last = Ref(made.name, 0, 0)
        first = next(iter(layers))
        return Model(
            name=str(config.get("name", "sequential")), layers=layers, steps=tuple((n, 0) for n in layers),
            inputs=(Ref(first, 0, 0),), outputs=(last,) if last else (), sequential=True,
        )  # fmt: skip

    def _functional(self, config: Mapping[str, Any], depth: int) -> Model:
        if "layers" not in config:
            raise ItemError(
                self._name, "a model of a class of its own, which is written in Python, not described"
            )
        shapes: dict[Ref, Shape] = {}
        layers: dict[str, Layer] = {}
        for entry in config["layers"]:
            calls = [_call(node, shapes) for node in entry.get("inbound_nodes", ())]
            made = self._layer(entry, depth, calls)
            if made.name in layers:
                raise ItemError(self._name, f"two layers of the name {made.name[:80]!r}")
            layers[made.name] = made
        layers = {name: _counted(layer, layers) for name, layer in layers.items()}
        inputs = tuple(_ends(config["input_layers"], layers))
        outputs = tuple(_ends(config["output_layers"], layers))
        order, steps = _order(layers, inputs, outputs, self._name)
        return Model(
            name=str(config.get("name", "model")), layers={name: layers[name] for name in order}, steps=steps,
            inputs=inputs, outputs=outputs, shapes=shapes,
        )  # fmt: skip

    def _layer(self, entry: Mapping[str, Any], depth: int, calls: list[Call]) -> Layer:
        self._count += 1
        if self._count > _MOST_LAYERS:
            raise ItemError(self._name, f"more than {_MOST_LAYERS:,} layers")
        kind, config = _class(entry), entry["config"]
        inner = self.model(entry, depth + 1) if kind in MODELS else None
        own = config if isinstance(config, dict) else {}
        name = str(entry.get("name") or own.get("name") or kind)
        if kind == "InputLayer" and not calls:
            calls = [Call(args=(), kwargs={})]
        return Layer(
            name=name, kind=kind, config=own, operation=".ops" in str(entry.get("module") or ""),
            calls=tuple(calls), model=inner,
        )  # fmt: skip


def _class(entry: Mapping[str, Any]) -> str:
    """The class of a layer: a name that Keras knows only where the class is Keras' own."""
    kind, registered = str(entry["class_name"]), entry.get("registered_name")
    root = str(entry.get("module") or "keras").partition(".")[0]
    if root not in _OWN:
        return str(registered or f"{root}.{kind}")
    named = isinstance(registered, str) and ">" in registered
    return str(registered) if named and not str(registered).startswith(("keras", "Keras")) else kind


def _first_shape(first: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """The shape of what a sequence is fed, where no input layer says it."""
    own = first["config"] if isinstance(first["config"], dict) else {}
    if first["class_name"] in MODELS and own.get("layers"):
        inner = own["layers"][0]
        own = inner["config"] if isinstance(inner.get("config"), dict) else {}
    built = first.get("build_config") or {}
    found = (own.get("batch_shape"), own.get("batch_input_shape"), config.get("build_input_shape"))
    return next((shape for shape in (*found, built.get("input_shape")) if shape), None)


def _call(node: Any, shapes: dict[Ref, Shape]) -> Call:
    """A call, as Keras 3 writes it, or as older versions do: [[layer, call, output, {arguments}], ...]."""
    if isinstance(node, dict):
        args = tuple(_plain(part, shapes, 0) for part in node.get("args", ()))
        kwargs = {str(key): _plain(part, shapes, 0) for key, part in node.get("kwargs", {}).items()}
        return Call(args=args, kwargs=kwargs)
    if node and isinstance(node[0], str):
        node = [node]
    first: list[Any] = []
    kwargs = {}
    for entry in node:
        constant = entry[0] == "_CONSTANT_VALUE"
        first.append(entry[2] if constant else _Old(str(entry[0]), int(entry[1]), int(entry[2])))
        if len(entry) > 3:
            kwargs.update(entry[3])
    return Call(args=(first[0],) if len(first) == 1 else (first,), kwargs=kwargs)


class _Old(Ref):
    """As older versions write it: the calls of models within models are counted from one."""


def _plain(thing: Any, shapes: dict[Ref, Shape], depth: int) -> Any:
    """An argument without its wrapping."""
    if depth > _NESTED:
        raise ValueError("arguments nested too deeply")
    if isinstance(thing, list):
        return [_plain(part, shapes, depth + 1) for part in thing]
    if not isinstance(thing, dict):
        return thing
    kind, config = thing.get("class_name"), thing.get("config")
    if kind == "__keras_tensor__" and isinstance(config, dict):
        layer, call, output = config["keras_history"]
        ref = Ref(str(layer), int(call), int(output))
        shape = config.get("shape")
        if isinstance(shape, list):
            shapes[ref] = tuple(size if isinstance(size, int) else None for size in shape)
        return ref
    if kind == "__slice__" and isinstance(config, dict):
        bounds = (config.get("start"), config.get("stop"), config.get("step"))
        return slice(*(b if b is None else int(b) for b in bounds))
    if kind == "__ellipsis__":
        return Ellipsis
    if kind in ("__numpy__", "__tensor__") and isinstance(config, dict):
        array = np.asarray(config["value"], dtype=str(config["dtype"]))
        if array.size > _MOST_VALUES or array.dtype.kind not in "fiub":
            raise ValueError("a constant that is too large, or not of numbers")
        return array
    if kind == "__tuple__" and isinstance(config, dict):
        return [_plain(part, shapes, depth + 1) for part in config.get("value", ())]
    return {str(key): _plain(part, shapes, depth + 1) for key, part in thing.items()}


def _counted(layer: Layer, layers: Mapping[str, Layer]) -> Layer:
    """A layer whose tensors are counted as Keras 3 counts them."""
    if not any(
        isinstance(ref, _Old) for other in layers.values() for call in other.calls for ref in call.refs
    ):
        return layer

    def now(thing: Any) -> Any:
        if isinstance(thing, list) and len(thing) == 3 and isinstance(thing[0], str) and thing[0] in layers:
            thing = _Old(thing[0], int(thing[1]), int(thing[2]))  # among arguments that have names
        if isinstance(thing, _Old):
            inside = thing.layer in layers and layers[thing.layer].model is not None
            return Ref(thing.layer, thing.call - 1 if inside and thing.call else thing.call, thing.output)
        return [now(part) for part in thing] if isinstance(thing, list) else thing

    calls = [
        Call(args=tuple(map(now, call.args)), kwargs={key: now(part) for key, part in call.kwargs.items()})
        for call in layer.calls
    ]
    return replace(layer, calls=tuple(calls))


def _ends(thing: Any, layers: Mapping[str, Layer]) -> Iterator[Ref]:
    """Inputs or outputs of a model; the calls of functional models among them are counted from one."""
    if isinstance(thing, list) and len(thing) == 3 and isinstance(thing[0], str):
        name, call, output = thing[0], int(thing[1]), int(thing[2])
        layer = layers[name]
        count = len(layer.calls)
        if layer.kind in ("Functional", "Model") or (layer.model is not None and call >= count):
            call = (call - 1) % count
        yield Ref(name, call, output)
    elif isinstance(thing, dict):
        for key in sorted(thing):
            yield from _ends(thing[key], layers)
    elif isinstance(thing, list):
        for part in thing:
            yield from _ends(part, layers)
    else:
        raise TypeError("an input or output that names no layer")


def _order(
    layers: Mapping[str, Layer], inputs: Sequence[Ref], outputs: Sequence[Ref], name: str
) -> tuple[list[str], tuple[tuple[str, int], ...]]:
    """The layers in Keras' order, and calls in an order in which they can be computed."""
    first, steps = _walked(layers, inputs, outputs, name)
    deep: dict[tuple[str, int], int] = {}
    depths: dict[str, int] = {}
    for step in reversed(steps):
        layer = step[0]
        deep[step] = depths[layer] = max(deep.get(step, 0), depths.get(layer, 0))
        for ref in layers[layer].calls[step[1]].refs:
            before = (ref.layer, ref.call)
            deep[before] = max(deep[step] + 1, deep.get(before, 0))
    for ref in inputs:
        if ref.layer not in depths:
            depths[ref.layer], first[ref.layer] = 0, -1
            steps = [*steps, (ref.layer, 0)]
    order = sorted(depths, key=lambda layer: (-depths[layer], first[layer]))
    return order, tuple(steps)


def _walked(
    layers: Mapping[str, Layer], inputs: Sequence[Ref], outputs: Sequence[Ref], name: str
) -> tuple[dict[str, int], list[tuple[str, int]]]:
    """When each layer is first met on the way back from the outputs, and the calls, those before others first."""
    fed = set(inputs)
    first: dict[str, int] = {}
    steps: list[tuple[str, int]] = []
    done: set[tuple[str, int]] = set()
    waiting: set[tuple[str, int]] = set()

    def met(ref: Ref) -> Iterator[Ref]:
        first.setdefault(ref.layer, len(first))
        return iter(()) if ref in fed else iter(layers[ref.layer].calls[ref.call].refs)

    for output in outputs:
        stack: list[tuple[tuple[str, int], Iterator[Ref]]] = []
        rest: Iterator[Ref] = iter((output,))
        while True:
            ref = next(rest, None)
            if ref is None:
                if not stack:
                    break
                step, rest = stack.pop()
                waiting.discard(step)
                done.add(step)
                steps.append(step)
                continue
            step = (ref.layer, ref.call)
            if step in done:
                continue
            if step in waiting:
                raise ItemError(name, f"layers that wait for each other: a cycle through {ref.layer[:80]!r}")
            if ref.layer not in layers or not 0 <= ref.call < len(layers[ref.layer].calls):
                raise ItemError(name, f"a call of the layer {ref.layer[:80]!r} that is not described")
            waiting.add(step)
            stack.append((step, rest))
            rest = met(ref)
    return first, steps
