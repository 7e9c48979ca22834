"""CSV and TSV files: rows, or a list of files of one sample each."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.base import RowSource
from mithridate.sources.columns import ColumnSource, Roles, require
from mithridate.sources.folder import MediaFiles, MediaItem, outside
from mithridate.sources.frames import FrameFile
from mithridate.sources.kinds.kind import CHAT, PACKED, Ask, Kind
from mithridate.sources.kinds.rows import open_rows, peek, string_columns
from mithridate.sources.media import Medium, medium_of

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    from mithridate.sources.delimited import DelimitedFile

    file = DelimitedFile(path, [c for c in (ask.id,) if c is not None])
    listed = None if ask.text is not None else _file_column(file, ask)
    return open_rows(file, ask) if listed is None else _open_list(file, *listed, ask)


def _file_column(file: FrameFile, ask: Ask) -> tuple[str, Medium] | None:
    """The first column whose first values all end like files of one medium, and the medium."""
    for column in string_columns(file, list(file.types)):
        kinds = {medium_of(value) for value in peek(file, column, 50)}
        medium = kinds.pop() if len(kinds) == 1 else None
        if column != ask.label and medium is not None:
            return column, medium
    return None


def _open_list(file: FrameFile, column: str, medium: Medium, ask: Ask) -> RowSource:
    others = [c for c in file.types if c not in (column, ask.id, ask.source)]
    label = ask.label or ("label" if "label" in others else others[0] if len(others) == 1 else None)
    roles = Roles(label=label, id=ask.id, source=ask.source, text=(column,), features=())
    for name, role in ((label, "label"), (ask.id, "id"), (ask.source, "source")):
        require(name, role, file)
    rows = ColumnSource(file=file, roles=roles, options={}, limits=ask.limits)
    root = Path(file.uri).parent
    resolved, items = root.resolve(), list[MediaItem]()
    for batch in rows.batches(8192):
        for k, name in enumerate(batch.raw):
            refused = outside(root / name, resolved)
            items.append(
                MediaItem(
                    id=name if ask.id is None else batch.ids[k],
                    path=None if refused else root / name,
                    label=None if batch.labels is None else batch.labels[k],
                    source=None if batch.sources is None else batch.sources[k],
                    refused=refused,
                )
            )
        items += [MediaItem(id=f"row {b.id}", path=None, label=None, refused=b.reason) for b in batch.bad]
    return MediaFiles(
        uri=file.uri,
        medium=medium,
        root=root,
        items=items,
        listing=Path(file.uri),
        path_column=column,
        labelled=label is not None,
        options=ask.options(label=label),
        limits=ask.limits,
    )


KIND = Kind(
    noun=".csv, .tsv",
    open=_open,
    suffixes=(".csv", ".tsv"),
    packed=PACKED,
    takes=("label", "text", "id", "source", *CHAT),
)
