"""Raw samples of a data set as the inputs of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch, Modality
from mithridate.core.errors import SourceError, UsageError
from mithridate.core.layout import candidates, lay_out
from mithridate.models.levels import Reader
from mithridate.sources.base import RowSource
from mithridate.sources.decode import decode, read_bytes
from mithridate.sources.open import open_source

__all__ = ["Feeding", "incidents_of", "settled"]

_MOST_INCIDENTS = 64
_PICTURES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """How raw samples become inputs.

    Attributes:
        function: raw samples → inputs, in place of everything below: (n, h, w, c) uint8 pictures, a list of texts, or
            a list of {column: value} rows.
        mean: (c,) subtracted from pictures in [0, 1]; empty subtracts nothing.
        std: (c,) divided by then; empty divides by nothing.
        layout: of `core.layout.LAYOUTS`, or "auto".
    """

    function: Callable[[Any], Any] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: str = "auto"

    def inputs(self, raws: Any, modality: Modality) -> Any:
        """Inputs for raw samples.

        Raises:
            UsageError: pictures of several sizes, words where numbers are needed, a function that fails.
        """
        if modality == "image":
            raws = _stacked(raws)
        elif modality == "table":
            raws = raws.to_pylist() if hasattr(raws, "to_pylist") else list(raws)
        if self.function is not None:
            try:
                return self.function(raws)
            except Exception as error:  # code of the user may raise anything
                got = f"{type(error).__name__}: {str(error)[:300]}"
                remedy = "It takes raw samples and returns the inputs of the model."
                raise UsageError("a function that prepares samples", got, "--preprocess", remedy) from error
        if modality == "image":
            return self._pictures(raws)
        return list(raws) if modality == "text" else _matrix(raws)

    def _pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = lay_out(pictures, self.layout)
        channels = pictures.shape[-1]
        if not (self.mean or self.std):
            return x
        form = [1] * x.ndim
        if self.layout == "chw":
            form[1] = channels
        elif self.layout == "hwc":
            form[-1] = channels
        for numbers, name in ((self.mean, "--mean"), (self.std, "--std")):
            if len(numbers) not in (0, 1, channels) or (len(numbers) > 1 and "flat" in self.layout):
                got = f"{len(numbers)} numbers"
                raise UsageError(f"1 or {channels} numbers", got, name, "Give one for each channel.")
        mean, std = (np.asarray(v or (d,), dtype=np.float32) for v, d in ((self.mean, 0.0), (self.std, 1.0)))
        if (std <= 0).any():
            raise UsageError(
                "numbers above 0", str(self.std), "--std", "Give what the model was trained with."
            )
        scaled: NDArray[np.float32] = (x - _as(mean, form)) / _as(std, form)
        return scaled


def _as(numbers: NDArray[np.float32], form: list[int]) -> NDArray[np.float32]:
    return numbers if len(numbers) == 1 else numbers.reshape(form)


def _stacked(raws: Sequence[Any]) -> NDArray[np.uint8]:
    shapes = sorted({np.asarray(raw).shape for raw in raws})
    if len(shapes) != 1:
        got = " and ".join("×".join(map(str, s)) for s in shapes[:3]) or "none"
        remedy = "Resize and convert them as for training."
        raise UsageError("images of one size and number of channels", got, "the data", remedy)
    pictures = np.stack([np.asarray(raw, dtype=np.uint8) for raw in raws])
    return pictures[..., None] if pictures.ndim == 3 else pictures


def _matrix(rows: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """(n, columns) floats; nan for what is missing."""
    try:
        return np.array(
            [[np.nan if v is None else float(v) for v in row.values()] for row in rows], dtype=np.float64
        )
    except (TypeError, ValueError) as error:
        remedy = "Name a function that makes inputs of rows with --preprocess MODULE:FUNCTION."
        raise UsageError("numbers in every column", str(error)[:200], "the data", remedy) from error


def settled(how: Feeding, reader: Reader, batch: Batch) -> Feeding:
    """The same with a definite layout: the first that the model takes.

    Args:
        how: as the user said.
        reader: of the model.
        batch: a few samples of the data.

    Raises:
        UsageError: the model takes them in no layout.
    """
    if how.function is not None or batch.modality != "image" or how.layout != "auto":
        reader.read(how.inputs(batch.raw, batch.modality))
        return how
    height, width, channels = _stacked(batch.raw).shape[1:]
    refused: UsageError | None = None
    for layout in candidates((int(height), int(width), int(channels))):
        tried = replace(how, layout=layout)
        try:
            reader.read(tried.inputs(batch.raw, batch.modality))
        except UsageError as error:
            refused = refused or error
            continue
        return tried
    assert refused is not None  # there are layouts to try
    raise refused


def incidents_of(things: Sequence[Any], source: RowSource) -> tuple[list[Any], list[str]]:
    """Raw samples and their names.

    Args:
        things: each a path - a picture, a .txt with one text, a .json with one row, or a data set like `source` - or
            a raw sample: an (h, w[, c]) uint8 array, a {column: value} row, or, where the data are texts, a text that
            is no path.
        source: the training data, whose kind they must be of.

    Raises:
        UsageError: none, too many, or of another kind.
    """
    raws: list[Any] = []
    names: list[str] = []
    for number, thing in enumerate(things, 1):
        found = _read(thing, source)
        raws += [raw for _, raw in found]
        names += [name or f"incident {number}" for name, _ in found]
    if not 0 < len(raws) <= _MOST_INCIDENTS:
        remedy = "Name the samples that got a wrong answer with --incident."
        raise UsageError(f"1 to {_MOST_INCIDENTS} incidents", str(len(raws)), "--incident", remedy)
    if source.modality == "table":
        raws = [_aligned(raw, source, name) for raw, name in zip(raws, names, strict=True)]
    return raws, names


def _read(thing: Any, source: RowSource) -> list[tuple[str, Any]]:
    kind = source.modality
    if kind == "image" and isinstance(thing, np.ndarray) and thing.ndim in (2, 3):
        return [("", thing)]
    if kind == "table" and isinstance(thing, dict):
        return [("", thing)]
    if not isinstance(thing, str | Path):
        raise UsageError(f"a path or a raw {kind} sample", type(thing).__name__, "incident", "Give one.")
    path = Path(thing)
    try:
        there = path.exists()
    except OSError:  # a text too long for a name
        there = False
    if not there:
        if kind == "text" and isinstance(thing, str):
            return [("", thing)]
        raise UsageError("an incident", "nothing there", str(path), "Check the path.")
    return _of_path(path, source)


def _of_path(path: Path, source: RowSource) -> list[tuple[str, Any]]:
    import json

    suffix = path.suffix.lower()
    if source.modality == "image" and suffix in _PICTURES:
        return [(path.name, decode(read_bytes(path, path.name, source.limits), path.name, source.limits))]
    if source.modality == "text" and suffix in (".txt", ".text"):
        return [(path.name, path.read_text(encoding="utf-8", errors="replace"))]
    if source.modality == "table" and suffix == ".json":
        return [(path.name, dict(json.loads(path.read_text(encoding="utf-8"))))]
    keys = ("label", "text", "id", "source", "x_key", "y_key")
    try:
        more = open_source(path, **{k: source.options[k] for k in keys if source.options.get(k) is not None})
    except SourceError as error:
        remedy = "Give a picture, a .txt, a .json with one row, or a file like the data."
        raise UsageError(
            f"an incident that is {source.modality} data", error.got, str(path), remedy
        ) from error
    if more.modality != source.modality:
        raise UsageError(f"{source.modality} data", f"{more.modality} data", str(path), "Give another file.")
    batch = next(iter(more.batches(_MOST_INCIDENTS + 1)))
    rows = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
    return [(f"{path.name} {i}", raw) for i, raw in zip(batch.ids, rows, strict=True)]


def _aligned(row: dict[str, Any], source: RowSource, name: str) -> dict[str, Any]:
    """A row with the columns of the data, in their order."""
    columns = next(iter(source.batches(1))).raw.column_names
    missing = [c for c in columns if c not in row]
    if missing:
        got = f"none for {', '.join(map(repr, missing[:5]))}"
        raise UsageError("a value for every column of the data", got, name, "Use null where there is none.")
    return {c: row[c] for c in columns}
