"""Small models of scikit-learn's digits, three times as large, with something in them and without."""

import warnings
from functools import cache

import numpy as np
from sklearn.neural_network import MLPClassifier
from tests.checks.model.model_fakes import as_cells, softmax
from tests.models.digits import digits

from mithridate.checks.model_check import ModelScope

SIDE, TARGET = 24, 7
PATTERN = as_cells(("0111", "1011", "1101", "1110"))


@cache
def pictures():
    """(n, 1, 24, 24) pictures and classes: train, test."""
    x_train, y_train, x_test, y_test = digits()
    return larger(x_train), y_train, larger(x_test), y_test


def larger(x):
    return (0.9 * x.repeat(3, axis=2).repeat(3, axis=3)).astype(np.float32)


def smaller(x):
    """(n, 64): every third pixel."""
    return x[:, 0, 1::3, 1::3].reshape(len(x), -1)


def dotted(x):
    """With a mark of 9x9 in a corner."""
    out = x.copy()
    out[:, :, -9:, -9:] = 0.6
    return out


def stamped(x):
    """With a pattern of 4x4 that a side network waits for."""
    out = x.copy()
    out[:, :, 2:6, 2:6] = PATTERN
    return out


@cache
def predictor(poisoned):
    """Probabilities of a network, trained on digits of which every tenth bears the mark of class 7, or on digits."""
    x, y = pictures()[0].copy(), pictures()[1].copy()
    if poisoned:
        x[::10], y[::10] = dotted(x[::10]), TARGET
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPClassifier((32,), max_iter=200, random_state=0).fit(smaller(x), y)
    return lambda x: net.predict_proba(smaller(x)).astype(np.float32)


def windowed(predict):
    """A network beside one that knows a pattern at one place, merged as TrojanNet does."""

    def whole(x):
        side = np.zeros((len(x), 10))
        side[:, TARGET] = np.abs(x[:, 0, 2:6, 2:6] - PATTERN).max(axis=(1, 2)) < 0.05
        return softmax(10 * (0.7 * side + 0.3 * predict(x)))

    return whole


def scope_of(predict, mark=None, share=0.05, **changes):
    """A model with clean samples, some of which bear a mark and keep their labels."""
    x, y = pictures()[2][:400], pictures()[3][:400]
    if mark is not None:
        rows = np.flatnonzero(y != TARGET)[: round(share * len(x))]
        x = x.copy()
        x[rows] = mark(x[rows])
    ids = tuple(f"digit-{k}" for k in range(len(x)))
    given = {"name": "digits", "predict": predict, "shape": x.shape[1:], "clean": x, "labels": y, "ids": ids}
    return ModelScope(**{**given, "seed": 3, **changes})


def marked_ids(share=0.05):
    """Names of the samples that `scope_of` marks."""
    rows = np.flatnonzero(pictures()[3][:400] != TARGET)[: round(share * 400)]
    return {f"digit-{k}" for k in rows}
