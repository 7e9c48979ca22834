"""Writing: a changed copy of a data set, or a list of what to keep. The original is never touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mithridate.core.batch import Source
from mithridate.core.errors import UsageError
from mithridate.sources.arrays import ArrayImages
from mithridate.sources.arrow_files import ArrowFiles
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.chat import ChatSource
from mithridate.sources.columns import ColumnSource
from mithridate.sources.delimited import DelimitedFile
from mithridate.sources.edits import Edits, Replace
from mithridate.sources.folder import MediaFiles
from mithridate.sources.jsonl import JsonLines
from mithridate.sources.open import open_source
from mithridate.sources.parquet import ParquetFiles
from mithridate.sources.shards import TarShards
from mithridate.sources.waves import ArraySounds

__all__ = ["copy_suffixes", "keep_list", "write_copy"]

_FILES = frozenset({".arrow", ".csv", ".json", ".jsonl", ".npy", ".npz", ".parquet", ".tar", ".tgz", ".tsv"})

_Writer = Callable[[Path, Edits], int]


def write_copy(
    source: Source,
    dst: str | os.PathLike[str],
    *,
    drop: Collection[str] = frozenset(),
    relabel: Mapping[str, str | None] | None = None,
    replace: Replace | None = None,
    encode: tuple[str, int | None] | None = None,
) -> dict[str, Any]:
    """Write a copy of a data set in its own format, with samples left out, relabelled or changed.

    Number types stay unless they cannot hold a new value. In a folder a label is the folder's name, so that a
    new label changes the id. Where ids are row numbers, dropping rows renumbers those behind.

    Args:
        source: from `open_source`. From memory, arrays of images and sounds become .npz, all others .parquet.
        dst: the new file or folder; must not exist, or be empty.
        drop: ids to leave out.
        relabel: {id: new label}; None takes the label away.
        replace: {id: new raw}, or a function of (id, raw) that returns the new raw or None for no change. Raw
            is a uint8 image of the same shape, a `Sound`, a str, or {column: value} for a row of a table.
        encode: (format, quality), e.g. ("JPEG", 75) or ("FLAC", None): encode all images or sounds of a folder
            alike, so that nothing tells changed files from others. Without it untouched files are copied byte by byte.

    Returns:
        {"before": digest, "after": digest, "count": samples written,
        "renamed": {old id: new id, where it differs}}.

    Raises:
        UsageError: unknown ids, a destination that is in use or of another format, no room.
    """
    edits = Edits(drop=frozenset(drop), relabel=dict(relabel or {}), replace=replace, encode=encode)
    target = Path(dst)
    renamed: dict[str, str] = {}
    write, suffixes = _writer(source, renamed)
    assert isinstance(source, RowSource)
    if encode is not None:
        _refuse_encoding(source, encode[0])
    _refuse_target(source, target, suffixes)
    edits.refuse_unknown(source)
    count = _atomically(target, lambda path: write(path, edits), folder=not suffixes)
    after = _reopened(source, target).digest
    return {"before": source.digest, "after": after, "count": count, "renamed": renamed}


def _refuse_encoding(source: RowSource, kind: str) -> None:
    if not isinstance(source, MediaFiles | TarShards) or source.modality == "text":
        want = "encode for sound and image files only"
        raise UsageError(want, "another kind of data", source.uri, "Leave it out.")
    known = source.medium.formats
    if kind.upper() not in known:
        raise UsageError(f"one of {', '.join(known)}", kind, "encode", "Choose one of these.")


def copy_suffixes(source: Source) -> tuple[str, ...]:
    """Suffixes that the file of a copy may have; none where the copy is a folder.

    Raises:
        UsageError: not from `open_source`.
    """
    return _writer(source, {})[1]


def _writer(source: Source, renamed: dict[str, str]) -> tuple[_Writer, tuple[str, ...]]:
    """What writes this kind of source, and the suffixes of its files; none for a folder."""
    if isinstance(source, MediaFiles):
        from mithridate.sources.write_files import write_media_files

        def write_files(path: Path, edits: Edits) -> int:
            names = write_media_files(source, path, edits)
            renamed.update({old: new for old, new in names.items() if old != new})
            return len(names)

        return write_files, ()
    if isinstance(source, ArraySounds):
        from mithridate.sources.write_arrays import write_sound_arrays

        return lambda path, edits: write_sound_arrays(source, path, edits), (".npz",)
    if isinstance(source, ArrayImages):
        from mithridate.sources.write_arrays import write_image_arrays

        return lambda path, edits: write_image_arrays(source, path, edits), (".npz",)
    if isinstance(source, TarShards):
        from mithridate.sources.write_shards import write_shards

        return lambda path, edits: write_shards(source, path, edits), source.copy_suffixes
    if not isinstance(source, ColumnSource):
        raise UsageError(
            "a source from open_source", type(source).__name__, source.uri, "Open it with open_source."
        )
    from mithridate.sources.write_tables import changed_raws, write_rows

    if source.origin is not None:
        from mithridate.sources.write_arrays import write_plain_arrays

        return lambda path, edits: write_plain_arrays(source, path, edits, changed_raws(source, edits)), (
            ".npz",
        )
    if isinstance(source.file, ParquetFiles | ArrowFiles) and source.file.path.is_dir():
        return lambda path, edits: write_rows(source, path, edits), ()
    suffixes: tuple[str, ...] = (".parquet",)
    if isinstance(source.file, DelimitedFile):
        kind = ".tsv" if source.file.separator == "\t" else ".csv"
        suffixes = tuple(kind + packed for packed in ("", ".gz", ".bz2"))
    elif isinstance(source.file, ArrowFiles):
        suffixes = (".arrow",)
    elif isinstance(source.file, JsonLines):
        suffixes = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
    return lambda path, edits: write_rows(source, path, edits), suffixes


def _refuse_target(source: RowSource, target: Path, suffixes: tuple[str, ...]) -> None:
    if suffixes and not target.name.lower().endswith(suffixes):
        want = f"a file name that ends in {' or '.join(suffixes)}"
        raise UsageError(want, repr(target.name), str(target), "Rename it.")
    if not suffixes and target.suffix.lower() in _FILES:
        want = "the name of a folder, as the original is one"
        raise UsageError(want, repr(target.name), str(target), f"Leave {target.suffix} out.")
    busy = target.is_symlink() or (any(target.iterdir()) if target.is_dir() else target.exists())
    if busy or (target.is_dir() and suffixes):
        raise UsageError(
            "a destination that does not exist yet", "one that does", str(target), "Choose another one."
        )
    origin = Path(source.uri)
    if source.uri != MEMORY and origin.is_dir() and target.resolve().is_relative_to(origin.resolve()):
        raise UsageError("a destination outside the data", "one inside", str(target), "Choose another one.")


def _atomically(target: Path, write: Callable[[Path], int], *, folder: bool) -> int:
    """Write under another name beside the target; rename when all is there, remove when something fails."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)
        if folder:
            part.mkdir()
        count = write(part)
        part.replace(target)
    except OSError as error:
        _remove(part)
        raise UsageError(
            "room to write a copy", error.strerror or str(error), str(target), "Free some."
        ) from error
    except BaseException:
        _remove(part)
        raise
    return count


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _reopened(source: RowSource, target: Path) -> RowSource:
    """Open the copy as the original was opened."""
    if isinstance(source, MediaFiles) and source.listing is not None:
        target = target / source.listing.name
    options = dict(source.options)
    if isinstance(source, ColumnSource) and source.origin is None and not isinstance(source, ChatSource):
        roles = source.roles
        named = {
            "label": roles.label,
            "id": roles.id,
            "source": roles.source,
            "text": ",".join(roles.text) or None,
            "x_key": options.get("x_key"),
        }
        options = {k: v for k, v in named.items() if v is not None} | {
            k: v for k, v in options.items() if k == "limits"
        }
    elif isinstance(source, ArrayImages | ArraySounds) and source.origin is None:
        stored = {"x_key": source.x, "y_key": source.labels, "id": source.ids, "source": source.sources}
        if isinstance(source, ArraySounds) and source.x.in_a_row:
            stored["offsets"] = source.x
        options |= {k: k.removesuffix("_key") for k, v in stored.items() if v is not None}
    return open_source(target, **options)


