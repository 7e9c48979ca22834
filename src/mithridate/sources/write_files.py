"""A changed copy of files of one sample each: untouched files byte by byte, changed ones encoded as they were."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from mithridate.core.errors import ItemError, UsageError
from mithridate.sources.decode import read_bytes
from mithridate.sources.edits import Edits
from mithridate.sources.folder import MediaFiles, MediaItem, shown

__all__ = ["write_media_files"]


def write_media_files(source: MediaFiles, folder: Path, edits: Edits) -> dict[str, str]:
    """Write the copy into an empty folder.

    Args:
        source: what is copied.
        folder: exists and is empty.
        edits: what changes. A new label moves the file to that class's folder, and so changes its id.

    Returns:
        {id: id in the copy} of the files written. Items that lead outside the folder are left out.

    Raises:
        UsageError: a label that cannot be the name of a folder.
    """
    taken: dict[str, str] = {}
    folders = (
        i for i in source.items if i.label is not None and i.path is not None and source.listing is None
    )
    names = {i.label: _parts(source, i)[0] for i in folders}
    used = set[str]()
    for item in source.items:
        if item.id in edits.drop or item.path is None:
            continue
        target = _target(source, item, edits, names)
        while target.as_posix() in used:
            target = target.with_name(f"{target.stem}~{target.suffix}")
        used.add(target.as_posix())
        taken[item.id] = target.as_posix()
        _write_one(item, folder / target, edits, source)
    if source.listing is not None:
        _write_list(source, folder, edits, taken)
    named = source.listing is not None and "id" in source.options
    return {old: old if named else "/".join(shown(p) for p in Path(new).parts) for old, new in taken.items()}


def _parts(source: MediaFiles, item: MediaItem) -> tuple[str, ...]:
    assert item.path is not None
    if source.listing is not None:  # a list may say "../here/a.png"; the copy must not leave its folder
        return item.path.resolve().relative_to(source.root.resolve()).parts
    return item.path.relative_to(source.root).parts


def _target(source: MediaFiles, item: MediaItem, edits: Edits, names: dict[str | None, str]) -> PurePosixPath:
    parts = _parts(source, item)
    if item.id in edits.relabel and source.listing is None:
        label = edits.relabel[item.id]
        inner = parts[1:] if item.label is not None else parts
        parts = inner if label is None else (names.get(label, _folder_name(label)), *inner)
    target = PurePosixPath(*parts)
    if edits.encode is not None:
        suffixes = source.medium.formats[edits.encode[0].upper()]
        target = target if target.suffix.lower() in suffixes else target.with_suffix(suffixes[0])
    return target


def _folder_name(label: str) -> str:
    if not label or label.startswith(".") or "/" in label or "\0" in label:
        raise UsageError(
            "a label that can be the name of a folder", repr(label), "relabel", "Choose another one."
        )
    return label


def _write_one(item: MediaItem, target: Path, edits: Edits, source: MediaFiles) -> None:
    assert item.path is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    path, medium = item.path, source.medium

    def old() -> Any:
        return medium.decode(read_bytes(path, item.id, source.limits), item.id, source.limits)[0]

    try:
        raw = edits.raw(item.id, old)
        if raw is None and edits.encode is not None:
            raw = old()
    except ItemError:  # what cannot be read is not changed, and not lost
        raw = None
    if raw is None:
        shutil.copyfile(path, target)
    elif edits.encode is not None:
        target.write_bytes(medium.encode(raw, edits.encode[0].upper(), edits.encode[1]))
    else:
        target.write_bytes(medium.alike(raw, path.read_bytes()))


def _write_list(source: MediaFiles, folder: Path, edits: Edits, taken: dict[str, str]) -> None:
    """The CSV file that lists the files, with the same name and columns."""
    assert source.listing is not None
    from mithridate.sources.delimited import DelimitedFile

    path_column, label = source.path_column, source.options.get("label")
    id_column = source.options.get("id")
    file = DelimitedFile(source.listing)
    at = {name: k for k, name in enumerate(file.types)}
    id_at, label_at = at[id_column or path_column], None if label is None else at[label]
    with (folder / source.listing.name).open("w", encoding=file.encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=file.separator, lineterminator="\n")
        writer.writerow(at)
        for chunk in file.raw_chunks():
            for row in zip(*(c.to_pylist() for c in chunk.table.columns), strict=True):
                cells, name = list(row), row[id_at]
                if name not in taken:
                    continue
                cells[at[path_column]] = taken[name]
                if label_at is not None and name in edits.relabel:
                    cells[label_at] = edits.relabel[name] or ""
                writer.writerow(cells)
