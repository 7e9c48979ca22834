"""Training samples as tensors: those that are to be forgotten, and a draw of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.hashing import uniform
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.base import RowSource, quote, take

__all__ = ["Part", "Training", "read_samples", "read_training"]

Progress = Callable[[str, int, int | None], None]
_MOST = 20_000  # samples of either kind that are kept in memory
_AT_ONCE = 512
_HELD_NAMED, _HELD_OTHERS = 0.25, 0.1
_ENOUGH = 30  # named samples that are held back at least, where that is no more than half of them


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Samples to learn from, and others to judge by.

    Attributes:
        x: (n, ...) float32 tensor.
        y: (n,) int64 tensor, outputs that their labels stand for.
        held: (n,) bool tensor: these judge.
    """

    x: Any
    y: Any
    held: Any

    @property
    def learn(self) -> tuple[Any, Any]:
        """Inputs and labels to learn from."""
        return self.x[~self.held], self.y[~self.held]

    @property
    def judge(self) -> tuple[Any, Any]:
        """Inputs and labels to judge by."""
        return self.x[self.held], self.y[self.held]


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """What was read.

    Attributes:
        named: to be forgotten.
        others: not named.
        count: samples with a label in all.
        unreadable: ids of samples that could not be read.
    """

    named: Part
    others: Part
    count: int
    unreadable: tuple[str, ...]


def read_training(
    source: RowSource,
    how: Feeding,
    labels: tuple[str, ...],
    named: Collection[str],
    seed: int,
    progress: Progress,
) -> Training:
    """Read the training data once.

    Args:
        source: labelled.
        how: samples become inputs.
        labels: that each output stands for.
        named: ids of what is to be forgotten.
        seed: of what is drawn, and of what is held back.
        progress: told (stage, done, total).

    Raises:
        UsageError: ids that the data does not have, or nothing but them.
    """
    wanted, met = set(named), set[str]()
    shares = [min(1.0, _MOST / max(n, 1)) for n in (len(wanted), source.count - len(wanted))]
    kept: list[tuple[Any, NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]] = []
    unreadable: list[str] = []
    outputs = {label: k for k, label in enumerate(labels)}
    done = count = 0
    for batch in source.batches(_AT_ONCE):
        progress("reading", done, source.count)
        done += len(batch) + len(batch.bad)
        unreadable += [bad.id for bad in batch.bad]
        met |= wanted.intersection(batch.ids) | wanted.intersection(bad.id for bad in batch.bad)
        ids = np.array(batch.ids, dtype=object)
        known = np.array([label is not None for label in batch.labels or [None] * len(ids)], dtype=bool)
        mine = np.array([i in wanted for i in batch.ids], dtype=bool)
        count += int(known.sum())
        drawn = uniform(batch.ids, seed, "forget")
        rows = np.flatnonzero(known & (drawn < np.where(mine, *shares)))
        if len(rows):
            part = take(batch, rows)
            y = np.array([outputs[label] for label in part.labels or () if label is not None])
            kept.append((_floats(how.inputs(part.raw, part.modality)), y, mine[rows], _held(part.ids, seed)))
    if met != wanted:
        lost = sorted(wanted - met)
        got = f"{len(lost):,} unknown ids: {quote(lost)}"
        raise UsageError("ids of this data", got, source.uri, "Is this what the report was written about?")
    return _parts(kept, count, tuple(unreadable), source)


def read_samples(source: RowSource, how: Feeding, labels: tuple[str, ...], seed: int) -> tuple[Any, Any]:
    """Inputs and labels of a data set, a draw of it where it is large.

    Raises:
        UsageError: none is labelled, or a label is no output of the model.
    """
    import torch

    share = min(1.0, _MOST / max(source.count, 1))
    outputs = {label: k for k, label in enumerate(labels)}
    kept = []
    for batch in source.batches(_AT_ONCE):
        rows = [k for k, label in enumerate(batch.labels or ()) if label is not None]
        rows = [k for k in rows if share == 1 or uniform(batch.ids, seed, "forget")[k] < share]
        part = take(batch, np.array(rows, dtype=np.int64))
        unknown = set(part.labels or ()) - set(outputs)
        if unknown:
            remedy = "Give samples with the labels of the training data."
            raise UsageError(
                "labels of the training data", quote(sorted(map(str, unknown))), source.uri, remedy
            )
        if rows:
            y = np.array([outputs[label] for label in part.labels or () if label is not None])
            kept.append((_floats(how.inputs(part.raw, part.modality)), y))
    if not kept:
        raise UsageError(
            "labelled samples", "none", source.uri, "Give pictures in folders by class, or an .npz."
        )
    x, y = (np.concatenate(each) for each in zip(*kept, strict=True))
    return torch.from_numpy(x), torch.from_numpy(y)


def _held(ids: tuple[str, ...], seed: int) -> NDArray[np.float64]:
    return uniform(ids, seed, "forget: held")


def _floats(x: Any) -> NDArray[np.float32]:
    try:
        return np.ascontiguousarray(x, dtype=np.float32)
    except (TypeError, ValueError) as error:
        remedy = "Name a function that makes numbers of samples with --preprocess MODULE:FUNCTION."
        raise UsageError("inputs that are numbers", str(error)[:200], "the data", remedy) from error


def _parts(kept: list[Any], count: int, unreadable: tuple[str, ...], source: RowSource) -> Training:
    import torch

    if not kept:
        raise UsageError(
            "labelled samples", "none", source.uri, "Name the column of the labels with --label."
        )
    x, y, mine, order = (np.concatenate([entry[k] for entry in kept]) for k in range(4))
    parts = []
    for rows, share in ((mine, _HELD_NAMED), (~mine, _HELD_OTHERS)):
        if rows.sum() < 2:
            got = f"{rows.sum()} {'that a report names' if rows is mine else 'others'}"
            remedy = "Give a report that accuses samples, but not all of them."
            raise UsageError("2 readable samples or more", got, source.uri, remedy)
        count_held = max(1, round(share * rows.sum()), min(_ENOUGH, int(rows.sum()) // 2))
        held = order[rows] <= np.sort(order[rows])[count_held - 1]
        parts.append(
            Part(x=torch.from_numpy(x[rows]), y=torch.from_numpy(y[rows]), held=torch.from_numpy(held))
        )
    return Training(named=parts[0], others=parts[1], count=count, unreadable=unreadable)
