"""A file of Keras, taken apart: the description of the model and the values of its weights. Nothing is made of it.

Two formats: `.keras`, a zip of config.json, metadata.json and model.weights.h5; and HDF5 with the description as an
attribute, which older versions wrote (`.h5`, `.hdf5`).
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError
from mithridate.models.files.h5_ask import ask_h5, has_h5py, on_disk
from mithridate.models.files.h5_outline import read_outline
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json, walk_json
from mithridate.models.files.members import Members, open_members

__all__ = ["CONFIG", "METADATA", "WEIGHTS", "KerasFile", "describes_model", "read_keras", "weights_on_disk"]

CONFIG: Final = "config.json"
METADATA: Final = "metadata.json"
WEIGHTS: Final = "model.weights.h5"
_CHILD: Final = Path(__file__).with_name("h5_weights.py")
_LARGEST: Final = 1 << 48
#: numbers that are names, or nothing for what is computed.
_IDS: Final = frozenset(("shared_object_id", "seed"))
_MOST_CONFIG: Final = 64 << 20
_MOST_WEIGHTS: Final = 2 << 30


@dataclass(frozen=True, kw_only=True, eq=False)
class KerasFile:
    """What a file holds.

    Attributes:
        name: of the item, for messages.
        config: {"class_name", "config", ...} of the model.
        version: of Keras that wrote it, e.g. "3.11.3"; "" where it is not said.
        legacy: HDF5 with the description as an attribute; weights are then listed layer by layer.
        arrays: path in the weights' file → values; without what training left.
        texts: path of a group there → {"name", "layer_names", "weight_names", ...} as far as it has these.
    """

    name: str
    config: Mapping[str, Any]
    version: str
    legacy: bool
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    texts: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @cached_property
    def prefixes(self) -> frozenset[str]:
        """The outermost groups that hold weights."""
        return frozenset(path.partition("/")[0] for path in self.arrays)


def describes_model(item: Item) -> bool:
    """Whether an HDF5 file holds the description of a model, and not numbers alone."""
    if not has_h5py() or (item.inside is not None and item.inside.kind == "keras"):
        return False
    try:
        return "model_config" in read_outline(item).attributes
    except ItemError:  # said by the check of its description
        return False


def read_keras(item: Item) -> KerasFile:
    """Take a file apart.

    Raises:
        ItemError: no sound file of Keras, or one beyond the limits.
        UsageError: h5py is not installed.
    """
    if not has_h5py():
        remedy = "Install it: pip install 'mithridate[artifacts]'."
        raise UsageError("h5py, for the weights of Keras models", "not installed", item.name, remedy)
    if item.kind == "keras":
        return _zipped(item)
    with on_disk(item) as path:
        arrays, texts = _asked(item.name, path)
    about = texts.get("", {})
    if not isinstance(about.get("model_config"), str):
        raise ItemError(item.name, "HDF5 without `model_config`: weights, but not what is computed with them")
    config, version = _description(about["model_config"], item.name), str(about.get("keras_version", ""))
    return KerasFile(name=item.name, config=config, version=version, legacy=True, arrays=arrays, texts=texts)


def weights_on_disk(item: Item, members: Members, folder: Path) -> Path:
    """The weights of a `.keras` as a file of their own.

    Raises:
        ItemError: they are missing, damaged, or too large.
    """
    if WEIGHTS not in members.sizes:
        other = next((name for name in members.sizes if name.startswith("model.weights.")), None)
        got = f"its weights are kept as {other!r}, which is not read" if other else f"it has no {WEIGHTS}"
        raise ItemError(item.name, got)
    path = folder / "weights.h5"
    with path.open("wb") as copy:
        for piece in members.pieces(WEIGHTS, _MOST_WEIGHTS):
            copy.write(piece)
    return path


def _zipped(item: Item) -> KerasFile:
    with open_members(item) as members, tempfile.TemporaryDirectory() as folder:
        config = _description(members.read(CONFIG, _MOST_CONFIG), item.name)
        version = ""
        if METADATA in members.sizes:
            said, _ = read_json(members.read(METADATA, _MOST_CONFIG), item.name)
            version = str(said.get("keras_version", "")) if isinstance(said, dict) else ""
        path = weights_on_disk(item, members, Path(folder))
        arrays, texts = _asked(item.name, path)
    return KerasFile(name=item.name, config=config, version=version, legacy=False, arrays=arrays, texts=texts)


def _description(text: bytes | str, name: str) -> Mapping[str, Any]:
    value, twice = read_json(text, name)
    if isinstance(value, str):  # JSON within JSON
        value, twice = read_json(value, name)
    if twice:
        raise ItemError(
            name, f"its description says {twice[0][:40]!r} twice: readers differ on which one counts"
        )
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict | list):
        raise ItemError(name, "a description without a model")
    try:
        large = any(isinstance(part, int) and abs(part) > _LARGEST for _, _, part in walk_json(value, _IDS))
    except ValueError as error:
        raise ItemError(name, str(error)) from error
    if large:
        raise ItemError(name, "a description with numbers that no size can be")
    return value


def _asked(name: str, path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What the process that reads HDF5 answers; its word is checked, as the file may have taken it over."""
    answer = memoryview(ask_h5(name, _CHILD, [str(path.resolve())], "reading its weights"))
    try:
        (length,) = struct.unpack("<q", answer[:8])
        table = json.loads(bytes(answer[8 : 8 + length]))
        arrays, at = {}, 8 + length
        for path_inside, dtype, shape in table["datasets"]:
            kind = np.dtype(dtype)
            if kind.kind not in "fiub":
                raise ValueError(f"the type {dtype}")
            count = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(answer, kind, count, at).reshape(shape)
            arrays[str(path_inside)] = array
            at += array.nbytes
        return arrays, dict(table["texts"])
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ItemError(name, f"the reader of HDF5 gave no sound answer ({str(error)[:100]})") from error
