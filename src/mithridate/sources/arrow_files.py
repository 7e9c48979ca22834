"""Arrow files, mapped into memory: single ones, and folders of them as Hugging Face's `save_to_disk` writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.errors import SourceError
from mithridate.sources.base import quote
from mithridate.sources.digest import files_digest
from mithridate.sources.folder import outside
from mithridate.sources.frames import Chunk, readable, refuse_twins

__all__ = ["STATE", "ArrowFiles", "choose_split", "split_folder"]

STATE = "state.json"
_INFO = "dataset_info.json"
_DICT = "dataset_dict.json"
_END = b"\xff\xff\xff\xff\0\0\0\0"
_ROWS = 65536
_SPLIT = re.compile(r"-([a-z]\w*)(?:-\d{5}-of-\d{5})?\.arrow$", re.IGNORECASE)


class ArrowFiles:
    """A `FrameFile` over Arrow files (streams or files) with one schema.

    Args:
        path: an .arrow file; a folder with `state.json`, which names them; or one with .arrow files.
        split: which split, where the names of the files tell several.

    Raises:
        SourceError: cut off, of a version or kind that is not read, different schemas, several splits.
    """

    seekable = True

    def __init__(self, path: Path, split: str | None = None) -> None:
        import pyarrow as pa

        self.path, self.uri = path, str(path)
        self.files = [path] if path.is_file() else _files(path, split)
        tables = list[Any]()
        for file in self.files:
            table = _mapped(file)
            if not tables:
                refuse_twins(table.schema.names, str(file))
            elif not table.schema.equals(tables[0].schema):
                got, remedy = f"{table.schema.names}", "Write them with one schema."
                raise SourceError("the same columns and types in all files", got, str(file), remedy)
            tables.append(table)
        self.spans = [t.num_rows for t in tables]
        self.table = pa.concat_tables(tables)
        self.count: int = self.table.num_rows
        self.metadata: Mapping[bytes, bytes] | None = self.table.schema.metadata
        told = {} if path.is_file() else _object(path / _INFO).get("features")
        self.features: Mapping[str, Any] = told if isinstance(told, dict) else {}
        self.types: Mapping[str, Any] = {f.name: f.type for f in self.table.schema}

    def digest(self) -> str:
        """Digest of names and bytes, and of what is told of the columns."""
        if self.path.is_file():
            return files_digest([("", self.path)])
        told = [self.path / _INFO] if (self.path / _INFO).is_file() else []
        return files_digest((p.name, p) for p in [*self.files, *told])

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """See `FrameFile`. Every offset is checked before it is followed: a broken file could lead anywhere."""
        import pyarrow as pa

        chosen = self.table.select(list(columns))
        for low in range(start, stop, _ROWS):
            part = chosen.slice(low, min(_ROWS, stop - low))
            try:
                yield readable(np.arange(low, low + part.num_rows), part)
            except pa.ArrowException as error:
                raise _damaged(self.path, error) from error


def split_folder(path: Path, split: str | None) -> Path:
    """The folder of one split of a DatasetDict; the folder itself where it holds no splits.

    Raises:
        SourceError: several splits and none was named, or one that is not there.
    """
    if not (path / _DICT).is_file():
        return path
    told = _object(path / _DICT).get("splits")
    return path / choose_split([str(s) for s in told] if isinstance(told, list) else [], split, str(path))


def choose_split(splits: Sequence[str], split: str | None, where: str) -> str:
    """The split that was asked for, or the only one.

    Raises:
        SourceError: naming the splits there are.
    """
    if split is None and len(splits) == 1:
        return splits[0]
    if split not in splits or not split or Path(split).name != split:
        got = f"splits {quote(splits, 20)}" if split is None else f"{split!r}; there are {quote(splits, 20)}"
        raise SourceError("one split", got, where, "Name it with --split (split=).")
    return split


def _files(folder: Path, split: str | None) -> list[Path]:
    """The data files of a folder, in order."""
    if not (folder / STATE).is_file():
        return _named_files(folder, split)
    state = _object(folder / STATE)
    if split is not None and state.get("_split") not in (None, split):
        raise SourceError(f"split {split!r}", f"{state['_split']!r}", str(folder), "Leave --split out.")
    if state.get("_indices_data_files"):
        remedy = "Open it with `datasets` and save it again with save_to_disk: that puts the rows in order."
        raise SourceError("rows in the order of the files", "a list of indices", str(folder), remedy)
    listed = state.get("_data_files")
    names = [f.get("filename") for f in listed if isinstance(f, dict)] if isinstance(listed, list) else []
    files = [folder / name for name in names if isinstance(name, str)]
    for file in files:
        refused = outside(file, folder.resolve())
        if refused:
            raise SourceError("the files that state.json names", refused, str(file), "Copy the folder again.")
    if not files:
        raise SourceError("files named in state.json", "none", str(folder), "Copy the folder again.")
    return files


def _named_files(folder: Path, split: str | None) -> list[Path]:
    """The .arrow files of a folder without `state.json`, as the cache of `datasets` has them."""
    files = sorted(p for p in folder.glob("*.arrow") if p.is_file() and not p.name.startswith("cache-"))
    of = {file: match.group(1) for file in files if (match := _SPLIT.search(file.name))}
    if len(of) == len(files) and (split is not None or len(set(of.values())) > 1):
        chosen = choose_split(sorted(set(of.values())), split, str(folder))
        return [file for file in files if of[file] == chosen]
    if split is not None or not files:
        got = "none" if not files else "one without splits"
        raise SourceError("a folder with .arrow files", got, str(folder), "Check --split and the path.")
    return files


def _object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object; an empty one where there is no file.

    Raises:
        SourceError: damaged.
    """
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError("a JSON file", str(error)[:200], str(path), "Copy the folder again.") from error
    return told if isinstance(told, dict) else {}


def _mapped(file: Path) -> Any:
    """The table in a file, without reading it."""
    import pyarrow as pa

    if not file.is_file():
        raise _damaged(file, OSError("no regular file"))  # a pipe would never end
    try:
        source = pa.memory_map(str(file))
        if source.size() >= 6 and source.read_at(6, 0) == b"ARROW1":
            table = pa.ipc.open_file(source).read_all()
        elif source.size() and source.read_at(len(_END), max(0, source.size() - len(_END))) != _END:
            # Arrow takes the end of the file for the end of the data, wherever it was cut
            raise pa.ArrowInvalid("its end mark is missing")
        else:
            table = pa.ipc.open_stream(source).read_all()
        _ = table.schema.names  # decoded when they are asked for
        return table
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> SourceError:
    remedy = "It may be cut off, or of a version of Arrow before 0.15: copy it again, or write it again as Parquet."
    return SourceError("a complete Arrow file", str(error)[:300], str(file), remedy)
