"""An out-of-fold, calibrated, L2-regularised logistic regression on sparse features, in bounded memory.

Dual coordinate ascent (Yu, Huang & Lin, "Dual coordinate descent methods for logistic regression and
maximum entropy models", Machine Learning 85, 2011): one pass over the samples updates the models of all folds
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.content.calibrate import calibrated, likelihood
from mithridate.evidence.content.dual import dual_tables
from mithridate.evidence.content.logistic import FOLDS, Features, LinearContent, both
from mithridate.evidence.store import Scratch, row_chunks

__all__ = ["DOUBT", "Ascent", "fit_content"]

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
    jobs: int = 1,
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
        jobs: threads that the models are dealt out to; the result does not depend on it.
        progress: called with (passes done, passes).
    """
    columns, norms = 1 if classes == 2 else classes, features.norms()
    parts = [
        Ascent(features, labels, columns, folds, norms, models, seed=seed, cost=cost)
        for models in _dealt(FOLDS * columns, jobs)
    ]
    again = (epochs + 1) // 2 if refit else 0
    for epoch in range(epochs + 1 + again):
        if epoch == epochs + 1:
            trusted = likelihood(_logits(parts, labels, columns)[0], labels) >= DOUBT
            for part in parts:
                part.trusted = trusted
        side_by_side(partial(Ascent.one_pass, begin=epoch == 0), parts, jobs)
        if progress is not None:
            progress(epoch, epochs + again)
    logits, slope = _logits(parts, labels, columns)
    known = labels >= 0
    weights = parts[0].weights if len(parts) == 1 else np.concatenate([p.weights for p in parts], axis=1)
    weights *= features.weight[:, None] * np.float32(slope)
    return LinearContent(
        logits=logits,
        accuracy=float((logits[known].argmax(axis=1) == labels[known]).mean()),
        folds=folds,
        norms=norms,
        weights=weights.reshape(len(weights), FOLDS, columns),
    )


def _dealt(models: int, jobs: int) -> list[range]:
    parts = max(1, min(jobs, models))
    return [range(models * part // parts, models * (part + 1) // parts) for part in range(parts)]


def _logits(
    parts: Sequence[Ascent], labels: NDArray[np.int32], columns: int
) -> tuple[NDArray[np.float32], float]:
    scores = np.zeros((len(labels), columns), dtype=np.float32)
    side_by_side(lambda part: part.predict(scores), parts, len(parts))
    logits, slope, _ = calibrated(both(scores), labels)
    return logits, slope


class Ascent:
    """State of the ascent: some models, and the dual variables of all samples for them.

    Args:
        features: what the samples carry.
        labels: (n,) class index, -1 = missing.
        columns: 1 for two classes, else their number.
        folds: (n,) a sample of fold f does not train model f, and is predicted by it.
        norms: (n,) length of each sample's vector.
        models: which; number f * columns + c is fold f's model of class c. Samples of other folds train them too.
        seed: decides the order of the passes.
        cost: inverse strength of the L2 penalty.

    Attributes:
        weights: (v, models).
        trusted: (n,) False: does not train.
    """

    def __init__(
        self, features: Features, labels: NDArray[np.int32], columns: int, folds: NDArray[np.int8],
        norms: NDArray[np.float32], models: range, *, seed: int, cost: float,
    ) -> None:  # fmt: skip
        self._features, self._labels, self._columns, self._folds = features, labels, columns, folds
        self._norms, self._first, self._tables = norms, models.start, dual_tables(cost, (1.0, 2.0))
        self.weights = np.zeros((len(features.weight), len(models)), dtype=np.float32)
        self._bias = np.zeros(len(models), dtype=np.float32)
        self._dual = Scratch(features.index.path.parent, (len(labels), len(models)), 1e-3 * cost)
        self.trusted = np.ones(len(labels), dtype=bool)
        self._chunks = list(row_chunks(features.indptr, _CHUNK))
        self._rng = np.random.default_rng([seed, 17])

    def one_pass(self, begin: bool = False) -> None:
        """Visit every sample once; `begin`: only enter the starting duals."""
        from mithridate.evidence.content.ascent import ascend

        for c in self._rng.permutation(len(self._chunks)):
            start, stop = self._chunks[c]
            indptr, index = self._entries(start, stop)
            dual = self._dual.read(start, stop)
            ascend(
                indptr, index, self._features.weight, self._norms[start:stop], self._labels[start:stop],
                self.trusted[start:stop], self._folds[start:stop], self._rng.permutation(stop - start), self._tables,
                self._columns, self._first, begin, self.weights, self._bias, dual,
            )  # fmt: skip
            self._dual.write(start, dual)

    def predict(self, scores: NDArray[np.float32]) -> None:
        """Fill in, of (n, columns) scores, those of each sample under the models of its fold that are here."""
        from mithridate.evidence.content.ascent import predict

        for start, stop in self._chunks:
            indptr, index = self._entries(start, stop)
            predict(
                indptr, index, self._features.weight, self._norms[start:stop], self._folds[start:stop],
                self._columns, self._first, self.weights, self._bias, scores[start:stop],
            )  # fmt: skip

    def _entries(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        low, high = self._features.indptr[start], self._features.indptr[stop]
        return self._features.indptr[start : stop + 1] - low, self._features.index[low:high]
