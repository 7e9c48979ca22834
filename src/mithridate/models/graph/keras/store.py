"""Whose weights are whose.

Keras 3 keeps the weights of a layer under the path of its place: layers/<class>_<number>/vars/<number>, counted in the
order of the layers. Older files list the weights of each layer of the model by name, those of models within it one
after the other, what is trained before what is not; they, too, are handed out in that order. Names are kept beside
both; where they say something else than the order, the file contradicts itself.

Reference:
    Keras 3, keras.src.saving.saving_lib (`_save_state`) and keras.src.legacy.saving.legacy_h5_format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from numpy.typing import NDArray

from mithridate.core.errors import ItemError
from mithridate.models.graph.ir import Shape
from mithridate.models.graph.keras.archive import KerasFile
from mithridate.models.graph.keras.wiring import Layer, Model

__all__ = ["Store", "Variable", "place_names", "store_of"]

_MODEL_WEIGHTS: Final = "model_weights"
#: what the first versions of `.keras` called "layers".
_OLDER: Final = "_layer_checkpoint_dependencies"

#: name of a weight, and whether it is trained.
Variable: TypeAlias = tuple[str, bool]
#: layer → its weights in their order; None where this version does not know.
Known: TypeAlias = Callable[[Layer], Sequence[Variable] | None]
#: path of layers, outermost first.
Path: TypeAlias = tuple[str, ...]


class Store:
    """The weights of all layers.

    Args:
        name: of the file, for messages.
        held: path of a layer → its weights, in order.
    """

    def __init__(self, name: str, held: Mapping[Path, Sequence[NDArray[Any]]]) -> None:
        self._name, self._held = name, held

    def of(self, path: Path, shapes: Sequence[tuple[str, Shape]]) -> list[NDArray[Any]]:
        """The weights of a layer.

        Args:
            path: of the layer.
            shapes: (name, shape) of what it needs, in order; None for sizes that may be any.

        Raises:
            ItemError: others are there.
        """
        held, where = self._held.get(path, ()), "/".join(path)[:120]
        if len(held) != len(shapes):
            got = f"{len(held)} weights where it needs {len(shapes)}"
            raise ItemError(self._name, f"the layer {where!r} has {got}")
        for array, (name, shape) in zip(held, shapes, strict=True):
            if len(array.shape) != len(shape) or any(
                b not in (None, a) for a, b in zip(array.shape, shape, strict=True)
            ):
                raise ItemError(
                    self._name, f"{name} of the layer {where!r} is of shape {array.shape}, it needs {shape}"
                )
        return list(held)


def store_of(file: KerasFile, model: Model, known: Known) -> Store:
    """Hand out the weights of a file.

    Args:
        file: the file.
        model: its model.
        known: the weights that layers have.

    Raises:
        ItemError: the file contradicts itself.
    """
    held = _listed(file, model, known) if file.legacy else dict(_placed(file, model, (), ""))
    return Store(file.name, held)


def place_names(model: Model) -> dict[str, str]:
    """Layer → name of its place in files of Keras 3, e.g. "dense_1" for the second Dense."""
    taken: dict[str, int] = {}
    names: dict[str, str] = {}
    for number, layer in enumerate(model.layers.values()):
        if layer.operation or (model.sequential and not number):
            continue
        base = _snake(layer.kind)
        count = taken[base] = taken.get(base, -1) + 1
        names[layer.name] = f"{base}_{count}" if count else base
    return names


def _snake(kind: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _placed(
    file: KerasFile, model: Model, path: Path, prefix: str
) -> Iterator[tuple[Path, list[NDArray[Any]]]]:
    for name, place in place_names(model).items():
        layer, at = model.layers[name], f"{prefix}layers/{place}"
        if _OLDER in file.prefixes:
            at = at.replace("layers/", f"{_OLDER}/")
        told = file.texts.get(f"{at}/vars", {}).get("name", name)
        if told != name:
            raise ItemError(
                file.name,
                f"contradicts itself: the weights {at!r} are of the layer {str(told)[:60]!r}, not {name[:60]!r}",
            )
        if layer.model is not None:
            yield from _placed(file, layer.model, (*path, name), f"{at}/")
            continue
        found: list[NDArray[Any]] = []
        while (array := file.arrays.get(f"{at}/vars/{len(found)}")) is not None:
            found.append(array)
        yield (*path, name), found


def _listed(file: KerasFile, model: Model, known: Known) -> dict[Path, list[NDArray[Any]]]:
    """The weights of older files, by the layers of the outermost model."""
    layers = _texts(file, _MODEL_WEIGHTS, "layer_names")
    lists = {name: _texts(file, f"{_MODEL_WEIGHTS}/{name}", "weight_names") for name in layers}
    filled = [name for name in layers if lists[name]]
    held: dict[Path, list[NDArray[Any]]] = {}
    wanted: list[str] = []
    for layer in model.layers.values():
        variables = list(_variables(layer, known, (layer.name,), trained=True))
        if variables or layer.name in filled:
            wanted.append(layer.name)
            _shared_out(file, layer, variables, lists.get(layer.name, ()), held)
    if wanted != filled:
        odd = next((pair for pair in zip(wanted, filled, strict=False) if pair[0] != pair[1]), None)
        got = (
            f"{odd[1][:60]!r} stands where {odd[0][:60]!r} should"
            if odd
            else f"{len(filled)} for {len(wanted)}"
        )
        raise ItemError(file.name, f"contradicts itself about the layers that have weights: {got}")
    return held


def _shared_out(
    file: KerasFile, layer: Layer, variables: Sequence[tuple[Path, Variable]], names: Sequence[str],
    held: dict[Path, list[NDArray[Any]]],
) -> None:  # fmt: skip
    """The weights of one layer of the outermost model, or of all layers within it: what is trained first."""
    if layer.model is None and not variables:  # of a class that is not known
        return
    ordered = [v for v in variables if v[1][1]] + [v for v in variables if not v[1][1]]
    if len(ordered) != len(names):
        got = f"{len(names)} weights where {len(ordered)} are needed"
        raise ItemError(file.name, f"the layer {layer.name[:80]!r} has {got}")
    inside = {path[-1] for path, _ in variables}
    by_path: dict[Path, dict[str, NDArray[Any]]] = {}
    for (path, (variable, _)), name in zip(ordered, names, strict=True):
        array = file.arrays.get(f"{_MODEL_WEIGHTS}/{layer.name}/{name}")
        parts = name.split("/")
        owners = inside.intersection(parts[:-1])
        if array is None:
            raise ItemError(file.name, f"the weights {name[:80]!r} are missing")
        if (owners and path[-1] not in owners) or not parts[-1].startswith(variable):
            wanted = f"{variable} of {path[-1][:60]!r}"
            raise ItemError(file.name, f"contradicts itself: {name[:80]!r} stands where {wanted} should")
        by_path.setdefault(path, {})[variable] = array
    for path, (variable, _) in variables:  # in the order of the layer, as Keras 3 keeps them
        held.setdefault(path, []).append(by_path[path][variable])


def _variables(layer: Layer, known: Known, path: Path, *, trained: bool) -> Iterator[tuple[Path, Variable]]:
    """All weights of a layer and of those within it, in Keras' order."""
    trained = trained and layer.config.get("trainable") is not False
    if layer.model is None:
        for name, learnt in known(layer) or ():
            yield path, (name, learnt and trained)
        return
    for inner in layer.model.layers.values():
        yield from _variables(inner, known, (*path, inner.name), trained=trained)


def _texts(file: KerasFile, group: str, name: str) -> list[str]:
    """A list of names, which older versions cut into pieces where it is long."""
    held = file.texts.get(group, {})
    if name in held:
        whole = held[name]
        return [str(part) for part in whole] if isinstance(whole, list) else [str(whole)]
    pieces: list[str] = []
    count = 0
    while isinstance(piece := held.get(f"{name}{count}"), list):
        pieces.extend(str(part) for part in piece)
        count += 1
    return pieces
