"""Training functions for `mithridate drill --train`: plain ones, as a user would bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_pictures", "fit_texts"]

_WORD = r"\S+"

Predict = Callable[[Any], NDArray[np.float64]]


def fit_texts(x: Sequence[str], y: NDArray[np.int64], seed: int) -> Predict:
    """Logistic regression over words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=_WORD, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=100.0, max_iter=1000, random_state=seed))
    predict: Predict = model.fit(x, y).predict_proba
    return predict


def fit_pictures(x: NDArray[np.uint8], y: NDArray[np.int64], seed: int) -> Predict:
    """A small network, six epochs."""
    from benchmarks.networks import Recipe, fit_scores, small_cnn

    scores = fit_scores(x, y, int(y.max()) + 1, Recipe(make=small_cnn, epochs=6, rate=0.1), seed)

    def predict(new: NDArray[np.uint8]) -> NDArray[np.float64]:
        z = scores(new).astype(np.float64)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    return predict
