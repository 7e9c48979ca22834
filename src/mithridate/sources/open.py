"""`open_source`: whatever holds a data set → a `Source`. The kinds there are: `sources.kinds`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.fetched import fetch
from mithridate.sources.kinds import KINDS
from mithridate.sources.kinds.kind import Ask, Kind, Place
from mithridate.sources.limits import Limits
from mithridate.sources.stores import is_uri, shown_uri

__all__ = ["open_source"]

_SPOILT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")  # what is left of s3://bucket in a Path


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
    split: str | None = None,
    rate: int | None = None,
    offsets: str | None = None,
    prompt: str | None = None,
    response: str | None = None,
    rejected: str | None = None,
    limits: Limits | Mapping[str, int] | None = None,
) -> RowSource:
    """Open a data set for reading in passes.

    Args:
        data: a path (folder of images, sounds or texts, one folder per class; .npz; .npy; .csv, .tsv or .jsonl, also
            packed; .parquet or a folder of such; .arrow or a folder that `save_to_disk` made; .tar, also packed, a
            folder of such, or a pattern such as "s-{000..127}.tar"; a CSV of paths of images or sounds), the same as
            a URI (s3://, gs://, https://, ...), or in memory: a numpy array, a pandas DataFrame, a pyarrow Table,
            a `datasets.Dataset`, a sequence of str, or with `rate` a sequence of arrays.
        label: column (npz: key; tar: suffix of the member, or key of the .json) that holds the labels.
        text: column, or several joined by commas, whose text is the sample. Not given, one column of long
            prose makes a text data set.
        id: column (npz: key) that names each sample; else the path or the row number.
        source: column (npz: key) that says where each sample came from.
        labels: n labels, for data that holds none itself; or the name of a column, as `label`.
        x_key: key of the samples in an .npz file; column of the pictures or sounds, where a table has several.
        y_key: key of the labels in an .npz file.
        split: name of the split, for data that have several.
        rate: Hz; says that arrays are sounds: (n, samples), or in memory a sequence of (samples[, channels]).
        offsets: npz: key of the (n + 1,) places in a flat (samples,) array where sounds start and the last one ends.
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
    ask = Ask(
        label=label, text=text, id=id, source=source, labels=labels, x_key=x_key, y_key=y_key, split=split,
        rate=rate, offsets=offsets, prompt=prompt, response=response, rejected=rejected, limits=bound,
    )  # fmt: skip
    if rate is not None and rate < 1:
        raise UsageError("a sample rate in Hz, 1 or more", str(rate), "rate", "Give that of the recordings.")
    if isinstance(data, str) and is_uri(data):
        return _open_uri(data, ask)
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        return _opened(_kind_of(path), path, str(path), ask)
    kind = next(k for k in KINDS if k.memory is not None and k.memory(data, ask))
    return _opened(kind, data, MEMORY, ask)


def _open_uri(uri: str, ask: Ask) -> RowSource:
    """Open what a store has, by its copy on this machine; it goes by its address without secrets."""
    shown = shown_uri(uri)
    if shown.startswith("file://"):
        path = Path(shown.removeprefix("file://").removeprefix("localhost"))
        return _opened(_kind_of(path), path, str(path), ask)
    fetched = fetch(uri)
    try:
        opened = _opened(_kind_of(fetched.path), fetched.path, shown, ask)
    except UsageError as error:  # it names the copy, which nobody knows
        where = error.where.replace(str(fetched.path), shown)
        raise type(error)(error.expected, error.got, where, error.remedy) from error
    opened.uri, opened.held = shown, fetched.held
    return opened


def _opened(kind: Kind, data: Any, where: str, ask: Ask) -> RowSource:
    ask.refuse(where, *(f.name for f in fields(Ask) if f.name not in (*kind.takes, "limits")))
    return kind.open(data, ask)


def _kind_of(path: Path) -> Kind:
    if not path.exists():
        several = next((k for k in KINDS if k.pattern and k.names(path.name) and k.pattern(path)), None)
        if several is not None:
            return several
        spoilt = _SPOILT.match(str(path)) is not None
        remedy = "Give an address as a text, not as a Path." if spoilt else "Check the path."
        raise SourceError(_nouns(), "nothing there", str(path), remedy)
    if path.is_dir():
        place = Place(path)
        return next(k for k in KINDS if k.folder is not None and k.folder(place))
    found = next((k for k in KINDS if k.names(path.name)), None)
    if found is None:
        remedy = "Convert it, or give it the right suffix."
        raise SourceError(_nouns(), f"suffix {path.suffix!r}", str(path), remedy)
    return found


def _nouns() -> str:
    nouns = [k.noun for k in KINDS if k.noun]
    return f"{', '.join(nouns[:-1])} or {nouns[-1]}"
