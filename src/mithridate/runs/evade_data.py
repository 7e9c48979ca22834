"""Labelled pictures of a data set as a model wants them: their layout, and which output stands for which label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import stream
from mithridate.core.errors import UsageError
from mithridate.core.evasion import Asked
from mithridate.core.layout import LAYOUTS, candidates, lay_out
from mithridate.models.base import Model
from mithridate.sources.arrays import ArrayImages
from mithridate.sources.base import RowSource
from mithridate.sources.folder import MediaFiles

__all__ = ["COUNT", "ask", "labels_of", "matched"]

#: Pictures attacked when nobody says how many.
COUNT = 200
_PROBE = 64


def ask(
    model: Model,
    source: RowSource,
    *,
    count: int | None = None,
    seed: int = 0,
    layout: str = "auto",
    classes: Sequence[str] | None = None,
) -> Asked:
    """Draw labelled pictures and lay them out for a model.

    Args:
        model: that will be attacked.
        source: images with labels.
        count: how many to draw; None takes `COUNT`, or all where there are fewer.
        seed: of the draw.
        layout: of `LAYOUTS`; "auto" takes, of those that the model accepts, the one it is right most often with.
        classes: the label that each output stands for; None matches by number or by sorted name.

    Raises:
        UsageError: no labelled images, images of several sizes, fewer than asked for, a model that accepts them in
            no layout, or labels that do not match its outputs.
    """
    labels = labels_of(source)
    ids, pictures, drawn, notes = _drawn(source, labels, count, seed)
    height, width, channels = pictures.shape[1:]
    shape = (int(height), int(width), int(channels))
    x, names, said, lain = _laid_out(
        model, pictures, drawn, layout, (sorted(set(filter(None, labels))), classes)
    )
    column = {name: k for k, name in enumerate(names)}
    return Asked(
        ids=ids,
        x=x,
        y=np.array([column[label] for label in drawn], dtype=np.int64),
        shape=shape,
        layout=lain,
        names=names,
        matching=said,
        notes=notes,
    )


def matched(
    labels: Sequence[str], outputs: int, classes: Sequence[str] | None
) -> tuple[tuple[str, ...], str]:
    """Which label each output stands for, and how that was decided.

    Args:
        labels: all labels of the data, each once.
        outputs: of the model.
        classes: what the user said, or None.

    Raises:
        UsageError: they do not match.
    """
    if classes is not None:
        return _as_said(labels, outputs, classes)
    numbers = {label: int(label) for label in labels if label.isascii() and label.isdigit()}
    if len(numbers) == len(labels) == len(set(numbers.values())):
        if max(numbers.values()) < outputs:
            back = {number: label for label, number in numbers.items()}
            names = tuple(back.get(k, str(k)) for k in range(outputs))
            return names, "by number: the label is the number of the output, counted from 0"
        labels = sorted(labels, key=numbers.__getitem__)
    else:
        labels = sorted(labels)
    if len(labels) != outputs:
        remedy = "Say with --classes what the outputs stand for, in their order."
        got = f"{len(labels):,} labels: {', '.join(labels[:8])}{', …' if len(labels) > 8 else ''}"
        raise UsageError(f"as many labels as outputs of the model, {outputs:,}", got, "the data", remedy)
    first = f"output 0 is {labels[0]!r}, output {outputs - 1} is {labels[-1]!r}"
    return tuple(labels), f"by sorted name: {first}"


def _as_said(labels: Sequence[str], outputs: int, classes: Sequence[str]) -> tuple[tuple[str, ...], str]:
    if len(classes) != outputs or len(set(classes)) != outputs:
        got = f"{len(classes):,}, {len(set(classes)):,} of them different"
        remedy = "Give one for each output of the model, in their order."
        raise UsageError(f"{outputs:,} classes", got, "--classes", remedy)
    missing = sorted(set(labels) - set(classes))
    if missing:
        got = f"none for {', '.join(map(repr, missing[:5]))}"
        raise UsageError("an output for every label of the data", got, "--classes", "Name them all.")
    return tuple(classes), "as given with --classes"


def labels_of(source: RowSource) -> tuple[str | None, ...]:
    """The label of every row, without decoding a picture.

    Raises:
        UsageError: no images, or no labels.
    """
    if isinstance(source, MediaFiles) and source.modality == "image":
        labels = tuple(i.label for i in source.items) if source.labelled else ()
    elif isinstance(source, ArrayImages):
        labels = source.labels or ()
    elif source.modality == "image":
        labels = _read_labels(source)
    else:
        remedy = (
            "Other inputs can be attacked in Python: mithridate.runs.evade.evade(model, x, y, bounds=...)."
        )
        raise UsageError("images", f"{source.modality} data", source.uri, remedy)
    if not any(label is not None for label in labels):
        remedy = "Use one folder per class, or name the labels with --label or --y."
        raise UsageError("images with labels", "no labels", source.uri, remedy)
    return labels


def _read_labels(source: RowSource) -> tuple[str | None, ...]:
    """The label of every row, None for those that cannot be read."""
    labels: list[str | None] = [None] * source.count
    for batch in source.batches(256):
        for row, label in zip(batch.rows.tolist(), batch.labels or (), strict=False):
            labels[row] = label
    return tuple(labels)


def _drawn(
    source: RowSource, labels: Sequence[str | None], count: int | None, seed: int
) -> tuple[tuple[str, ...], NDArray[np.uint8], list[str], tuple[str, ...]]:
    """Ids, pictures (n, h, w, c), labels and notes of a random draw."""
    rows = [row for row, label in enumerate(labels) if label is not None]
    if count is not None and count > len(rows):
        got = f"{len(rows):,} with a label"
        raise UsageError(f"{count:,} or more labelled images", got, source.uri, "Lower --count.")
    few = min(COUNT if count is None else count, len(rows))
    chosen = sorted(stream(seed, "evade draw").choice(len(rows), few, replace=False).tolist())
    wanted = {rows[k] for k in chosen}
    ids = tuple(i for row, i in enumerate(source.iter_ids()) if row in wanted)
    batch = source.fetch(ids)
    if not len(batch):
        raise UsageError(
            "images that can be read", f"{len(batch.bad):,} that cannot", source.uri, "Look at them."
        )
    shapes = sorted({np.asarray(raw).shape for raw in batch.raw})
    if len(shapes) > 1:
        got = " and ".join("×".join(map(str, s)) for s in shapes[:3])
        remedy = "Resize and convert them as for training."
        raise UsageError("images of one size and number of channels", got, source.uri, remedy)
    pictures = np.stack([np.asarray(raw, dtype=np.uint8) for raw in batch.raw])
    pictures = pictures[..., None] if pictures.ndim == 3 else pictures
    notes = (
        (f"{len(batch.bad):,} of the images drawn could not be read and were left out",) if batch.bad else ()
    )
    return batch.ids, pictures, [str(label) for label in batch.labels or ()], notes


def _laid_out(
    model: Model,
    pictures: NDArray[np.uint8],
    drawn: Sequence[str],
    layout: str,
    classes: tuple[Sequence[str], Sequence[str] | None],
) -> tuple[NDArray[np.float32], tuple[str, ...], str, str]:
    """Inputs, names of the outputs, how they were matched, and the layout.

    Flattened pictures fit a linear model in any order of their values: hence the one that it is right with.
    """
    shape = (int(pictures.shape[1]), int(pictures.shape[2]), int(pictures.shape[3]))
    tried = candidates(shape) if layout == "auto" else (layout,)
    if not set(tried) <= set(LAYOUTS) or (layout == "hw" and shape[2] != 1):
        fitting = ", ".join(("auto", *candidates(shape)))
        raise UsageError(f"one of {fitting}", repr(layout), "--layout", "Choose one that fits the images.")
    refused: dict[str, list[str]] = {}
    accepted: list[tuple[float, str, tuple[tuple[str, ...], str]]] = []
    for name in tried:
        try:
            said: Any = model.predict(lay_out(pictures[:_PROBE], name))
        except UsageError as error:
            refused.setdefault(error.got, []).append(name)
            continue
        names = matched(classes[0], said.shape[1], classes[1])
        truth = [names[0].index(label) for label in drawn[:_PROBE]]
        accepted.append((float(np.mean(said.argmax(axis=1) == truth)), name, names))
    if not accepted:
        told = "×".join(map(str, shape))
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in refused.items())
        remedy = "If it is about shape, give the images the size and channels the model was trained on."
        got = f"a refusal of images of {told} (height×width×channels) in every layout ({reasons[:800]})"
        raise UsageError("a model that takes these images", got, model.name, remedy)
    _, best, names = max(accepted, key=lambda entry: entry[0])
    return lay_out(pictures, best), *names, best
