"""The outline of an HDF5 file: what describes a Keras model, and what leads out of the file."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item

__all__ = ["Elsewhere", "H5Outline", "has_h5py", "read_outline"]

_SECONDS = 60
_MOST_COPY = 4 << 30
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


def has_h5py() -> bool:
    """Whether the library that reads HDF5 is installed."""
    return importlib.util.find_spec("h5py") is not None


def read_outline(item: Item) -> H5Outline:
    """Read the outline in a process of its own, with limits of time and memory.

    Raises:
        ItemError: no sound HDF5, a crash or a limit of the reader, or too large to be copied out of an archive.
    """
    if item.path is not None:
        return _outline(item, _asked(item, item.path))
    if item.size > _MOST_COPY:
        raise ItemError(
            item.name, f"{item.size:,} bytes in an archive, more than the {_MOST_COPY:,} that are copied"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.h5"
        with item.open() as stream, path.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        return _outline(item, _asked(item, path))


def _asked(item: Item, path: Path) -> bytes:
    """What the child says."""
    environment = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE"}  # no plug-ins
    command = [sys.executable, "-P", str(_CHILD), str(path.resolve())]
    try:
        done = subprocess.run(  # noqa: S603 (this interpreter, a script of this package)
            command,
            capture_output=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ItemError(item.name, f"reading its outline took more than {_SECONDS} s") from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = f"the reader of HDF5 ended with {done.returncode}"
        raise ItemError(item.name, f"no HDF5 that can be read ({last[:200] or reason})")
    return done.stdout


def _outline(item: Item, answer: bytes) -> H5Outline:
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise ItemError(item.name, "the reader of HDF5 gave no answer") from error
    found = tuple(Elsewhere(*map(str, entry)) for entry in said["odd"])
    return H5Outline(attributes=said["attributes"], elsewhere=found, whole=said["whole"])
