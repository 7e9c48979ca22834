"""Out-of-fold logits of small public data sets that scikit-learn carries; no download."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from mithridate.evidence.content.calibrate import calibrate


@cache
def cells():
    data = load_breast_cancer()
    return StandardScaler().fit_transform(data.data), data.target.astype(np.int32)


@cache
def digits():
    data = load_digits()
    return data.data / 16, data.target.astype(np.int32)


def logits(x, y):
    """Calibrated logits of a logistic regression, 5 folds, fitted again without the loudest conflicts."""
    model = LogisticRegression(C=1.0, max_iter=200)
    p = cross_val_predict(model, x, y, cv=5, method="predict_proba")
    kept = np.flatnonzero(p[np.arange(len(y)), y] >= 0.2)
    scores = np.log(p + 1e-9)
    fold = np.arange(len(y)) % 5
    for f in range(5):
        train = kept[fold[kept] != f]
        scores[fold == f] = np.log(model.fit(x[train], y[train]).predict_proba(x[fold == f]) + 1e-9)
    slope, shift = calibrate(scores.astype(np.float32), y)
    return (slope * scores + shift).astype(np.float32)


def relabel(y, rows, rng, to=None):
    """A copy of y with other labels in `rows`."""
    y = y.copy()
    k = int(y.max()) + 1
    y[rows] = (y[rows] + rng.integers(1, k, len(rows))) % k if to is None else to
    return y
