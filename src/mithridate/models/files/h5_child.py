"""Reads the outline of one HDF5 file in a process of its own; run as a script, with the file as its only argument.

The library that reads HDF5 is written in C and has crashed on hostile files before, so it meets them here. The outline
goes to standard output as JSON: attributes of the root that describe a Keras model, and links and datasets whose data
lie elsewhere. No values of datasets are read.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

_MOST_OBJECTS, _MOST_ODD, _MOST_TEXT = 200_000, 100, 64 << 20
_WANTED = ("model_config", "training_config", "keras_version", "backend", "PYTABLES_FORMAT_VERSION")


def main(path: str) -> None:
    """Write the outline of a file."""
    h5py = importlib.import_module("h5py")
    with h5py.File(path, "r") as file:
        attributes = {name: _text(file.attrs[name]) for name in _WANTED if name in file.attrs}
        odd, whole = _walk(h5py, file)
    outline = {"attributes": attributes, "odd": odd, "whole": whole}
    sys.stdout.write(json.dumps(outline))


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(text) > _MOST_TEXT:
        raise ValueError(f"an attribute of {len(text):,} characters")
    return text


def _walk(h5py: Any, file: Any) -> tuple[list[list[str]], bool]:
    """[kind, name, target] of links and datasets with data elsewhere, and whether everything was looked at."""
    odd: list[list[str]] = []
    seen: set[Any] = set()
    rest = [file]
    while rest:
        group = rest.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            if len(seen) > _MOST_OBJECTS or len(odd) >= _MOST_ODD:
                return odd, False
            found = _link(h5py, group, name)
            if found is not None:
                odd.append([found[0], f"{group.name}/{name}", found[1]])
                continue
            kind = group.get(name, getclass=True)
            if kind is h5py.Group:
                rest.append(group[name])
            elif kind is h5py.Dataset:
                seen.add((address, name))
                odd += [
                    [what, f"{group.name}/{name}", target] for what, target in _elsewhere(h5py, group[name])
                ]
    return odd, True


def _link(h5py: Any, group: Any, name: str) -> tuple[str, str] | None:
    """What a link that is no ordinary one leads to."""
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        return "external link", f"{link.filename}:{link.path}"
    if isinstance(link, h5py.SoftLink):
        return "soft link", str(link.path)
    return None if isinstance(link, h5py.HardLink) else ("unknown link", type(link).__name__)


def _elsewhere(h5py: Any, dataset: Any) -> list[tuple[str, str]]:
    """Other files that a dataset takes its values from."""
    plan = dataset.id.get_create_plist()
    found = [
        ("external data", str(plan.get_external(i)[0])) for i in range(min(plan.get_external_count(), 20))
    ]
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        count = min(plan.get_virtual_count(), 20)
        names = {plan.get_virtual_filename(i) for i in range(count)}
        found += [("virtual data", name) for name in sorted(names) if name != "."]
    return found


if __name__ == "__main__":
    main(sys.argv[1])
