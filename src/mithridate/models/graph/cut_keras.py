"""A copy of a Keras model that answers with another tensor, without the layers that only the old answer needed.

The description loses these layers, the file their weights. What remains keeps its weights bit for bit; the copy is read
again and compared with the graph of the original, operator by operator, before anything is given back. What training
left beside the weights (the optimiser and its state) speaks of layers that are gone, and goes, too.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from mithridate.core.errors import ItemError
from mithridate.models.files.h5_ask import ask_h5, on_disk
from mithridate.models.files.item import Item
from mithridate.models.files.members import open_members
from mithridate.models.graph.from_keras import KerasGraph, read_keras_graph
from mithridate.models.graph.keras.archive import CONFIG, WEIGHTS, weights_on_disk
from mithridate.models.graph.keras.smaller import without
from mithridate.models.graph.keras.store import place_names
from mithridate.models.graph.keras.wiring import Model, model_of
from mithridate.models.graph.same import same_graphs

__all__ = ["excise"]

_CHILD: Final = Path(__file__).parent / "keras" / "h5_copy.py"
_MOST_MEMBER: Final = 256 << 20
_MOST_NAMES: Final = 3000  # one attribute holds
_MODEL_WEIGHTS: Final = "model_weights"


def excise(item: Item, output: str, answer: str) -> bytes:
    """A copy of a model that answers with another tensor.

    Args:
        item: a `.keras` archive, or HDF5 with a description of the model; it is not changed.
        output: name of the answer in its graph (see `graph_of_keras`) that is replaced.
        answer: name of the tensor that takes its place: what a layer of the outermost model answers.

    Returns:
        The bytes of the copy, of the same format.

    Raises:
        ItemError: no model of Keras, or the tensor is none that its description can name.
    """
    reading = read_keras_graph(item)
    place = reading.places.get(answer)
    if place is None or reading.model.sequential:
        why = f"the tensor {answer[:80]!r} is no answer of a layer of the outermost model"
        raise ItemError(item.name, f"{why}; export the model as ONNX and repair that")
    if output not in reading.graph.outputs:
        raise ItemError(item.name, f"the tensor {output[:80]!r} is no answer of the model")
    config = deepcopy(dict(reading.file.config))
    config.pop("compile_config", None)
    config["config"] = without(
        config["config"], reading.model, list(reading.graph.outputs).index(output), place
    )
    content = _written(item, reading, config)
    _proven(item, reading, content, output, answer)
    return content


def _written(item: Item, reading: KerasGraph, config: Mapping[str, Any]) -> bytes:
    model = model_of(config, item.name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if reading.file.legacy:
            with on_disk(item) as source:
                return _copied(item, source, folder, _listed(item, model, config))
        with open_members(item) as members:
            source = weights_on_disk(item, members, folder)
            parts = {
                member: members.read(member, _MOST_MEMBER)
                for member in members.sizes
                if member not in (CONFIG, WEIGHTS) and not member.endswith("/")
            }
        parts[CONFIG] = json.dumps(config).encode()
        parts[WEIGHTS] = _copied(item, source, folder, _moved(reading.model, model))
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            for member, held in parts.items():
                archive.writestr(zipfile.ZipInfo(member), held)
        return whole.getvalue()


def _copied(item: Item, source: Path, folder: Path, plan: Mapping[str, Any]) -> bytes:
    target, told = folder / "copy.h5", folder / "plan.json"
    told.write_text(json.dumps(plan))
    arguments = [str(source.resolve()), str(target), str(told)]
    ask_h5(item.name, _CHILD, arguments, "writing its weights")
    return target.read_bytes()


def _moved(old: Model, new: Model) -> dict[str, Any]:
    """Where the weights of the layers that stay go: places are counted, so some change."""
    before, after = place_names(old), place_names(new)
    moves = [[f"layers/{before[name]}", f"layers/{place}"] for name, place in after.items()]
    return {"moves": [*moves, ["vars", "vars"]], "attributes": {}, "same": ["/"]}


def _listed(item: Item, new: Model, config: Mapping[str, Any]) -> dict[str, Any]:
    names = [*new.layers]
    if len(names) > _MOST_NAMES:
        raise ItemError(item.name, f"more than {_MOST_NAMES:,} layers in a file of the older format")
    moves = [[f"{_MODEL_WEIGHTS}/{name}"] * 2 for name in (*names, "top_level_model_weights")]
    attributes = {
        "/": {"model_config": json.dumps(config), "training_config": None},
        _MODEL_WEIGHTS: {"layer_names": names},
    }
    return {"moves": moves, "attributes": attributes, "same": ["/", _MODEL_WEIGHTS]}


def _proven(item: Item, reading: KerasGraph, content: bytes, output: str, answer: str) -> None:
    copy = Item(name=item.name, kind=item.kind, size=len(content), opener=lambda: io.BytesIO(content))
    wanted = [answer if name == output else name for name in reading.graph.outputs]
    if not same_graphs(reading.graph.cut(wanted), read_keras_graph(copy).graph):
        raise ItemError(
            item.name, f"a copy that answers with {answer[:80]!r} would not be the model without the branch"
        )
