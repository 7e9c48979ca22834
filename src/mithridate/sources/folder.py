"""Files of one sample each (pictures, sounds, texts): one folder per class, or a list of (path, label)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mithridate.core.batch import BadItem, Batch
from mithridate.core.errors import ItemError, SourceError
from mithridate.sources.base import RowSource, refuse_duplicates
from mithridate.sources.decode import read_bytes
from mithridate.sources.digest import files_digest, sealed
from mithridate.sources.limits import Limits
from mithridate.sources.media import MEDIA, TEXTS, Medium, medium_of

__all__ = ["MediaFiles", "MediaItem", "open_folder"]

#: texts without a suffix, as 20 Newsgroups has them.
_BARE = replace(TEXTS, suffixes=frozenset(("",)))
_Kind = Medium | Literal["link", "other"]
_OUTNUMBER = 10  # texts for each picture, from which on the pictures are what is beside the data


@dataclass(frozen=True, kw_only=True)
class MediaItem:
    """One file.

    Attributes:
        id: path relative to the root, "/" between parts.
        path: where to read it; None when it must not be read.
        label: its class, None without.
        source: where it came from, None when nobody said.
        refused: why it must not be read.
    """

    id: str
    path: Path | None
    label: str | None
    source: str | None = None
    refused: str = ""


class MediaFiles(RowSource):
    """Files decoded one by one when they are asked for.

    Args:
        uri: the folder or the list.
        medium: what they are.
        root: what ids are relative to.
        items: the files, in order.
        listing: the CSV file that lists them, or None for a folder.
        path_column: the column of the list that holds the paths.
        labelled: whether the source has labels at all.
        options: see `RowSource`.
        limits: what one item may cost.
        notes: see `RowSource`.

    Raises:
        UsageError: a library that decodes them is missing.
    """

    def __init__(
        self,
        *,
        uri: str,
        medium: Medium,
        root: Path,
        items: Sequence[MediaItem],
        listing: Path | None,
        path_column: str = "",
        labelled: bool,
        options: dict[str, Any],
        limits: Limits,
        notes: tuple[str, ...] = (),
    ) -> None:
        medium.ready()
        self.medium, self.modality, self.notes = medium, medium.modality, notes
        self.uri, self.root, self.items, self.listing = uri, root, items, listing
        self.path_column, self.labelled, self.options, self.limits = path_column, labelled, options, limits
        self.count = len(items)
        self._digest: str | None = None
        refuse_duplicates([i.id for i in items], uri)

    @property
    def digest(self) -> str:
        """Digest of the names and bytes of all files (and of the list), and of how they are read."""
        if self._digest is None:
            self._digest = sealed(files_digest(self.files()), self.options)
        return self._digest

    def files(self) -> Iterator[tuple[str, Path]]:
        """The samples' own, and the list."""
        yield from ((i.id, i.path) for i in self.items if i.path is not None)
        if self.listing is not None:
            yield "<list>", self.listing

    def iter_ids(self) -> Iterator[str]:
        """Yield the relative paths in order."""
        return (i.id for i in self.items)

    def _read(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        for low in range(start, stop, size):
            yield self._decoded(range(low, min(low + size, stop)))

    def _gather(self, rows: Sequence[int]) -> Batch:
        return self._decoded(rows)

    def _decoded(self, rows: Sequence[int]) -> Batch:
        kept, decoded, bad = [], [], []
        for row in rows:
            item = self.items[row]
            try:
                decoded.append(self._content(item))
                kept.append(row)
            except ItemError as error:
                bad.append(BadItem(id=item.id, reason=error.reason))
        items = [self.items[row] for row in kept]
        sourced = any(i.source is not None for i in self.items[:1])
        return Batch(
            ids=tuple(i.id for i in items),
            rows=np.array(kept, dtype=np.int64),
            modality=self.modality,
            raw=[raw for raw, _ in decoded],
            labels=tuple(i.label for i in items) if self.labelled else None,
            sources=tuple(i.source or "" for i in items) if sourced else None,
            bad=tuple(bad),
            metadata=tuple(said for _, said in decoded),
        )

    def _content(self, item: MediaItem) -> tuple[Any, Mapping[str, str]]:
        if item.path is None:
            raise ItemError(item.id, item.refused)
        return self.medium.decode(read_bytes(item.path, item.id, self.limits), item.id, self.limits)


def open_folder(root: Path, options: dict[str, Any], limits: Limits) -> MediaFiles:
    """Open a folder of images, of sounds or of texts; the class is the first part of the relative path.

    Hidden files and files without a suffix of the kind that most files have are no part of the data. Texts are .txt
    files, or where there are none, files without a suffix; they are the data only where most files are such, in two
    class folders or more, as they also lie beside pictures. Symbolic links are followed to files inside the folder
    only; links to folders are not followed, and one that leads outside is a bad item.

    Raises:
        SourceError: the folder cannot be listed, or holds none of these.
        UsageError: a library that decodes them is missing.
    """
    resolved = root.resolve()
    found = list(_walk(root, resolved))
    medium = _medium(root, found)
    if medium is None:
        raise SourceError(
            f"a folder with {', '.join(m.noun for m in MEDIA)} or text files, one folder per class",
            "no file with an image suffix or a sound suffix, and no texts in two class folders",
            str(root),
            f"Suffixes that are read: {', '.join(s for m in (*MEDIA, TEXTS) for s in sorted(m.suffixes))}.",
        )
    items = [_item(root, resolved, path) for path, kind in found if kind is medium or kind == "link"]
    labelled = any(i.label is not None for i in items)
    others = [kind for _, kind in found if kind in MEDIA and kind is not medium]
    notes = tuple(
        f"{others.count(m):,} {m.noun} files beside the {medium.noun} files were not read"
        for m in MEDIA
        if m in others
    )
    return MediaFiles(
        uri=str(root), medium=medium, root=root, items=items, listing=None, labelled=labelled, options=options,
        limits=limits, notes=notes,
    )  # fmt: skip


def _medium(root: Path, found: Sequence[tuple[Path, _Kind]]) -> Medium | None:
    """What the data in a folder are; None where nothing is of a kind that is read."""
    kinds = [kind for _, kind in found]
    media = sum(kinds.count(m) for m in MEDIA)
    texts = TEXTS if TEXTS in kinds else _BARE
    many = kinds.count(texts)
    if many > max(len(kinds) / 2, _OUTNUMBER * media):
        folders = {
            path.relative_to(root).parts[0] for path, kind in found if kind is texts and path.parent != root
        }
        if len(folders) > 1:
            return texts
    return max(MEDIA, key=kinds.count) if media or "link" in kinds else None


def _item(root: Path, resolved: Path, path: Path) -> MediaItem:
    parts = [shown(p) for p in path.relative_to(root).parts]
    refused = outside(path, resolved) if path.is_symlink() else ""
    return MediaItem(
        id="/".join(parts),
        path=None if refused else path,
        label=parts[0] if len(parts) > 1 else None,
        refused=refused,
    )


def shown(name: str) -> str:
    """A file name as text that can be written as UTF-8, whatever bytes it has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def outside(path: Path, root: Path) -> str:
    """Why a path must not be followed out of its (resolved) root; empty when it stays inside."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # a zero byte in the name is a ValueError
        return "leads nowhere"
    if not target.is_relative_to(root):
        return "leads outside the folder of the data"
    return "a folder, not a file" if target.is_dir() else ""


def _kind(name: str) -> _Kind:
    medium, suffix = medium_of(name), Path(name).suffix.lower()
    if medium is not None:
        return medium
    return TEXTS if suffix in TEXTS.suffixes else "other" if suffix else _BARE


def _walk(folder: Path, root: Path) -> Iterator[tuple[Path, _Kind]]:
    """Files and what they are by their names; "link" is a link to a folder outside."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda e: e.name)
    except OSError as error:
        raise SourceError(
            "a folder that can be listed", error.strerror or str(error), str(folder), "Check its permissions."
        ) from error
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, root)
        elif entry.is_symlink() and entry.is_dir():
            # inside, it is a loop or an alias of what is read anyway; outside, it is content nobody looks at
            if not path.resolve().is_relative_to(root):
                yield path, "link"
        else:
            yield path, _kind(path.name)
