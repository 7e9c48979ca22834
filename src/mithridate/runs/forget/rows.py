"""Training samples whole, as an estimator is fitted on them: those to forget, and all others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch
from mithridate.core.errors import UsageError
from mithridate.core.hashing import uniform
from mithridate.runs.forget.done import Progress
from mithridate.runs.forget.measuring import Labelled
from mithridate.runs.forget.reading import numbered, refuse_unknown
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.base import RowSource, arrange, take

__all__ = ["Rows", "read_rows"]

_AT_ONCE = 4096
_FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What was read; all that is labelled and readable.

    Attributes:
        batch: samples in the order of the data.
        y: (n,) outputs that their labels stand for.
        named: (n,) bool: to be forgotten.
        unreadable: ids of samples that could not be read.
        how: they become inputs.
    """

    batch: Batch
    y: NDArray[np.int64]
    named: NDArray[np.bool_]
    unreadable: tuple[str, ...]
    how: Feeding

    def part(self, chosen: NDArray[np.bool_]) -> Labelled:
        """Inputs and outputs of some samples."""
        rows = take(self.batch, np.flatnonzero(chosen))
        return self.how.inputs(rows.raw, rows.modality), self.y[chosen]

    def folds(self, seed: int) -> Iterator[NDArray[np.bool_]]:
        """Parts (n,) of the others, apart from each other; of each class some others stay outside of each part."""
        number = (_FOLDS * uniform(self.batch.ids, seed, "forget: folds")).astype(int)
        for k in range(_FOLDS):
            held: NDArray[np.bool_] = ~self.named & (number == k)
            stay = np.unique(self.y[~self.named & ~held])
            yield held & np.isin(self.y, stay)


def read_rows(
    source: RowSource, how: Feeding, labels: tuple[str, ...], named: Collection[str], progress: Progress
) -> Rows:  # fmt: skip
    """Read a data set whole, into memory.

    Args:
        source: labelled.
        how: samples become inputs.
        labels: that each output stands for.
        named: ids of what is to be forgotten.
        progress: told (stage, done, total).

    Raises:
        UsageError: ids that the data does not have, no labels, or labels that are no outputs.
    """
    pieces, unreadable, done = [], list[str](), 0
    for batch in source.batches(_AT_ONCE):
        progress("reading", done, source.count)
        done += len(batch) + len(batch.bad)
        unreadable += [bad.id for bad in batch.bad]
        known = np.flatnonzero([label is not None for label in batch.labels or ()])
        if len(known):
            pieces.append(take(batch, known))
    if not pieces:
        raise UsageError(
            "labelled samples", "none", source.uri, "Name the column of the labels with --label."
        )
    whole = arrange(pieces, np.concatenate([p.rows for p in pieces]).tolist(), source.modality)
    wanted = set(named)
    refuse_unknown(wanted.difference(whole.ids, unreadable), source.uri)
    y = numbered((str(label) for label in whole.labels or ()), labels, source.uri)
    mine = np.array([i in wanted for i in whole.ids], dtype=bool)
    return Rows(batch=whole, y=y, named=mine, unreadable=tuple(unreadable), how=how)
