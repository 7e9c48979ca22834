"""Tar archives in the way of WebDataset: one, a folder of them, or a pattern."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mithridate.core.errors import SourceError
from mithridate.sources.base import RowSource, quote
from mithridate.sources.kinds.kind import Ask, Kind, Place
from mithridate.sources.media import MEDIA
from mithridate.sources.patterns import expanded, is_pattern
from mithridate.sources.shard_layout import find_layout
from mithridate.sources.shards import TarShards

__all__ = ["KIND"]

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2")


def _open(path: Path, ask: Ask) -> RowSource:
    alone = path.is_file()
    paths = [path] if alone else sorted(_inside(path)) if path.is_dir() else _matching(path)
    if not paths:
        raise SourceError("files that fit the pattern", "none", str(path), "Check the path.")
    root = None if alone else path if path.is_dir() else Path(os.path.commonpath([p.parent for p in paths]))
    layout = find_layout(paths, str(path), label=ask.label, text=ask.text, source=ask.source)
    names = {role: None if found is None else found.name for role, found in layout.roles.items()}
    return TarShards(
        uri=str(path), paths=paths, root=root, layout=layout, options=ask.options(**names), limits=ask.limits
    )


def _inside(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / n for n in names if n.lower().endswith(_SUFFIXES) and not n.startswith("."))


def _matching(pattern: Path) -> list[Path]:
    paths = [Path(p) for p in expanded(str(pattern))]
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        raise SourceError(
            "all the files of the pattern", f"none called {quote(missing)}", str(pattern), "Fetch them."
        )
    return paths


def _is_one(place: Place) -> bool:
    pictures = any(suffix in place.suffixes for medium in MEDIA for suffix in medium.suffixes)
    return not pictures and any(suffix in place.suffixes for suffix in _SUFFIXES)


KIND = Kind(
    noun=".tar (also packed), a folder or a pattern of such",
    open=_open,
    suffixes=_SUFFIXES,
    folder=_is_one,
    pattern=lambda path: is_pattern(str(path)),
    takes=("label", "text", "source"),
)
