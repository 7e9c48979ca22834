"""What of an interrupted gathering is already on disk: finished stages are loaded, the others computed."""

from __future__ import annotations

import json
import secrets
import zipfile
from collections.abc import Callable
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import mithridate
from mithridate.core.batch import BadItem, Source
from mithridate.evidence.roll import Roll
from mithridate.evidence.store import DiskArray, open_disk_array

__all__ = [
    "Stages",
    "load_arrays",
    "load_record",
    "load_roll",
    "save_arrays",
    "save_record",
    "save_roll",
]

_INDEX = "stages.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
T = TypeVar("T")


class Stages:
    """The finished stages of one gathering in one folder.

    What another source, seed or version of this package left behind counts for nothing; neither does what was
    written before the machine was last started, because files are not forced to the disk one by one.

    Args:
        folder: where the files of the stages are.
        source: what is gathered from; its digest decides.
        seed: of the run.
    """

    def __init__(self, folder: Path, source: Source, seed: int) -> None:
        try:
            boot = _BOOT.read_text(encoding="ascii").strip()
        except OSError:
            boot = ""
        told = json.dumps([source.digest, seed, mithridate.__version__, boot])
        self._key = blake2b(told.encode(), digest_size=16).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _INDEX
        self._done = self._read()

    def run(
        self,
        name: str,
        compute: Callable[[], T],
        load: Callable[[], T],
        save: Callable[[T], object] = lambda value: None,
    ) -> T:
        """Load a finished stage, or compute, save and note it.

        Args:
            name: of the stage.
            compute: does the work; may write files of its own.
            load: reads back what is on disk.
            save: writes what `compute` did not write itself.
        """
        if name in self._done:
            try:
                return load()
            except (OSError, ValueError, KeyError, TypeError):  # a file was taken away or cut
                self._done.remove(name)
        value = compute()
        save(value)
        self._done.append(name)
        self._write()
        return value

    def _read(self) -> list[str]:
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
            return [str(name) for name in noted["done"]] if noted["key"] == self._key else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _write(self) -> None:
        part = self._path.with_name(f".{_INDEX}.{secrets.token_hex(4)}")
        part.write_text(json.dumps({"key": self._key, "done": self._done}), encoding="utf-8")
        part.replace(self._path)


def save_arrays(path: Path, **arrays: NDArray[Any] | float | int) -> None:
    """Write arrays under their names, in numpy's own format."""
    plain: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    with path.open("wb") as file:
        np.savez(file, **plain)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote; nothing is unpickled.

    Raises:
        OSError: missing or cut.
        ValueError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name}: expected arrays, got {error}; compute it again") from error


def save_record(record: Any, path: Path) -> None:
    """Write a dataclass of arrays, numbers and `DiskArray`s; of the latter only where they are."""
    told = {f.name: getattr(record, f.name) for f in fields(record)}
    save_arrays(path, **{name: _where(v) if isinstance(v, DiskArray) else v for name, v in told.items()})


def load_record(kind: type[T], path: Path) -> T:
    """Read what `save_record` wrote.

    Args:
        kind: the dataclass.
        path: of the record; the files of its `DiskArray`s lie beside it.

    Raises:
        OSError: missing.
        ValueError: cut, or of another version.
    """

    def value(stored: NDArray[Any]) -> Any:
        if stored.dtype.kind == "U":
            name, dtype, length = stored.tolist()
            return open_disk_array(path.with_name(name), dtype, int(length))
        return stored.item() if stored.ndim == 0 else stored

    return kind(**{name: value(stored) for name, stored in load_arrays(path).items()})


def _where(array: DiskArray) -> NDArray[Any]:
    return np.array([array.path.name, array.dtype.str, str(len(array))])


def save_roll(roll: Roll, path: Path) -> None:
    """Write who is in the data."""
    plain = roll.plain() | {"bad": [[item.id, item.reason] for item in roll.bad]}
    path.write_text(json.dumps(plain), encoding="ascii")


def load_roll(path: Path) -> Roll:
    """Read what `save_roll` wrote.

    Raises:
        OSError: missing.
        ValueError: cut.
    """
    plain = json.loads(path.read_text(encoding="ascii"))
    plain["bad"] = [BadItem(id=id_, reason=reason) for id_, reason in plain["bad"]]
    return Roll.from_plain(plain)
