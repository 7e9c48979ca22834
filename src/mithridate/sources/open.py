"""`open_source`: whatever holds a data set → a `Source`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.arrays import ArrayImages
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.chat import ChatColumns, ChatSource, recognised
from mithridate.sources.columns import ColumnSource, Roles, require
from mithridate.sources.decode import IMAGE_SUFFIXES
from mithridate.sources.digest import files_digest
from mithridate.sources.folder import ImageFiles, ImageItem, open_folder, outside
from mithridate.sources.frames import FrameFile, MemoryFrame, text_array
from mithridate.sources.labels import column_text, label_texts, label_values
from mithridate.sources.limits import Limits
from mithridate.sources.npz import Npz, open_npy, open_npz

__all__ = ["open_source"]

_CHAT = ("prompt", "response", "rejected")
_PACKED = (".gz", ".bz2", ".zst")
_KINDS = "a folder of images, .npz, .npy, .csv, .tsv, .parquet or .jsonl"


@dataclass(frozen=True, kw_only=True)
class _Ask:
    """The arguments of `open_source`."""

    label: str | None
    text: str | None
    id: str | None
    source: str | None
    labels: Any
    x_key: str | None
    y_key: str | None
    limits: Limits
    prompt: str | None = None
    response: str | None = None
    rejected: str | None = None

    def options(self, **found: str | None) -> dict[str, Any]:
        named = {k: getattr(self, k) for k in ("label", "text", "id", "source", "x_key", "y_key")} | found
        given = {k: v for k, v in named.items() if v is not None}
        return given if self.limits == Limits() else given | {"limits": asdict(self.limits)}

    def refuse(self, uri: str, *names: str) -> None:
        """Refuse arguments that mean nothing for this kind of data."""
        given = [n for n in names if getattr(self, n) is not None]
        if given:
            raise UsageError(
                "only arguments that fit this kind of data", ", ".join(given), uri, "Leave them out."
            )


def open_source(
    data: Any,
    *,
    label: str | None = None,
    text: str | None = None,
    id: str | None = None,
    source: str | None = None,
    labels: Sequence[Any] | NDArray[Any] | str | None = None,
    x_key: str | None = None,
    y_key: str | None = None,
    prompt: str | None = None,
    response: str | None = None,
    rejected: str | None = None,
    limits: Limits | Mapping[str, int] | None = None,
) -> RowSource:
    """Open a data set for reading in passes.

    Args:
        data: a path (folder of images, one folder per class; .npz; .npy; .csv, .tsv or .jsonl, also packed;
            .parquet or a folder of such; a CSV of image paths), or in memory: a numpy
            array, a pandas DataFrame, a pyarrow Table, or a sequence of str.
        label: column (npz: key) that holds the labels.
        text: column, or several joined by commas, whose text is the sample. Not given, one column of long
            prose makes a text data set.
        id: column (npz: key) that names each sample; else the path or the row number.
        source: column (npz: key) that says where each sample came from.
        labels: n labels, for data that holds none itself; or the name of a column, as `label`.
        x_key: key of the samples in an .npz file.
        y_key: key of the labels in an .npz file.
        prompt: column, or several joined by commas, of what was asked in chat data. Chat data is recognised by its
            columns (messages, conversations, prompt and completion, instruction and output, chosen and rejected, ...)
            where neither labels nor text are named.
        response: column of what was answered; of pairs the one preferred. A column of whole conversations needs no
            prompt.
        rejected: column of the other answer of each pair.
        limits: what one item may cost.

    Returns:
        A `core.batch.Source`.

    Raises:
        SourceError: missing, damaged, no data set, a column that is not there, ids that are not unique.
        UsageError: arguments that do not fit the data.
    """
    if isinstance(labels, str):
        label, labels = label or labels, None
    bound = limits if isinstance(limits, Limits) else Limits(**(limits or {}))
    ask = _Ask(
        label=label, text=text, id=id, source=source, labels=labels, x_key=x_key, y_key=y_key, limits=bound,
        prompt=prompt, response=response, rejected=rejected,
    )  # fmt: skip
    if isinstance(data, str | os.PathLike):
        return _open_path(Path(data), ask)
    return _open_memory(data, ask)


def _open_path(path: Path, ask: _Ask) -> RowSource:
    if not path.exists():
        raise SourceError(_KINDS, "nothing there", str(path), "Check the path.")
    if path.is_dir():
        return _open_directory(path, ask)
    suffixes = [s.lower() for s in path.suffixes]
    suffix = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in _PACKED else "".join(suffixes[-1:])
    if suffix in (".npz", ".npy"):
        return _open_arrays(path, suffix, ask)
    ask.refuse(str(path), "labels", "x_key", "y_key")
    if suffix in (".csv", ".tsv"):
        from mithridate.sources.delimited import DelimitedFile

        file = DelimitedFile(path, [c for c in (ask.id,) if c is not None])
        listed = None if ask.text is not None else _image_column(file, ask)
        return _open_frame(file, ask) if listed is None else _open_list(file, listed, ask)
    if suffix == ".parquet":
        from mithridate.sources.parquet import ParquetFiles

        return _open_frame(ParquetFiles(path), ask)
    if suffix in (".jsonl", ".ndjson"):
        from mithridate.sources.jsonl import JsonLines

        named = (ask.text, ask.prompt, ask.response, ask.rejected)
        texts = [c for names in named if names is not None for c in names.split(",")]
        wanted = [c for c in (*texts, ask.label, ask.id, ask.source) if c is not None]
        lines = JsonLines(path, wanted, ask.limits)
        if not texts and _chat(lines, ask) is None:
            lines.infer()
        return _open_frame(lines, ask)
    raise SourceError(
        _KINDS, f"suffix {path.suffix!r}", str(path), "Convert it, or give it the right suffix."
    )


def _open_directory(path: Path, ask: _Ask) -> RowSource:
    if next(path.rglob("*.parquet"), None) is not None:
        from mithridate.sources.parquet import ParquetFiles

        ask.refuse(str(path), "labels", "x_key", "y_key")
        return _open_frame(ParquetFiles(path), ask)
    ask.refuse(str(path), "label", "text", "id", "source", "labels", "x_key", "y_key", *_CHAT)
    return open_folder(path, ask.options(), ask.limits)


def _open_arrays(path: Path, suffix: str, ask: _Ask) -> RowSource:
    ask.refuse(str(path), "text", *_CHAT)
    content = files_digest([("", path)])
    if suffix == ".npy":
        ask.refuse(str(path), "label", "id", "source", "x_key", "y_key")
        return _of_array(open_npy(path), ask, uri=str(path), y=ask.labels, content=content)
    npz = open_npz(path, x=ask.x_key, y=ask.y_key or ask.label, id=ask.id, source=ask.source)
    x, y = npz.array(npz.x), npz.array(npz.y) if npz.y is not None and ask.labels is None else ask.labels
    ids, sources = (None if key is None else npz.array(key) for key in (npz.id, npz.source))
    return _of_array(x, ask, uri=str(path), y=y, ids=ids, sources=sources, content=content, npz=npz)


def _of_array(
    x: NDArray[Any],
    ask: _Ask,
    *,
    uri: str,
    y: Any = None,
    ids: Any = None,
    sources: Any = None,
    content: str | None = None,
    npz: Npz | None = None,
) -> RowSource:
    if x.ndim == 0 or len(x) == 0:
        raise SourceError("at least one sample", f"an array of shape {x.shape}", uri, "Name another array.")
    names: dict[str, tuple[str | None, ...] | None] = {
        "label": None if y is None else label_texts(label_values(np.asarray(y), uri)),
        "id": None if ids is None else label_texts(ids),
        "source": None if sources is None else label_texts(sources),
    }
    for name, values in names.items():
        if values is not None and len(values) != len(x):
            raise SourceError(
                f"one {name} for each of {len(x):,} samples", f"{len(values):,}", uri, "Check the keys."
            )
    options = ask.options() if npz is None else ask.options(x_key=npz.x, y_key=npz.y, label=None)
    opened: RowSource
    if x.ndim > 2:
        opened = ArrayImages(
            uri=uri,
            x=x,
            labels=names["label"],
            ids=None if names["id"] is None else tuple(v or "" for v in names["id"]),
            sources=None if names["source"] is None else tuple(v or "" for v in names["source"]),
            options=options,
            limits=ask.limits,
            content=content,
        )
    else:
        opened = _of_matrix(x, names, uri, content, options, ask.limits)
    opened.origin = npz
    return opened


def _of_matrix(
    x: NDArray[Any],
    names: Mapping[str, tuple[str | None, ...] | None],
    uri: str,
    content: str | None,
    options: dict[str, Any],
    limits: Limits,
) -> RowSource:
    """A matrix is a table, a vector of strings is a text data set."""
    import pyarrow as pa

    if x.ndim == 1 and x.dtype.kind in "US":
        columns = {
            "text": text_array(
                [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in x.tolist()]
            )
        }
    elif x.ndim == 2 and x.dtype.kind in "buif":
        columns = {str(i): pa.array(np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])}
    else:
        raise SourceError(
            "images (n, h, w[, c]), a matrix of numbers (n, d) or a vector of strings (n,)",
            f"shape {x.shape}, dtype {x.dtype}",
            uri,
            "Name another array.",
        )
    content_columns = tuple(columns)
    for name, values in names.items():
        if values is not None:
            columns[name] = text_array(values)
    is_text = content_columns == ("text",)
    roles = Roles(
        label="label" if names["label"] is not None else None,
        id="id" if names["id"] is not None else None,
        source="source" if names["source"] is not None else None,
        text=content_columns if is_text else (),
        features=() if is_text else content_columns,
    )
    return ColumnSource(
        file=MemoryFrame(pa.table(columns), uri, content), roles=roles, options=options, limits=limits
    )


def _open_memory(data: Any, ask: _Ask) -> RowSource:
    import pyarrow as pa

    ask.refuse(MEMORY, "x_key", "y_key")
    if isinstance(data, np.ndarray):
        ask.refuse(MEMORY, "label", "text", "id", "source", *_CHAT)
        if data.dtype.hasobject and all(isinstance(v, str) for v in data.flat):
            data = data.tolist()  # pandas and others keep strings as objects
        else:
            return _of_array(data, ask, uri=MEMORY, y=ask.labels)
    if type(data).__module__.split(".")[0] == "pandas" and not hasattr(data, "columns"):
        data = data.tolist()  # a Series
    if isinstance(data, list | tuple):
        odd = next((i for i, v in enumerate(data) if not isinstance(v, str)), None)
        if not data or odd is not None:
            got = "an empty one" if odd is None else f"{type(data[odd]).__name__} at {odd}"
            raise SourceError("a sequence of texts", got, MEMORY, "Images and numbers go into an array.")
        columns = {"text": text_array(data)} | _label_column(ask.labels, len(data))
        label = "label" if "label" in columns else None
        roles = Roles(label=label, id=None, source=None, text=("text",), features=())
        file = MemoryFrame(pa.table(columns))
        return ColumnSource(file=file, roles=roles, options={}, limits=ask.limits)
    return _open_frame(*_with_labels(_as_table(data), ask))


def _label_column(labels: Any, count: int) -> dict[str, Any]:
    if labels is None:
        return {}
    values = label_texts(
        label_values(np.asarray(labels), MEMORY) if isinstance(labels, np.ndarray) else list(labels)
    )
    if len(values) != count:
        raise SourceError(
            f"one label for each of {count:,} samples", f"{len(values):,}", "labels", "Check its length."
        )
    return {"label": text_array(values)}


def _as_table(data: Any) -> Any:
    import pyarrow as pa

    try:
        if isinstance(data, pa.Table):
            return data
        if isinstance(data, pa.RecordBatch):
            return pa.Table.from_batches([data])
        if type(data).__module__.split(".")[0] == "pandas" and hasattr(data, "columns"):
            return pa.Table.from_pandas(data, preserve_index=False).replace_schema_metadata(None)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SourceError(
            "columns of one type each", str(error), MEMORY, "Convert the column to str."
        ) from error
    raise SourceError(
        "a path, numpy array, DataFrame, pyarrow Table or sequence of str",
        type(data).__name__,
        MEMORY,
        "Convert it.",
    )


def _with_labels(table: Any, ask: _Ask) -> tuple[FrameFile, _Ask]:
    from dataclasses import replace

    if ask.labels is None:
        return MemoryFrame(table), ask
    ask_label = "label"
    while ask_label in table.column_names:
        ask_label += "_"
    column = _label_column(ask.labels, table.num_rows)["label"]
    return MemoryFrame(table.append_column(ask_label, column)), replace(ask, label=ask_label, labels=None)


def _open_frame(file: FrameFile, ask: _Ask) -> RowSource:
    if file.count == 0:
        raise SourceError("at least one row", "none", file.uri, "Check the file.")
    for column, role in ((ask.label, "label"), (ask.id, "id"), (ask.source, "source")):
        require(column, role, file)
    chat = _chat(file, ask)
    if chat is not None:
        named = {
            "prompt": ",".join(chat.prompt) or None,
            "response": chat.response,
            "rejected": chat.rejected,
        }
        return ChatSource(
            file=file,
            chat=chat,
            id=ask.id,
            source=ask.source,
            options=ask.options(**named),
            limits=ask.limits,
        )
    content = [c for c in file.types if c not in (ask.label, ask.id, ask.source)]
    text: tuple[str, ...] = ()
    if ask.text is not None:
        text = (ask.text,) if ask.text in file.types else tuple(c.strip() for c in ask.text.split(","))
        for column in text:
            require(column, "text", file)
    elif (prose := _prose(file, content)) is not None:
        text = (prose,)
    if not content and not text:
        raise SourceError("columns besides label, id and source", "none", file.uri, "Name fewer columns.")
    roles = Roles(
        label=ask.label, id=ask.id, source=ask.source, text=text, features=() if text else tuple(content)
    )
    options = ask.options(text=",".join(text) if text else None)
    return ColumnSource(file=file, roles=roles, options=options, limits=ask.limits)


def _chat(file: FrameFile, ask: _Ask) -> ChatColumns | None:
    """How the rows are read as chat; None where they are none, or are to be read otherwise."""
    if ask.prompt is ask.response is ask.rejected is None:
        if ask.label is not None or ask.text is not None or ask.labels is not None:
            return None
        return recognised(file.types, lambda column: _cells(file, column))
    ask.refuse(file.uri, "label", "text", "labels")
    if ask.response is None:
        raise UsageError(
            "a column of responses",
            "none named",
            file.uri,
            "Name it with --response; --prompt names what was asked, --rejected the worse answer of a pair.",
        )
    named = () if ask.prompt is None else (ask.prompt,) if ask.prompt in file.types else ask.prompt.split(",")
    prompt = tuple(c.strip() for c in named)
    columns = ChatColumns(prompt=prompt, response=ask.response, rejected=ask.rejected)
    for column in columns.columns:
        require(column, "chat", file)
    return columns


def _cells(file: FrameFile, column: str) -> list[Any]:
    """The first cells of a column that are not empty."""
    for chunk in file.chunks([column], 0, file.count):
        cells = [v for v in chunk.table.column(column).slice(0, 1000).to_pylist() if v]
        if cells:
            return cells
    return []


def _peek(file: FrameFile, column: str, most: int) -> list[str]:
    """The first non-empty values of a column."""
    for chunk in file.chunks([column], 0, file.count):
        values = [v for v in column_text(chunk.table.column(column).slice(0, most)) if v]
        if values:
            return values
    return []


def _strings(file: FrameFile, columns: Sequence[str]) -> list[str]:
    return [c for c in columns if "string" in str(file.types[c])]


def _prose(file: FrameFile, columns: Sequence[str]) -> str | None:
    """The one column of strings, if it is long prose: many words, hardly ever the same twice."""
    strings = _strings(file, columns)
    if len(strings) != 1:
        return None
    values = _peek(file, strings[0], 1000)
    if not values:
        return None
    words = sum(len(v.split()) for v in values) / len(values)
    return strings[0] if words >= 4 and len(set(values)) > 0.5 * len(values) else None


def _image_column(file: FrameFile, ask: _Ask) -> str | None:
    """The first column whose first values all end like image files."""
    for column in _strings(file, list(file.types)):
        values = _peek(file, column, 50)
        if column != ask.label and values and all(Path(v).suffix.lower() in IMAGE_SUFFIXES for v in values):
            return column
    return None


def _open_list(file: FrameFile, column: str, ask: _Ask) -> RowSource:
    others = [c for c in file.types if c not in (column, ask.id, ask.source)]
    label = ask.label or ("label" if "label" in others else others[0] if len(others) == 1 else None)
    roles = Roles(label=label, id=ask.id, source=ask.source, text=(column,), features=())
    for name, role in ((label, "label"), (ask.id, "id"), (ask.source, "source")):
        require(name, role, file)
    rows = ColumnSource(file=file, roles=roles, options={}, limits=ask.limits)
    root = Path(file.uri).parent
    resolved, items = root.resolve(), list[ImageItem]()
    for batch in rows.batches(8192):
        for k, name in enumerate(batch.raw):
            refused = outside(root / name, resolved)
            items.append(
                ImageItem(
                    id=name if ask.id is None else batch.ids[k],
                    path=None if refused else root / name,
                    label=None if batch.labels is None else batch.labels[k],
                    source=None if batch.sources is None else batch.sources[k],
                    refused=refused,
                )
            )
        items += [ImageItem(id=f"row {b.id}", path=None, label=None, refused=b.reason) for b in batch.bad]
    return ImageFiles(
        uri=file.uri,
        root=root,
        items=items,
        listing=Path(file.uri),
        path_column=column,
        labelled=label is not None,
        options=ask.options(label=label),
        limits=ask.limits,
    )
