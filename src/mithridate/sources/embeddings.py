"""A file of embeddings: one vector for each sample of a data set, in .npy, .npz or .parquet. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError
from mithridate.sources.base import quote
from mithridate.sources.digest import array_digest, files_digest
from mithridate.sources.npz import Npz, open_npy

__all__ = ["Embeddings", "open_embeddings"]

_IDS = ("id", "ids")
_BLOCK = 8192
_WHAT = "an array (n, d) of numbers, one row for each sample"
#: (first row of the block, its ids or None, (b, d) float32).
Block = tuple[int, tuple[str, ...] | None, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """n vectors, with ids or in the order of the data.

    Attributes:
        where: the file, or "embeddings".
        digest: of the content.
        count: n.
        width: d.
        named: whether there are ids.
    """

    where: str
    digest: str
    count: int
    width: int
    named: bool
    _read: Any

    def blocks(self) -> Iterator[Block]:
        """Read once, in order.

        Raises:
            SourceError: damaged, or vectors of different lengths.
        """
        yield from self._read()


def open_embeddings(thing: str | Path | NDArray[Any]) -> Embeddings:
    """Open embeddings.

    Args:
        thing: a .npy file; an .npz file with one array (n, d), and ids named "id" or "ids" or none; a .parquet file
            with one column of lists or else columns of numbers, and a column "id" or "ids" or none; or an array (n, d).

    Raises:
        SourceError: nothing of that kind, cut off, of Python objects, of no numbers.
    """
    if isinstance(thing, np.ndarray):
        return _of_array("embeddings", thing, None, array_digest([thing]))
    path = Path(thing)
    if not path.is_file():
        raise SourceError("a file .npy, .npz or .parquet", "nothing there", str(path), "Check the path.")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _of_array(str(path), open_npy(path), None, files_digest([("", path)]))
    if suffix == ".npz":
        return _of_npz(path)
    if suffix == ".parquet":
        return _of_parquet(path)
    remedy = "Save them with numpy.save, or as Parquet with a column of ids."
    raise SourceError("a file .npy, .npz or .parquet", suffix or "no suffix", str(path), remedy)


def _of_array(where: str, vectors: NDArray[Any], ids: NDArray[Any] | None, digest: str) -> Embeddings:
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiub" or 0 in vectors.shape:
        raise SourceError(_WHAT, f"{vectors.dtype} {vectors.shape}", where, "Save that array alone.")
    if ids is not None and (ids.ndim != 1 or len(ids) != len(vectors) or ids.dtype.kind not in "iuUS"):
        got = f"{ids.dtype} {ids.shape} for {len(vectors)} vectors"
        raise SourceError("one id, text or integer, for each vector", got, where, "Save them again.")

    def read() -> Iterator[Block]:
        for start in range(0, len(vectors), _BLOCK):
            block = np.array(vectors[start : start + _BLOCK], dtype=np.float32)
            named = None if ids is None else _names(ids[start : start + _BLOCK].tolist())
            yield start, named, block

    return Embeddings(
        where=where, digest=digest, count=len(vectors), width=vectors.shape[1], named=ids is not None, _read=read
    )  # fmt: skip


def _names(ids: Sequence[Any]) -> tuple[str, ...]:
    return tuple(i.decode("utf-8", "replace") if isinstance(i, bytes) else str(i) for i in ids)


def _of_npz(path: Path) -> Embeddings:
    try:
        with zipfile.ZipFile(path) as archive:
            keys = [n.removesuffix(".npy") for n in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError("an .npz file", str(error), str(path), "Is it complete?") from error
    named, others = [k for k in keys if k in _IDS], [k for k in keys if k not in _IDS]
    if len(others) != 1 or len(named) > 1:
        remedy = "Save the vectors alone, or with an array `id`."
        raise SourceError(
            "one array of vectors, and one named `id` or none", f"keys {quote(keys)}", str(path), remedy
        )
    file = Npz(path=path, x=others[0], y=None, id=None, source=None)
    ids = file.array(named[0]) if named else None
    return _of_array(str(path), file.array(others[0]), ids, files_digest([("", path)]))


def _of_parquet(path: Path) -> Embeddings:
    import pyarrow.parquet as pq
    from pyarrow import types

    try:
        about = pq.ParquetFile(path)
    except Exception as error:  # Arrow raises several kinds on a damaged footer
        raise SourceError("a Parquet file", str(error)[:200], str(path), "Is it complete?") from error
    fields = {f.name: f.type for f in about.schema_arrow}
    id_ = next((name for name in _IDS if name in fields), None)
    lists = [
        n for n, t in fields.items()
        if types.is_list(t) or types.is_large_list(t) or types.is_fixed_size_list(t)
    ]  # fmt: skip
    plain = [n for n, t in fields.items() if (types.is_floating(t) or types.is_integer(t)) and n != id_]
    columns = lists if len(lists) == 1 else plain
    if len(lists) > 1 or not columns or len(columns) + (id_ is not None) < (len(fields) if not lists else 1):
        remedy = "Keep one column of lists, or columns of numbers only, and `id`."
        raise SourceError("one column of lists, or columns of numbers", quote(fields), str(path), remedy)
    count = about.metadata.num_rows
    if not count:
        raise SourceError(_WHAT, "no row", str(path), "Save them again.")

    def read() -> Iterator[Block]:
        start, width = 0, None
        for part in _parts(path, [*columns, *([id_] if id_ else [])]):
            block = _matrix(part, columns, bool(lists), path, start)
            if width not in (None, block.shape[1]):
                got = f"{width} and {block.shape[1]}"
                raise SourceError("vectors of one length", got, f"{path}, row {start}", "Save them again.")
            width = block.shape[1]
            yield start, None if id_ is None else _names(part.column(id_).to_pylist()), block
            start += len(block)

    width = next(read())[2].shape[1]
    return Embeddings(
        where=str(path), digest=files_digest([("", path)]), count=count, width=width, named=id_ is not None,
        _read=read,
    )  # fmt: skip


def _parts(path: Path, columns: list[str]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    try:
        for part in pq.ParquetFile(path).iter_batches(_BLOCK, columns=columns):
            if len(part):
                yield part
    except OSError as error:  # ArrowIOError among them
        raise SourceError("a Parquet file", str(error)[:200], str(path), "Is it complete?") from error


def _matrix(part: Any, columns: list[str], nested: bool, path: Path, start: int) -> NDArray[np.float32]:
    """(b, d) of one record batch; a missing number is nan."""
    if not nested:
        held = [part.column(n).to_numpy(zero_copy_only=False) for n in columns]
        return np.stack(held, axis=1).astype(np.float32)
    column = part.column(columns[0])
    flat = column.flatten().to_numpy(zero_copy_only=False)
    numbers = flat.dtype.kind in "fiub"
    if column.null_count or not numbers or not len(flat) or len(flat) % len(column):
        got = (
            "missing ones" if column.null_count else f"{len(flat)} {flat.dtype} numbers in {len(column)} rows"
        )
        raise SourceError("vectors of one length", got, f"{path}, from row {start} on", "Save them again.")
    lengths = (
        np.diff(column.offsets.to_numpy())
        if hasattr(column, "offsets")
        else np.array([column.type.list_size])
    )
    if (lengths != lengths[0]).any():
        got = f"{lengths.min()} to {lengths.max()} numbers"
        raise SourceError("vectors of one length", got, f"{path}, from row {start} on", "Save them again.")
    return np.asarray(flat.reshape(len(column), -1), dtype=np.float32)
