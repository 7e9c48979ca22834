"""A changed copy of arrays in an .npz file; keys that are not the data set are copied byte by byte."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.sound import Sound
from mithridate.sources.arrays import ArrayImages
from mithridate.sources.base import RowSource
from mithridate.sources.edits import Edits
from mithridate.sources.labels import label_text
from mithridate.sources.npz import Npz
from mithridate.sources.waves import ArraySounds, levels_of, stored_as

__all__ = ["write_image_arrays", "write_plain_arrays", "write_sound_arrays"]

_STEP = 1024


def write_image_arrays(source: ArrayImages, path: Path, edits: Edits) -> int:
    """Write an .npz file; one sample after the other, so that the array may be larger than memory.

    Args:
        source: images of an array; from memory, the keys become x, y, id and source.
        path: the new file.
        edits: what changes.

    Returns:
        Number of samples written.
    """
    ids = list(source.iter_ids())
    keep = np.array([k for k, i in enumerate(ids) if i not in edits.drop], dtype=np.int64)

    def rows() -> Iterator[NDArray[Any]]:
        for start in range(0, len(keep), _STEP):
            at = keep[start : start + _STEP]
            part = np.array(source.x[at])
            if edits.replace is not None:
                for k, row in enumerate(at):
                    _replace(source, edits, ids[row], part[k])
            yield part

    others = _others(source, ids, keep, edits)
    _write(path, source.origin, {"x": (source.x, len(keep), rows())}, others)
    return len(keep)


def _replace(source: ArrayImages, edits: Edits, id_: str, sample: NDArray[Any]) -> None:
    """Change one sample in place."""
    old = source.layout.pixels(sample[None])[0]
    new = edits.raw(id_, lambda: old)
    if new is None:
        return
    new = np.asarray(new)
    if new.shape != old.shape:
        raise UsageError(
            f"an image of shape {old.shape}", f"{new.shape}", f"replace[{id_!r}]", "Keep the shape."
        )
    sample[...] = source.layout.restore(new.astype(np.uint8), sample)


def write_sound_arrays(source: ArraySounds, path: Path, edits: Edits) -> int:
    """Write an .npz file; one sound after the other, so that the array may be larger than memory.

    Args:
        source: sounds of arrays; from memory, the keys become x, y, id and source, and offsets where lengths differ.
        path: the new file.
        edits: what changes.

    Returns:
        Number of sounds written.
    """
    ids = list(source.iter_ids())
    keep = np.array([k for k, i in enumerate(ids) if i not in edits.drop], dtype=np.int64)
    like = source.x.of(int(keep[0])) if len(keep) else np.zeros(0, dtype=np.float32)
    flat, lengths = like[:0], [0, *(len(source.x.of(int(row))) for row in keep)]
    if source.x.in_a_row and any(source.x.of(int(row)).ndim != 1 for row in keep):
        raise UsageError("sounds of one channel", "more", source.uri, "Write them as files.")

    def rows() -> Iterator[NDArray[Any]]:
        for row in keep:
            yield _changed_sound(source, edits, ids[row], source.x.of(int(row)))

    others = _others(source, ids, keep, edits)
    if source.x.in_a_row:
        others["offsets"] = np.cumsum(lengths).astype(np.int64)
        streams = {"x": (flat, sum(lengths), rows())}
    else:
        streams = {"x": (np.asarray(source.x.parts), len(keep), rows())}
    _write(path, source.origin, streams, others)
    return len(keep)


def _changed_sound(source: ArraySounds, edits: Edits, id_: str, stored: NDArray[Any]) -> NDArray[Any]:
    old = Sound(samples=levels_of(stored), rate=source.rate)
    new = edits.raw(id_, lambda: old)
    if new is None:
        return stored
    if new.samples.shape != old.samples.shape or new.rate != old.rate:
        got = f"{new.samples.shape} at {new.rate:,} Hz"
        want = f"a sound of shape {old.samples.shape} at {old.rate:,} Hz"
        raise UsageError(want, got, f"replace[{id_!r}]", "Keep length, channels and rate.")
    return stored_as(new.samples, stored)


def write_plain_arrays(source: RowSource, path: Path, edits: Edits, raws: Mapping[int, Any]) -> int:
    """Write an .npz file with a matrix (n, d) or a vector of strings (n,).

    Args:
        source: a text or table source that was opened from an .npz file.
        path: the new file.
        edits: what changes.
        raws: {row: new str, or {column: value}}.

    Returns:
        Number of samples written.
    """
    x = np.array(source.origin.array(source.origin.x))
    if x.ndim == 1:
        texts = x.tolist()
        for row, text in raws.items():
            texts[row] = text.encode() if x.dtype.kind == "S" else text
        x = np.array(texts)
    else:
        for row, cells in raws.items():
            for column, value in cells.items():
                held = np.result_type(x.dtype, np.min_scalar_type(value))
                x = x if _holds(x.dtype, value) else x.astype(held)
                x[row, int(column)] = value
    ids = list(source.iter_ids())
    keep = np.array([k for k, i in enumerate(ids) if i not in edits.drop], dtype=np.int64)
    _write(path, source.origin, {"x": (x, len(keep), iter([x[keep]]))}, _others(source, ids, keep, edits))
    return len(keep)


def _holds(dtype: np.dtype[Any], value: Any) -> bool:
    with np.errstate(all="ignore"):
        try:
            return bool(np.array(value).astype(dtype) == value) or (value != value and dtype.kind == "f")
        except (OverflowError, ValueError, TypeError):
            return False


def _others(
    source: RowSource, ids: Sequence[str], keep: NDArray[np.int64], edits: Edits
) -> dict[str, NDArray[Any]]:
    """Labels, ids and sources of the samples that are kept, in their own dtype."""
    npz: Npz | None = source.origin
    found: dict[str, NDArray[Any]] = {}
    if npz is not None:
        stored = {name: getattr(npz, name) for name in ("y", "id", "source")}
        found = {name: npz.array(key) for name, key in stored.items() if key is not None}
    elif isinstance(source, ArrayImages | ArraySounds):
        named = {"y": source.labels, "id": source.ids, "source": source.sources}
        found = {
            name: np.array([v or "" for v in values]) for name, values in named.items() if values is not None
        }
    if edits.relabel and "y" in found:
        rows = {row: edits.relabel[i] for row, i in enumerate(ids) if i in edits.relabel}
        found["y"] = _relabelled(found["y"], rows)
    return {name: array[keep] for name, array in found.items()}


def _relabelled(y: NDArray[Any], rows: Mapping[int, str | None]) -> NDArray[Any]:
    """Labels with some changed; the dtype stays if it can hold the new ones, else all become text."""
    if y.ndim == 2 and y.shape[1] > 1:
        y = np.array(y)
        for row, new in rows.items():
            y[row] = np.arange(y.shape[1]) == int(new or -1)
        return y
    flat = y.reshape(-1)
    if y.dtype.kind in "biuf":
        try:
            numbers = [_number(label, y.dtype) for label in rows.values()]
        except (ValueError, OverflowError):
            flat = np.array([label_text(v) or "" for v in flat.tolist()])
        else:
            flat = np.array(flat)
            flat[list(rows)] = numbers
            return flat.reshape(y.shape)
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in flat.tolist()]
    for row, renamed in rows.items():
        texts[row] = renamed or ""
    made = np.array(texts)
    return (np.char.encode(made, "utf-8") if y.dtype.kind == "S" else made).reshape(y.shape)


def _number(label: str | None, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "b":
        return (
            {"true": True, "false": False}.get(label or "")
            if label in ("true", "false")
            else int("no boolean")
        )
    if label is None:
        return dtype.type(float("nan")) if dtype.kind == "f" else int("no label")
    value = float(label) if dtype.kind == "f" else int(label)
    if not _holds(dtype, value):
        raise ValueError(label)
    return dtype.type(value)


_Streams = Mapping[str, tuple[NDArray[Any], int, Iterator[NDArray[Any]]]]


def _write(path: Path, npz: Npz | None, streams: _Streams, others: Mapping[str, NDArray[Any]]) -> None:
    """Write members in the order of the original, compressed as there; the rest of it byte by byte."""
    names = {role: role if npz is None else str(getattr(npz, role)) for role in [*streams, *others]}
    roles = {key: role for role, key in names.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        if npz is None:
            for role in names:
                _put(archive, f"{role}.npy", zipfile.ZIP_DEFLATED, streams.get(role), others.get(role))
            return
        with zipfile.ZipFile(npz.path) as original:
            for info in original.infolist():
                found = roles.get(info.filename.removesuffix(".npy"))
                if found is not None:
                    _put(archive, info.filename, info.compress_type, streams.get(found), others.get(found))
                    continue
                with original.open(info) as old, _member(archive, info.filename, info.compress_type) as new:
                    while chunk := old.read(1 << 22):
                        new.write(chunk)


def _put(archive: zipfile.ZipFile, name: str, kind: int, stream: Any, array: NDArray[Any] | None) -> None:
    with _member(archive, name, kind) as member:
        if array is not None:
            np.lib.format.write_array(member, array, allow_pickle=False)
            return
        like, count, parts = stream
        header = {"descr": np.lib.format.dtype_to_descr(like.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(member, header | {"shape": (count, *like.shape[1:])})
        for part in parts:
            member.write(np.ascontiguousarray(part, dtype=like.dtype).tobytes())


def _member(archive: zipfile.ZipFile, name: str, kind: int) -> IO[bytes]:
    info = zipfile.ZipInfo(name)  # a fixed date: same samples, same bytes
    info.compress_type = kind
    return archive.open(info, "w", force_zip64=True)
