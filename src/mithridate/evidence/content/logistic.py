"""An out-of-fold, calibrated, L2-regularised logistic regression on sparse features, in bounded memory.

Dual coordinate ascent (Yu, Huang & Lin, "Dual coordinate descent methods for logistic regression and
maximum entropy models", Machine Learning 85, 2011): one pass over the samples updates the models of all folds
at once. Every feature's own share of a logit stays known, so that a key can be taken out of the prediction
exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.hashing import uniform
from mithridate.evidence.content.calibrate import calibrate
from mithridate.evidence.store import DiskArray, row_chunks

__all__ = ["FOLDS", "Features", "LinearContent", "assign_folds", "fit_content"]

FOLDS = 5
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Features:
    """Sparse features: sample i has x_ij = weight_j / norm_i for each j it carries.

    Attributes:
        indptr: (n + 1,) start of each sample's features.
        index: (nnz,) feature numbers.
        weight: (v,) weight of each feature, before each sample is brought to unit length.
    """

    indptr: NDArray[np.int64]
    index: DiskArray
    weight: NDArray[np.float32]

    def norms(self) -> NDArray[np.float32]:
        """(n,) length of each sample's vector; 1 where it is empty."""
        squares = np.zeros(len(self.indptr) - 1)
        for start, stop in row_chunks(self.indptr, _CHUNK):
            low, high = self.indptr[start], self.indptr[stop]
            rows = np.repeat(np.arange(stop - start), np.diff(self.indptr[start : stop + 1]))
            squares[start:stop] = np.bincount(
                rows, self.weight[self.index[low:high]] ** 2, minlength=stop - start
            )
        return np.where(squares > 0, np.sqrt(squares), 1.0).astype(np.float32)


@dataclass(kw_only=True)
class LinearContent:
    """A fitted model; implements `ContentModel`.

    Attributes:
        logits: (n, k) float32, out of fold and calibrated.
        accuracy: share of labelled samples predicted right.
        folds: (n,) fold of each sample.
        norms: (n,) length of each sample's feature vector.
        weights: (v, folds, c) calibrated weight of each feature in each fold's model; c = 1 for two classes.
    """

    logits: NDArray[np.float32]
    accuracy: float
    folds: NDArray[np.int8]
    norms: NDArray[np.float32]
    weights: NDArray[np.float32]

    def offsets(
        self,
        indptr: NDArray[np.int64],
        keys: DiskArray,
        parts: NDArray[np.int64],
        usual: NDArray[np.float32] | None = None,
    ) -> Callable[[int, int], NDArray[np.float32]]:
        """What keys add to their carriers' logits.

        Args:
            indptr: (n + 1,) start of each sample's entries.
            keys: (nnz,) key of each entry.
            parts: (m, s) features of each key, -1 = none; a feature named twice counts once.
            usual: (m, folds, c) weight that stands in for the key's own when it is taken out; None = 0, which
                is right where most samples lack the feature.

        Returns:
            (start, stop) → (entries, k).
        """
        own = np.zeros((len(parts), *self.weights.shape[1:]), dtype=np.float32)
        if usual is not None:
            own -= usual
        ordered = np.sort(parts, axis=1)
        for column in range(parts.shape[1]):
            part = ordered[:, column]
            new = (part >= 0) & (np.ones(len(part), bool) if column == 0 else part != ordered[:, column - 1])
            own[new] += self.weights[part[new]]

        def contribution(start: int, stop: int) -> NDArray[np.float32]:
            rows = np.repeat(np.arange(start, stop), np.diff(indptr[start : stop + 1]))
            shares = own[keys[indptr[start] : indptr[stop]], self.folds[rows]] / self.norms[rows, None]
            return _both(shares.astype(np.float32))

        return contribution


def assign_folds(ids: Sequence[str], groups: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
    """(n,) fold of each sample: by hash of the smallest id of its near-duplicate group."""
    leaders = list(ids)
    shared = np.flatnonzero(np.bincount(groups, minlength=len(groups))[groups] > 1)
    smallest: dict[int, str] = {}
    for row in shared.tolist():
        group = int(groups[row])
        smallest[group] = min(smallest.get(group, ids[row]), ids[row])
    for row in shared.tolist():
        leaders[row] = smallest[int(groups[row])]
    return (uniform(leaders, seed, "fold") * FOLDS).astype(np.int8)


def _both(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(r, 1) score of the second of two classes → (r, 2); (r, k) stays."""
    return np.concatenate([-scores / 2, scores / 2], axis=1) if scores.shape[1] == 1 else scores


def fit_content(
    features: Features,
    labels: NDArray[np.int32],
    classes: int,
    folds: NDArray[np.int8],
    *,
    seed: int,
    cost: float,
    epochs: int,
    progress: Callable[[int, int], None] | None = None,
) -> LinearContent:
    """Fit one model per fold and class on the other folds, and calibrate them together.

    Args:
        features: what the samples carry.
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        folds: (n,) 0 <= fold < FOLDS.
        seed: decides the order of the passes.
        cost: inverse strength of the L2 penalty, as in liblinear's C.
        epochs: passes over the data.
        progress: called with (passes done, passes).
    """
    from mithridate.evidence.content.ascent import ascend, predict

    n, columns = len(labels), 1 if classes == 2 else classes
    norms = features.norms()
    weights = np.zeros((len(features.weight), FOLDS * columns), dtype=np.float32)
    bias = np.zeros(FOLDS * columns, dtype=np.float32)
    dual = np.full((n, FOLDS * columns), 1e-3 * cost, dtype=np.float32)
    chunks = list(row_chunks(features.indptr, _CHUNK))
    rng = np.random.default_rng([seed, 17])
    for epoch in range(epochs + 1):
        for c in rng.permutation(len(chunks)):
            start, stop = chunks[c]
            low, high = features.indptr[start], features.indptr[stop]
            ascend(
                features.indptr[start : stop + 1] - low,
                features.index[low:high],
                features.weight,
                norms[start:stop],
                labels[start:stop],
                folds[start:stop],
                rng.permutation(stop - start),
                np.float32(cost),
                columns,
                epoch == 0,
                weights,
                bias,
                dual[start:stop],
            )
        if progress is not None:
            progress(epoch, epochs)
    del dual
    scores = np.empty((n, columns), dtype=np.float32)
    for start, stop in chunks:
        low, high = features.indptr[start], features.indptr[stop]
        predict(
            features.indptr[start : stop + 1] - low,
            features.index[low:high],
            features.weight,
            norms[start:stop],
            folds[start:stop],
            columns,
            weights,
            bias,
            scores[start:stop],
        )
    slope, shift = calibrate(_both(scores), labels)
    logits = (_both(scores) * slope + shift).astype(np.float32)
    known = labels >= 0
    weights *= features.weight[:, None] * np.float32(slope)
    return LinearContent(
        logits=logits,
        accuracy=float((logits[known].argmax(axis=1) == labels[known]).mean()),
        folds=folds,
        norms=norms,
        weights=weights.reshape(len(weights), FOLDS, columns),
    )
