"""NumPy's .npy and .npz files. Nothing is ever unpickled."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError
from mithridate.sources.base import quote

__all__ = ["Npz", "open_npy", "open_npz"]

_PAIRS = (
    ("x_train", "y_train"),
    ("X_train", "y_train"),
    ("train_images", "train_labels"),
    ("x", "y"),
    ("X", "y"),
    ("data", "labels"),
    ("data", "target"),
    ("images", "labels"),
    ("images", "target"),
)
#: names of labels that belong to whatever samples are beside them.
_LABELS = ("y", "labels", "label", "target", "targets")
_IN_MEMORY = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Npz:
    """Which arrays of an .npz file are the data set.

    Attributes:
        path: the file.
        x: key of the samples.
        y: key of the labels, or None.
        id: key of the ids, or None.
        source: key of the sources, or None.
        offsets: key of where each sample of a flat array starts, or None.
    """

    path: Path
    x: str
    y: str | None
    id: str | None
    source: str | None
    offsets: str | None = None

    def array(self, key: str) -> NDArray[Any]:
        """One array; a large one is unpacked to a temporary file and mapped.

        Raises:
            SourceError: damaged, or of Python objects.
        """
        where = f"{self.path}, key {key!r}"
        try:
            with zipfile.ZipFile(self.path) as archive:
                return _member(archive, key)
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
            raise _refusal(error, where) from error


def open_npz(
    path: Path,
    *,
    x: str | None,
    y: str | None,
    id: str | None,
    source: str | None,
    offsets: str | None = None,
) -> Npz:
    """Find the samples and labels of an .npz file.

    Args:
        path: the file.
        x: key of the samples; None to look for the usual names.
        y: key of the labels; None to look for the usual names.
        id: key of the ids, or None.
        source: key of the sources, or None.
        offsets: key of where each sample of a flat array starts, or None.

    Raises:
        SourceError: no .npz file, a key that is not there, or no pair of usual names.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            keys = [n.removesuffix(".npy") for n in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError("an .npz file", str(error), str(path), "Is it complete?") from error
    for key in (x, y, id, source, offsets):
        if key is not None and key not in keys:
            raise SourceError(f"an array {key!r}", f"keys {quote(keys, 40)}", str(path), "Name one of these.")
    if x is None:
        pair = next((p for p in _PAIRS if p[0] in keys and p[1] in keys), None)
        alone = next((p[0] for p in _PAIRS if p[0] in keys), keys[0] if len(keys) == 1 else None)
        if pair is None and alone is None:
            raise SourceError(
                "arrays x_train and y_train, x and y, data and labels, or images and labels",
                f"keys {quote(keys, 40)}",
                str(path),
                "Name them with x_key and y_key.",
            )
        x, y = (pair[0], y or pair[1]) if pair else (alone, y)
    elif y is None:
        usual = [p[1] for p in _PAIRS if p[0] == x and p[1] in keys]
        named = [key for key in _LABELS if key in keys and key not in (x, id, source, offsets)]
        y = usual[0] if usual else named[0] if len(named) == 1 else None
    return Npz(path=path, x=str(x), y=y, id=id, source=source, offsets=offsets)


def open_npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file, memory-mapped.

    Raises:
        SourceError: no .npy file, cut off, or of Python objects.
    """
    try:
        loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _refusal(error, str(path)) from error
    return loaded


def _refusal(error: Exception, where: str) -> SourceError:
    return SourceError(
        "an array of plain numbers or text",
        f"{error}",
        where,
        "Save it again with a numeric or string dtype; Python objects are never unpickled: that runs code.",
    )


def _member(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    name = key if key in archive.namelist() else f"{key}.npy"
    info = archive.getinfo(name)
    with archive.open(info) as packed:
        if info.file_size <= _IN_MEMORY:
            array: NDArray[Any] = np.lib.format.read_array(packed, allow_pickle=False)
            return array
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - the map keeps it open
        shutil.copyfileobj(packed, unpacked, 1 << 22)
    unpacked.seek(0)
    version = np.lib.format.read_magic(unpacked)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(unpacked)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    offset = unpacked.tell()
    return np.memmap(
        unpacked, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C"
    )
