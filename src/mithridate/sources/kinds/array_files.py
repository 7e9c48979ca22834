"""NumPy's .npz and .npy files."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.base import RowSource
from mithridate.sources.digest import files_digest
from mithridate.sources.kinds.arrays import of_array
from mithridate.sources.kinds.kind import Ask, Kind
from mithridate.sources.npz import open_npy, open_npz

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    content = files_digest([("", path)])
    if path.suffix.lower() == ".npy":
        ask.refuse(str(path), "label", "id", "source", "x_key", "y_key", "offsets")
        return of_array(open_npy(path), ask, uri=str(path), y=ask.labels, content=content)
    if ask.rate is None:
        ask.refuse(str(path), "offsets")
    npz = open_npz(
        path, x=ask.x_key, y=ask.y_key or ask.label, id=ask.id, source=ask.source, offsets=ask.offsets
    )
    x, y = npz.array(npz.x), npz.array(npz.y) if npz.y is not None and ask.labels is None else ask.labels
    ids, sources = (None if key is None else npz.array(key) for key in (npz.id, npz.source))
    return of_array(x, ask, uri=str(path), y=y, ids=ids, sources=sources, content=content, npz=npz)


KIND = Kind(
    noun=".npz, .npy",
    open=_open,
    suffixes=(".npz", ".npy"),
    takes=("label", "id", "source", "labels", "x_key", "y_key", "rate", "offsets"),
)
