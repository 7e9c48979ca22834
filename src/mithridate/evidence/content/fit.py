"""An out-of-fold, calibrated, L2-regularised logistic regression on sparse features, in bounded memory.

Dual coordinate ascent (Yu, Huang & Lin, "Dual coordinate descent methods for logistic regression and
maximum entropy models", Machine Learning 85, 2011): one pass over the samples updates the models of all folds
at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.calibrate import calibrate
from mithridate.evidence.content.logistic import FOLDS, Features, LinearContent, both
from mithridate.evidence.store import row_chunks

__all__ = ["DOUBT", "Ascent", "fit_content", "likelihood"]

_CHUNK = 1 << 20
#: Samples whose label the first fit finds less likely than this do not train the second.
DOUBT = 0.2


def fit_content(
    features: Features,
    labels: NDArray[np.int32],
    classes: int,
    folds: NDArray[np.int8],
    *,
    seed: int,
    cost: float,
    epochs: int,
    refit: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> LinearContent:
    """Fit one model per fold and class on the other folds, twice, and calibrate them together.

    The second fit goes on without the samples whose label the first finds unlikely (as INCV, Chen et al., ICML
    2019); all samples are predicted.

    Args:
        features: what the samples carry.
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        folds: (n,) 0 <= fold < FOLDS.
        seed: decides the order of the passes.
        cost: inverse strength of the L2 penalty, as in liblinear's C.
        epochs: passes over the data for the first fit; the second takes half as many.
        refit: fit twice.
        progress: called with (passes done, passes).
    """
    fit = Ascent(features, labels, 1 if classes == 2 else classes, folds, seed=seed, cost=cost)
    again = (epochs + 1) // 2 if refit else 0
    for epoch in range(epochs + 1 + again):
        if epoch == epochs + 1:
            fit.trusted = likelihood(fit.logits()[0], labels) >= DOUBT
        fit.one_pass(begin=epoch == 0)
        if progress is not None:
            progress(epoch, epochs + again)
    logits, slope = fit.logits()
    known = labels >= 0
    weights = fit.weights
    weights *= features.weight[:, None] * np.float32(slope)
    return LinearContent(
        logits=logits,
        accuracy=float((logits[known].argmax(axis=1) == labels[known]).mean()),
        folds=folds,
        norms=fit.norms,
        weights=weights.reshape(len(weights), FOLDS, fit.columns),
    )


class Ascent:
    """State of the ascent: models of all folds, dual variables of all samples.

    Args:
        features: what the samples carry.
        labels: (n,) class index, -1 = missing.
        columns: 1 for two classes, else their number.
        folds: (n,) a sample of fold f does not train model f, and is predicted by it.
        seed: decides the order of the passes.
        cost: inverse strength of the L2 penalty.
        models: how many; samples of a fold beyond train all of them.

    Attributes:
        weights: (v, models * columns).
        norms: (n,) length of each sample's vector.
        trusted: (n,) False: does not train.
    """

    def __init__(
        self, features: Features, labels: NDArray[np.int32], columns: int, folds: NDArray[np.int8], *,
        seed: int, cost: float, models: int = FOLDS,
    ) -> None:  # fmt: skip
        self._features, self._labels, self.columns, self._folds = features, labels, columns, folds
        self._cost = np.float32(cost)
        self.norms = features.norms()
        self.weights = np.zeros((len(features.weight), models * columns), dtype=np.float32)
        self._bias = np.zeros(FOLDS * columns, dtype=np.float32)
        self._dual = np.full((len(labels), models * columns), 1e-3 * cost, dtype=np.float32)
        self.trusted = np.ones(len(labels), dtype=bool)
        self._chunks = list(row_chunks(features.indptr, _CHUNK))
        self._rng = np.random.default_rng([seed, 17])

    def one_pass(self, begin: bool = False) -> None:
        """Visit every sample once; `begin`: only enter the starting duals."""
        from mithridate.evidence.content.ascent import ascend

        for c in self._rng.permutation(len(self._chunks)):
            start, stop = self._chunks[c]
            indptr, index = self._entries(start, stop)
            ascend(
                indptr, index, self._features.weight, self.norms[start:stop], self._labels[start:stop],
                self.trusted[start:stop], self._folds[start:stop], self._rng.permutation(stop - start), self._cost,
                self.columns, begin, self.weights, self._bias, self._dual[start:stop],
            )  # fmt: skip

    def scores(self) -> NDArray[np.float32]:
        """(n, columns) of each sample under the model of its fold; 0 where there is none."""
        from mithridate.evidence.content.ascent import predict

        scores = np.zeros((len(self._labels), self.columns), dtype=np.float32)
        for start, stop in self._chunks:
            indptr, index = self._entries(start, stop)
            predict(
                indptr, index, self._features.weight, self.norms[start:stop], self._folds[start:stop],
                self.columns, self.weights, self._bias, scores[start:stop],
            )  # fmt: skip
        return scores

    def logits(self) -> tuple[NDArray[np.float32], float]:
        """(n, k) calibrated out-of-fold logits, and the slope of the calibration."""
        scores = both(self.scores())
        slope, shift = calibrate(scores, self._labels)
        return (scores * slope + shift).astype(np.float32), slope

    def _entries(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        low, high = self._features.indptr[start], self._features.indptr[stop]
        return self._features.indptr[start : stop + 1] - low, self._features.index[low:high]


def likelihood(logits: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """(n,) probability of the label; of a missing one, something."""
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(z[np.arange(len(z)), np.maximum(labels, 0)] / z.sum(axis=1))
