"""Arrays on disk, written once and read in slices, so that data larger than memory stays out of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["DiskArray", "DiskWriter", "Scratch", "new_map", "old_map", "open_disk_array", "row_chunks"]


class DiskArray:
    """A one-dimensional array in a file. Slices are read, not mapped: mapped pages would count as memory.

    Args:
        path: raw little-endian items.
        dtype: of the items.
        length: number of items.
    """

    def __init__(self, path: Path, dtype: DTypeLike, length: int) -> None:
        self.path = path
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.shape = (length,)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, item: slice) -> NDArray[Any]:
        start, stop, step = item.indices(len(self))
        if step != 1:
            raise IndexError(
                f"{self.path.name}: expected a slice of step 1, got step {step}; read it and stride it"
            )
        return np.fromfile(self.path, self.dtype, max(stop - start, 0), offset=start * self.dtype.itemsize)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)


class DiskWriter:
    """Writes a `DiskArray` piece by piece.

    Args:
        path: file to create; an existing one is replaced.
        dtype: of the items.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._path, self._dtype, self._length = path, np.dtype(dtype), 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("wb")

    def append(self, items: NDArray[Any]) -> None:
        """Write items at the end."""
        self._file.write(np.ascontiguousarray(items, dtype=self._dtype).data)
        self._length += len(items)

    def close(self) -> DiskArray:
        """Finish the file.

        Returns:
            The array for reading.
        """
        self._file.close()
        return DiskArray(self._path, self._dtype, self._length)


class Scratch:
    """Rows of numbers that are read and changed stretch by stretch: in memory while few, in a nameless file when many.

    Args:
        folder: where the file would be.
        shape: (n, w).
        fill: what every number is at first.
        room: bytes that may be held in memory.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], fill: float, room: int = 1 << 28) -> None:
        self._width, self._bytes = shape[1], 4 * shape[1]
        self._file: BinaryIO | None = None
        if shape[0] * self._bytes <= room:
            self._held = np.full(shape, fill, dtype=np.float32)
            return
        self._file = cast("BinaryIO", TemporaryFile(dir=folder))  # noqa: SIM115 - as long as this is used
        finalize(self, self._file.close)
        step = max(1, (1 << 22) // self._bytes)
        for start in range(0, shape[0], step):
            self._file.write(np.full((min(step, shape[0] - start), shape[1]), fill, dtype=np.float32).data)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, w), to be changed and given to `write`."""
        if self._file is None:
            return self._held[start:stop]
        values = np.empty((stop - start, self._width), dtype=np.float32)
        self._file.seek(start * self._bytes)
        self._file.readinto(values.data.cast("B"))  # type: ignore[attr-defined]
        return values

    def write(self, start: int, values: NDArray[np.float32]) -> None:
        """Put back rows from `start` on."""
        if self._file is not None:
            self._file.seek(start * self._bytes)
            self._file.write(values.data)


def row_chunks(indptr: NDArray[np.int64], budget: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) row ranges that hold about `budget` entries each, at least one row."""
    n, start = len(indptr) - 1, 0
    while start < n:
        stop = int(np.searchsorted(indptr, indptr[start] + budget, side="right")) - 1
        stop = min(max(stop, start + 1), n)
        yield start, stop
        start = stop


def new_map(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A writable array in a new file.

    Its room is taken at once where the system can: a disk that fills up later would end the process unasked.

    Raises:
        OSError: no room.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    with path.open("wb") as file:
        file.truncate(size)
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
    return np.memmap(path, dtype, "r+", shape=shape)


def old_map(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """An array in a file, for reading.

    Raises:
        OSError: missing.
        ValueError: of another size.
    """
    _refuse_cut(path, dtype, shape)
    return np.memmap(path, dtype, "r", shape=shape)


def open_disk_array(path: Path, dtype: DTypeLike, length: int) -> DiskArray:
    """A `DiskArray` that an earlier process wrote.

    Raises:
        OSError: missing.
        ValueError: of another size.
    """
    _refuse_cut(path, dtype, (length,))
    return DiskArray(path, dtype, length)


def _refuse_cut(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    size, found = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize, path.stat().st_size
    if found != size:
        raise ValueError(f"{path.name}: expected {size} bytes, got {found}; compute it again")
