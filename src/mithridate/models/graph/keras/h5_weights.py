"""Reads the weights of one HDF5 file of Keras in a process of its own; run as a script, with the file as argument.

To standard output goes a length (8 bytes, little-endian), a JSON table of that length, and then the values of every
dataset of the table, one after the other. Links that lead out of the file or across it are not followed, and datasets
whose values lie in other files are refused.
"""

from __future__ import annotations

import importlib
import json
import math
import struct
import sys
from typing import Any

_MOST_OBJECTS, _MOST_BYTES, _MOST_TEXTS = 200_000, 2 << 30, 1_000_000
_MOST_TEXT = 64 << 20  # characters
_TEXTS = ("model_config", "name", "layer_names", "weight_names", "keras_version", "backend")
#: what training leaves, and no answer needs.
_LEFT_OUT = ("optimizer", "optimizer_weights", "_optimizer")


def main(path: str) -> None:
    """Write the weights of a file."""
    h5py = importlib.import_module("h5py")
    with h5py.File(path, "r") as file:
        texts, datasets = _walk(h5py, file)
        table = {
            "texts": texts,
            "datasets": [
                [name, dataset.dtype.newbyteorder("<").str, list(dataset.shape)] for name, dataset in datasets
            ],
        }
        head = json.dumps(table).encode()
        out = sys.stdout.buffer
        out.write(struct.pack("<q", len(head)) + head)
        for _, dataset in datasets:
            out.write(dataset[()].astype(dataset.dtype.newbyteorder("<")).tobytes())


def _walk(h5py: Any, file: Any) -> tuple[dict[str, dict[str, Any]], list[tuple[str, Any]]]:
    """Texts of each group, and all datasets by path, without a slash before it."""
    texts: dict[str, dict[str, Any]] = {}
    found: list[tuple[str, Any]] = []
    seen: set[Any] = set()
    rest: list[tuple[str, Any]] = [("", file)]
    size = count = 0
    while rest:
        path, group = rest.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        held = {name: _text(group.attrs[name]) for name in group.attrs if name.rstrip("0123456789") in _TEXTS}
        if held:
            texts[path] = held
        for name in group:
            count += 1
            if count > _MOST_OBJECTS:
                raise ValueError(f"more than {_MOST_OBJECTS:,} objects")
            below = f"{path}/{name}" if path else name
            if below in _LEFT_OUT or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            kind = group.get(name, getclass=True)
            if kind is h5py.Group:
                rest.append((below, group[name]))
            elif kind is h5py.Dataset:
                dataset = group[name]
                _refuse(h5py, dataset, below)
                size += math.prod(dataset.shape) * dataset.dtype.itemsize
                if size > _MOST_BYTES:
                    raise ValueError(f"weights of more than {_MOST_BYTES:,} bytes")
                found.append((below, dataset))
    return texts, found


def _refuse(h5py: Any, dataset: Any, path: str) -> None:
    plan = dataset.id.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise ValueError(f"the values of {path[:100]} lie in another file")
    if dataset.shape is None or dataset.dtype.kind not in "fiub":
        raise ValueError(f"{path[:100]} holds no numbers")


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        if len(value) > _MOST_TEXT:
            raise ValueError(f"an attribute of {len(value):,} characters")
        return value
    if value.size > _MOST_TEXTS:
        raise ValueError(f"an attribute of {value.size:,} values")
    return [_text(part) if isinstance(part, bytes | str) else str(part) for part in value.ravel().tolist()]


if __name__ == "__main__":
    main(sys.argv[1])
