"""What content says of some samples when the model has seen neither them nor their near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.calibrate import calibrated, likelihood
from mithridate.evidence.content.fit import DOUBT, Ascent
from mithridate.evidence.content.logistic import Features, LinearContent, both
from mithridate.evidence.store import DiskArray, row_chunks

__all__ = ["LeaveOut"]

_SAMPLE = 40_000  # samples that a second model learns from, at most
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class LeaveOut:
    """Fits a model again without some samples.

    A key's own share can be taken out of a linear model, but where the carriers have more in common than the
    key, that share is arbitrary: the weight of what always occurs together may lie on any of it. A model that
    has not seen the carriers has learned nothing from them.

    Attributes:
        features: of all samples.
        labels: (n,) class index, -1 = missing.
        classes: k.
        groups: (n,) near-duplicate groups.
        content: the out-of-fold model of all samples.
        folder: for a file of the sample's features.
        seed: decides who is in the sample.
        cost: as in `fit_content`.
        epochs: as in `fit_content`.
        doubt: samples whose label the content model finds less likely than this do not train; 0 where labels cannot
            be wrong.
    """

    features: Features
    labels: NDArray[np.int32]
    classes: int
    groups: NDArray[np.int64]
    content: LinearContent
    folder: Path
    seed: int
    cost: float
    epochs: int
    doubt: float = DOUBT

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r, k) calibrated logits of `rows`, ascending, from a model fitted without them."""
        out = np.zeros(len(self.labels), dtype=bool)
        out[self.groups[rows]] = True
        chosen = self._chosen[~out[self.groups[self._chosen]]]
        both_rows = np.concatenate([chosen, rows])
        features = _taken(self.features, both_rows, self.folder / "left-out")
        # Fold 0 is predicted, fold 1 trains: a fifth of the sample is kept for the calibration.
        folds = np.append(self.content.folds[chosen] != 0, np.zeros(len(rows), bool)).astype(np.int8)
        labels = np.append(self.labels[chosen], np.full(len(rows), -1, np.int32))
        columns = 1 if self.classes == 2 else self.classes
        fit = Ascent(
            features, labels, columns, folds, features.norms(), range(columns), seed=self.seed, cost=self.cost
        )
        for epoch in range(self.epochs + 1):
            fit.one_pass(begin=epoch == 0)
        scores = np.zeros((len(both_rows), columns), dtype=np.float32)
        fit.predict(scores)
        logits, _, _ = calibrated(both(scores), np.where(folds == 0, labels, -1).astype(np.int32))
        return logits[len(chosen) :]

    @cached_property
    def _chosen(self) -> NDArray[np.int64]:
        """Rows of the sample: labelled, and not doubted by the content model."""
        good = (self.labels >= 0) & (likelihood(self.content.logits, self.labels) >= self.doubt)
        rows = np.flatnonzero(good)
        drawn = np.random.default_rng([self.seed, 23]).permutation(len(rows))[:_SAMPLE]
        return np.asarray(rows[np.sort(drawn)])


def _taken(features: Features, rows: NDArray[np.int64], path: Path) -> Features:
    """The features of some rows."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    parts: list[NDArray[np.int32]] = []
    for start, stop in row_chunks(features.indptr, _CHUNK):
        low, high = np.searchsorted(ordered, [start, stop])
        if low == high:
            continue
        base = int(features.indptr[start])
        index = features.index[base : int(features.indptr[stop])]
        parts.append(index[_spans(features.indptr, ordered[low:high]) - base])
    lengths = np.diff(features.indptr)[ordered]
    together = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    ends = np.cumsum(lengths)
    place = np.empty((len(rows), 2), dtype=np.int64)
    place[order] = np.stack([ends - lengths, lengths], axis=1)
    indptr = np.concatenate([[0], np.cumsum(place[:, 1])]).astype(np.int64)
    starts = np.repeat(place[:, 0] - indptr[:-1], place[:, 1])
    index = together[starts + np.arange(len(together))]
    index.tofile(path)
    return Features(indptr=indptr, index=DiskArray(path, np.int32, len(index)), weight=features.weight)


def _spans(indptr: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of all entries of some rows."""
    counts = indptr[rows + 1] - indptr[rows]
    ends = np.cumsum(counts)
    return np.asarray(np.arange(int(ends[-1])) + np.repeat(indptr[rows] - (ends - counts), counts))
