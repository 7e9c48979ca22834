"""Copies parts of one HDF5 file of Keras into another, in a process of its own; run as a script.

Arguments: the file, the file to be written, and a JSON file with the plan: {"moves": [[old path, new path], ...],
"attributes": {path of a group: {name: text or texts}}, "same": [paths of groups whose other attributes are kept]}.
Values are copied as they are stored. Links that lead out of the file or across it are not followed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def main(source: str, target: str, plan: str) -> None:
    """Write the copy."""
    h5py = importlib.import_module("h5py")
    wanted: dict[str, Any] = json.loads(Path(plan).read_bytes())
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        for before, after in wanted["moves"]:
            if before in old:
                _plain(h5py, old, before)
                old.copy(before, new, name=after)
        for path in wanted["same"]:
            group = new.require_group(path)
            for name, value in old[path].attrs.items() if path in old else ():
                group.attrs[name] = value
        for path, attributes in wanted["attributes"].items():
            group = new.require_group(path)
            for name, value in attributes.items():
                if value is None:
                    group.attrs.pop(name, None)
                else:
                    group.attrs[name] = value


def _plain(h5py: Any, file: Any, path: str) -> None:
    """Refuse a path that any link but an ordinary one is part of."""
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        if not isinstance(file.get("/".join(parts[:count]), getlink=True), h5py.HardLink):
            raise ValueError(f"{path[:100]} lies elsewhere")


if __name__ == "__main__":
    main(*sys.argv[1:4])
