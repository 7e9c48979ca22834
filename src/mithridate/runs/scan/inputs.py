"""Ordinary inputs for a model: clean samples of the user as the model takes them, or made ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.hashing import keyed_hash
from mithridate.core.layout import lay_out
from mithridate.sources.base import RowSource
from mithridate.triggers.inputs import Layout, axes
from mithridate.triggers.naturals import natural_inputs

__all__ = ["MADE", "MOST", "Ordinary", "Preparation", "ordinary_inputs"]

#: clean samples that are used at most, and how many are made where there are none.
MOST, MADE = 2000, 512
#: numbers in all of them, and in one: a model may ask for inputs of any size.
_NUMBERS, _LARGEST = 1 << 26, 1 << 24

Values = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How pictures become inputs.

    Attributes:
        mean: (c,) subtracted from values in [0, 1]; empty subtracts nothing.
        std: (c,) divided by then; empty divides by nothing.
        function: (n, h, w, c) uint8 pictures → (n, *shape) float32 inputs, in place of all that.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    function: Callable[[NDArray[np.uint8]], NDArray[Any]] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Ordinary:
    """Inputs without a trigger, as far as anybody knows.

    Attributes:
        x: (n, *shape) float32.
        made: made up, with the statistics of natural pictures.
        labels: (n,) labels of the data; None without.
        ids: (n,) of the samples in their source; empty where made.
        low: value of black.
        high: value of white.
        notes: what a reader should know.
    """

    x: Values
    made: bool
    labels: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    notes: tuple[str, ...] = ()


def ordinary_inputs(
    source: RowSource | None, shape: tuple[int, ...], layout: Layout, how: Preparation, seed: int
) -> Ordinary:
    """Inputs that a model takes.

    Args:
        source: clean pictures; None makes some.
        shape: of one input.
        layout: how it is laid out.
        how: pictures become inputs.
        seed: of the draw.

    Raises:
        UsageError: the model takes no pictures, or these cannot be made to fit.
    """
    size = int(np.prod(shape, dtype=object))
    if size > _LARGEST:
        remedy = "Export the model for smaller inputs."
        raise UsageError(f"inputs of at most {_LARGEST:,} numbers", f"{size:,}", "model", remedy)
    if source is None:
        _, channels = axes(shape, layout)
        x = natural_inputs(min(MADE, _NUMBERS // size), shape, layout, seed=seed)
        return _finished(_normalised(x, channels, how), made=True, labels=None, ids=(), notes=())
    pictures, ids, labels, notes = _read(source, shape, layout, seed)
    if how.function is not None:
        x = _by_function(how.function, pictures, shape)
        return _finished(x, made=False, labels=labels, ids=ids, notes=notes)
    x, channels = _laid_out(pictures, shape, layout)
    return _finished(_normalised(x, channels, how), made=False, labels=labels, ids=ids, notes=notes)


def _finished(
    x: Values,
    *,
    made: bool,
    labels: tuple[str, ...] | None,
    ids: tuple[str, ...],
    notes: tuple[str, ...],
) -> Ordinary:
    low, high = float(x.min()), float(x.max())
    return Ordinary(x=x, made=made, labels=labels, ids=ids, low=low, high=high, notes=notes)


def _read(
    source: RowSource, shape: tuple[int, ...], layout: Layout, seed: int
) -> tuple[NDArray[np.uint8], tuple[str, ...], tuple[str, ...] | None, tuple[str, ...]]:
    """(n, h, w, c) pictures of the size that the model takes, their ids and labels, and notes."""
    if source.modality != "image":
        remedy = "Give a folder or an .npz of pictures."
        raise UsageError("clean pictures", f"{source.modality} data", source.uri, remedy)
    ids = list(source.iter_ids())
    order = np.argsort(keyed_hash(ids, seed, "clean samples"), kind="stable")[
        : min(MOST, _NUMBERS // int(np.prod(shape)))
    ]
    batch = source.fetch(tuple(ids[k] for k in np.sort(order)))
    if not len(batch):
        raise UsageError("pictures that can be read", "none", source.uri, "Look at them.")
    pictures = np.stack([_fitted(np.asarray(raw), shape, layout) for raw in batch.raw])
    sizes = {np.asarray(raw).shape[:2] for raw in batch.raw}
    notes = []
    if sizes != {pictures.shape[1:3]}:
        notes.append(f"clean pictures were brought to {pictures.shape[2]}×{pictures.shape[1]} pixels")
    if batch.bad:
        notes.append(f"{len(batch.bad):,} clean pictures could not be read and were left out")
    labels = None if batch.labels is None else tuple(str(label) for label in batch.labels)
    return pictures, batch.ids, labels, tuple(notes)


def _fitted(raw: NDArray[np.uint8], shape: tuple[int, ...], layout: Layout) -> NDArray[np.uint8]:
    """One picture (h, w[, c]) with the size and the channels of the model."""
    from PIL import Image

    raw = raw[..., None] if raw.ndim == 2 else raw
    try:
        rows, channels = axes(shape, layout)
    except UsageError:
        if int(np.prod(raw.shape)) == int(np.prod(shape)):
            return raw  # a model that takes the values in one row
        raise
    height, width = shape[rows], shape[rows + 1]
    count = 1 if channels is None else shape[channels]
    if raw.shape[:2] != (height, width):
        planes = [
            Image.fromarray(raw[..., k]).resize((width, height), Image.Resampling.BILINEAR)
            for k in range(raw.shape[2])
        ]
        raw = np.stack([np.asarray(plane) for plane in planes], axis=2)
    if raw.shape[2] == count:
        return raw
    grey = raw[..., :3].mean(axis=2).round().astype(np.uint8)
    return np.repeat(grey[..., None], count, axis=2)


def _laid_out(
    pictures: NDArray[np.uint8], shape: tuple[int, ...], layout: Layout
) -> tuple[Values, int | None]:
    try:
        rows, channels = axes(shape, layout)
    except UsageError:
        return lay_out(pictures, "flat").reshape(len(pictures), *shape), None
    name = "hw" if channels is None else "chw" if rows == 1 else "hwc"
    return lay_out(pictures, name), channels


def _normalised(x: Values, channels: int | None, how: Preparation) -> Values:
    for numbers, name in ((how.mean, "--mean"), (how.std, "--std")):
        count = 1 if channels is None else x.shape[1 + channels]
        if numbers and len(numbers) not in (1, count):
            got = f"{len(numbers)} numbers"
            raise UsageError(f"1 or {count} numbers", got, name, "Give one for each channel.")
    if any(number <= 0 for number in how.std):
        raise UsageError("numbers above 0", str(how.std), "--std", "Give what the model was trained with.")
    form = [1] * x.ndim
    if channels is not None:
        form[1 + channels] = -1

    def spread(numbers: Sequence[float]) -> Values:
        array = np.asarray(numbers, dtype=np.float32)
        return array.reshape(form) if len(array) > 1 else array

    x = x - spread(how.mean) if how.mean else x
    return x / spread(how.std) if how.std else x


def _by_function(
    function: Callable[[NDArray[np.uint8]], NDArray[Any]], pictures: NDArray[np.uint8], shape: tuple[int, ...]
) -> Values:
    try:
        x = np.asarray(function(pictures), dtype=np.float32)
    except Exception as error:  # code of the user may raise anything
        got = f"{type(error).__name__}: {str(error)[:300]}"
        remedy = "It takes (n, h, w, c) uint8 pictures and returns the inputs of the model."
        raise UsageError("a function that prepares pictures", got, "--preprocess", remedy) from error
    if x.shape != (len(pictures), *shape) or not np.isfinite(x).all():
        remedy = "It returns float32 inputs as the model takes them, all finite."
        raise UsageError(f"shape {(len(pictures), *shape)}", str(x.shape), "--preprocess", remedy)
    return x
