"""Digests of content: BLAKE2b over names, sizes and bytes, streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch
from mithridate.core.errors import SourceError

__all__ = ["array_digest", "files_digest", "files_stamp", "sample_digests", "sealed", "table_digest"]

CHUNK = 4 << 20
SIZE = 32


def sealed(content: str, options: Mapping[str, Any]) -> str:
    """Digest of a content digest together with how the content is read."""
    told = json.dumps(options, sort_keys=True, ensure_ascii=True)
    return blake2b(f"{content}:{told}".encode(), digest_size=SIZE).hexdigest()


def files_digest(files: Iterable[tuple[str, Path]]) -> str:
    """Digest of named files, in the order given. A file that cannot be read counts as such.

    Args:
        files: (name in the data set, path); a lone file goes by the empty name, so that a renamed file is the
            same data.

    Raises:
        SourceError: a lone file cannot be read.
    """
    state = blake2b(digest_size=SIZE)
    for name, path in files:
        state.update(name.encode("utf-8", "surrogateescape") + b"\0")
        inner = blake2b(digest_size=SIZE)
        try:
            if path.is_file():
                with path.open("rb") as stream:
                    while chunk := stream.read(CHUNK):
                        inner.update(chunk)
            state.update(inner.digest())
        except OSError as error:
            if not name:
                why = error.strerror or str(error)
                raise SourceError("a readable file", why, str(path), "Check its permissions.") from error
            state.update(b"unreadable")
    return state.hexdigest()


def files_stamp(files: Iterable[tuple[str, Path]]) -> str:
    """Digest of names, sizes and times of change: tells without reading whether files may have changed.

    Args:
        files: as in `files_digest`.
    """
    state = blake2b(digest_size=SIZE)
    for name, path in files:
        try:
            about = path.stat()
            told = f"{about.st_size}:{about.st_mtime_ns}"
        except OSError:
            told = "unreadable"
        state.update(f"{name}\0{told}\n".encode("utf-8", "surrogateescape"))
    return state.hexdigest()


def array_digest(arrays: Iterable[NDArray[Any]]) -> str:
    """Digest of arrays: type, shape and bytes in C order."""
    state = blake2b(digest_size=SIZE)
    for array in arrays:
        state.update(f"{array.dtype.str}{array.shape}".encode())
        step = max(1, CHUNK // max(1, array[:1].nbytes))
        for start in range(0, len(array), step):
            state.update(np.ascontiguousarray(array[start : start + step]).tobytes())
    return state.hexdigest()


def table_digest(table: Any) -> str:
    """Digest of a pyarrow.Table: schema and values, whatever its chunks."""
    import pyarrow as pa

    state = blake2b(digest_size=SIZE)
    for start in range(0, max(1, table.num_rows), 65536):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.slice(start, 65536).combine_chunks())
        state.update(sink.getvalue())
    return state.hexdigest()


def sample_digests(batch: Batch) -> list[str | None]:
    """A digest of content and label of each sample, wherever it lies and whatever it is called.

    Args:
        batch: samples of any kind.

    Returns:
        32 hex digits each, so many that nobody makes another sample with the digits of one; None where a sample is
        nothing that can be digested.
    """
    labels = batch.labels or (None,) * len(batch)
    return [_sample_digest(raw, label) for raw, label in zip(_samples(batch.raw), labels, strict=True)]


def _samples(raw: Any) -> Iterator[Any]:
    if not hasattr(raw, "column_names"):
        yield from raw
        return
    for row in raw.to_pylist():
        yield [part for name, value in row.items() for part in (name, value)]


def _sample_digest(raw: Any, label: str | None) -> str | None:
    state = blake2b(digest_size=16)
    try:
        for part in _parts([raw, label]):
            state.update(f"{len(part)}:".encode() + part)
    except TypeError:
        return None
    return state.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    """A sample as bytes.

    Raises:
        TypeError: of no kind that is known here.
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        yield f"array {value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, str):
        yield b"text " + value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield b"bytes " + value
    elif isinstance(value, Sequence | Mapping):
        yield f"{len(value)} parts".encode()
        for part in value.items() if isinstance(value, Mapping) else value:
            yield from _parts(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # a gap in a column turns whole numbers into floats
        yield f"number {float(value) if abs(value) < 2**53 else value!r}".encode()
    elif is_dataclass(value):
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    elif value is None or isinstance(value, bool | np.generic | date | time | timedelta | Decimal):
        yield repr(value).encode()
    else:
        raise TypeError(type(value).__name__)
