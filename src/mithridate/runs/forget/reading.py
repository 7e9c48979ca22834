"""Training samples as tensors: those that are to be forgotten, and a draw of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch
from mithridate.core.errors import UsageError
from mithridate.core.hashing import uniform
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.base import RowSource, quote, take

__all__ = [
    "Part",
    "Training",
    "first_readable",
    "numbered",
    "read_samples",
    "read_training",
    "refuse_unknown",
]

Progress = Callable[[str, int, int | None], None]
_MOST, _BYTES = 20_000, 1 << 30  # samples of either kind that are kept in memory, and what they may take
_AT_ONCE = 512
_HELD_NAMED, _HELD_OTHERS = 0.25, 0.1
_ENOUGH = 30  # named samples that are held back at least, where that is no more than half of them


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Samples to learn from, and others to judge by.

    Attributes:
        x: (n, ...) tensor.
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
        unreadable: ids of samples that could not be read, or whose inputs are not finite.
    """

    named: Part
    others: Part
    unreadable: tuple[str, ...]


@dataclass
class _Kept:
    """Inputs, outputs and whether they are named, batch by batch; inputs of one shape."""

    x: list[NDArray[Any]] = field(default_factory=list)
    y: list[NDArray[np.int64]] = field(default_factory=list)
    mine: list[NDArray[np.bool_]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def first_readable(source: RowSource) -> Batch:
    """A few samples.

    Raises:
        UsageError: none can be read.
    """
    for batch in source.batches(8):
        if len(batch):
            return batch
    raise UsageError("samples that can be read", "none", source.uri, "Check the data.")


def read_training(
    source: RowSource, how: Feeding, labels: tuple[str, ...], named: Collection[str], seed: int, progress: Progress
) -> Training:  # fmt: skip
    """Read the training data once.

    Args:
        source: labelled.
        how: samples become inputs.
        labels: that each output stands for.
        named: ids of what is to be forgotten.
        seed: of what is drawn, and of what is held back.
        progress: told (stage, done, total).

    Raises:
        UsageError: ids that the data does not have, nothing but them, or inputs of several shapes.
    """
    wanted, met = set(named), set[str]()
    most = _most(how.inputs(first_readable(source).raw, source.modality))
    shares = [min(1.0, most / max(n, 1)) for n in (len(wanted), source.count - len(wanted))]
    kept = _Kept()
    done = 0
    for batch in source.batches(_AT_ONCE):
        progress("reading", done, source.count)
        done += len(batch) + len(batch.bad)
        kept.unreadable += [bad.id for bad in batch.bad]
        met |= wanted.intersection(batch.ids) | wanted.intersection(bad.id for bad in batch.bad)
        mine = np.array([i in wanted for i in batch.ids], dtype=bool)
        drawn = uniform(batch.ids, seed, "forget") < np.where(mine, *shares)
        _keep(kept, batch, how, labels, mine, drawn, source.uri)
    refuse_unknown(wanted - met, source.uri)
    return _parts(kept, seed, source.uri)


def refuse_unknown(ids: Collection[str], where: str) -> None:
    """Refuse ids that the data does not have.

    Raises:
        UsageError: there are such.
    """
    if ids:
        got = f"{len(ids):,} unknown ids: {quote(sorted(ids))}"
        raise UsageError("ids of this data", got, where, "Is this what the report was written about?")


def numbered(said: Iterable[str], labels: Sequence[str], where: str) -> NDArray[np.int64]:
    """The outputs that labels stand for.

    Raises:
        UsageError: a label that is none of the model's.
    """
    outputs, told = {label: k for k, label in enumerate(labels)}, list(said)
    unknown = sorted(set(told) - set(outputs))
    if unknown:
        remedy = "Give samples with the labels of the training data."
        raise UsageError("labels that are outputs of the model", quote(unknown), where, remedy)
    return np.array([outputs[label] for label in told], dtype=np.int64)


def read_samples(source: RowSource, how: Feeding, labels: tuple[str, ...], seed: int) -> tuple[Any, Any]:
    """Inputs and labels of a data set, a draw of it where it is large.

    Raises:
        UsageError: none is labelled, or a label is no output of the model.
    """
    import torch

    most = _most(how.inputs(first_readable(source).raw, source.modality))
    kept = _Kept()
    for batch in source.batches(_AT_ONCE):
        drawn = uniform(batch.ids, seed, "forget") < min(1.0, most / max(source.count, 1))
        _keep(kept, batch, how, labels, np.zeros(len(batch), dtype=bool), drawn, source.uri)
    if not kept.x:
        remedy = "Give pictures in folders by class, or data with the same columns as the training data."
        raise UsageError("labelled samples", "none", source.uri, remedy)
    return torch.from_numpy(np.concatenate(kept.x)), torch.from_numpy(np.concatenate(kept.y))


def _most(x: Any) -> int:
    return int(min(_MOST, max(2, _BYTES // max(1, _numbers(x)[0].nbytes))))


def _keep(
    kept: _Kept, batch: Batch, how: Feeding, labels: tuple[str, ...], mine: NDArray[np.bool_],
    drawn: NDArray[np.bool_], where: str,
) -> None:  # fmt: skip
    """Add what is drawn and labelled of a batch."""
    known = np.array([label is not None for label in batch.labels or [None] * len(mine)], dtype=bool)
    rows = np.flatnonzero(known & drawn)
    if not len(rows):
        return
    part = take(batch, rows)
    y = numbered((label for label in part.labels or () if label is not None), labels, where)
    x = _numbers(how.inputs(part.raw, part.modality))
    if kept.x and x.shape[1:] != kept.x[0].shape[1:]:
        got = f"{kept.x[0].shape[1:]} and {x.shape[1:]}"
        raise UsageError("inputs of one shape", got, where, "Resize them as for training.")
    fine = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    kept.unreadable += [part.ids[k] for k in np.flatnonzero(~fine)]
    kept.x.append(x[fine])
    kept.y.append(y[fine])
    kept.mine.append(mine[rows][fine])


def _numbers(x: Any) -> NDArray[Any]:
    """Whole numbers, as of words, stay such; others become float32."""
    try:
        array = np.asarray(x)
        whole = array.dtype.kind in "iu"
        return np.ascontiguousarray(array, dtype=np.int64 if whole else np.float32)
    except (TypeError, ValueError) as error:
        remedy = "Name a function that makes numbers of samples with --preprocess MODULE:FUNCTION."
        raise UsageError("inputs that are numbers", str(error)[:200], "the data", remedy) from error


def _parts(kept: _Kept, seed: int, where: str) -> Training:
    if not kept.x:
        raise UsageError("labelled samples", "none", where, "Name the column of the labels with --label.")
    x, y, mine = (np.concatenate(entries) for entries in (kept.x, kept.y, kept.mine))
    named = _part(x, y, mine, _HELD_NAMED, seed, where, "that the report names")
    others = _part(x, y, ~mine, _HELD_OTHERS, seed, where, "others")
    return Training(named=named, others=others, unreadable=tuple(kept.unreadable))


def _part(
    x: NDArray[Any], y: NDArray[np.int64], rows: NDArray[np.bool_], share: float, seed: int, where: str, who: str
) -> Part:  # fmt: skip
    import torch

    count = int(rows.sum())
    if count < 2:
        remedy = "Give a report that accuses samples, but not all of them."
        raise UsageError("2 readable samples or more", f"{count} {who}", where, remedy)
    order = uniform(list(_contents(x[rows])), seed, "forget: held")
    wanted = max(1, round(share * count), min(_ENOUGH, count // 2))
    held = order <= np.sort(order)[wanted - 1]
    return Part(x=torch.from_numpy(x[rows]), y=torch.from_numpy(y[rows]), held=torch.from_numpy(held))


def _contents(x: NDArray[Any]) -> Iterator[str]:
    """A name for each sample that its exact copies share: they are held back together."""
    return (blake2b(row.tobytes(), digest_size=16).hexdigest() for row in x)
