"""The outline of an HDF5 file: what describes a Keras model, and what leads out of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mithridate.core.errors import ItemError
from mithridate.models.files.h5_ask import ask_h5, on_disk
from mithridate.models.files.item import Item

__all__ = ["Elsewhere", "H5Outline", "read_outline"]

_CHILD = Path(__file__).with_name("h5_child.py")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Something whose data lie elsewhere: "external link", "soft link", "external data", ...; its name; the place."""

    kind: str
    name: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class H5Outline:
    """An outline.

    Attributes:
        attributes: texts of the root, e.g. "model_config".
        elsewhere: at most 100.
        whole: everything was looked at.
    """

    attributes: Mapping[str, str]
    elsewhere: tuple[Elsewhere, ...]
    whole: bool


def read_outline(item: Item) -> H5Outline:
    """Read the outline in a process of its own, with limits of time and memory.

    Raises:
        ItemError: no sound HDF5, a crash or a limit of the reader, or too large to be copied out of an archive.
    """
    with on_disk(item) as path:
        return _outline(item, ask_h5(item.name, _CHILD, [str(path.resolve())], "reading its outline"))


def _outline(item: Item, answer: bytes) -> H5Outline:
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise ItemError(item.name, "the reader of HDF5 gave no answer") from error
    found = tuple(Elsewhere(*map(str, entry)) for entry in said["odd"])
    return H5Outline(attributes=said["attributes"], elsewhere=found, whole=said["whole"])