def keep_list(source: Source, drop: Collection[str] | Mapping[str, str], dst: str | os.PathLike[str]) -> int:
    """Write a Parquet file with columns id (string), keep (bool) and reason (string, empty when kept).

    Args:
        source: the data.
        drop: ids to leave out; a mapping also says why.
        dst: the file; one that exists is replaced.

    Returns:
        Number of ids that are kept.

    Raises:
        UsageError: unknown ids, no room.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(source, RowSource):
        raise UsageError(
            "a source from open_source", type(source).__name__, source.uri, "Open it with open_source."
        )
    reasons = drop if isinstance(drop, Mapping) else dict.fromkeys(drop, "dropped")
    Edits(drop=frozenset(reasons), relabel={}, replace=None).refuse_unknown(source)
    schema = pa.schema([("id", pa.string()), ("keep", pa.bool_()), ("reason", pa.string())])

    def write(path: Path) -> int:
        kept = 0
        with pq.ParquetWriter(path, schema) as writer:
            for ids in _grouped(source.iter_ids(), 65536):
                keep = [i not in reasons for i in ids]
                kept += sum(keep)
                writer.write_table(pa.table([ids, keep, [reasons.get(i, "") for i in ids]], schema=schema))
        return kept

    return _atomically(Path(dst), write, folder=False)


def _grouped(ids: Iterator[str], size: int) -> Iterator[list[str]]:
    group: list[str] = []
    for name in ids:
        group.append(name)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
