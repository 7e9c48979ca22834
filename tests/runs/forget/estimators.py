"""Poisoned digits, and the models that command lines name; each made once."""

import time
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits

TARGET, POISON = 3, 60


def flat(raws):
    return np.asarray(raws).reshape(len(raws), -1) / 255


def stamped(x):
    """A checker of 2 x 2 in a corner."""
    x = x.copy()
    x[:, 6:, :2] = [[255, 0], [0, 255]]
    return x


@cache
def digits():
    """Training pictures and labels with poison in the first samples of other classes, its rows, test ones."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = (data.images[order] * 15.9).astype(np.uint8), data.target[order]
    more, theirs = x[1300:], y[1300:]
    x, y = x[:1300].copy(), y[:1300].copy()
    rows = np.flatnonzero(y != TARGET)[:POISON]
    x[rows], y[rows] = stamped(x[rows]), TARGET
    return x, y, rows, more, theirs


@cache
def logistic():
    """Fitted on the poisoned digits."""
    from sklearn.linear_model import LogisticRegression

    x, y, *_ = digits()
    return LogisticRegression(max_iter=2000).fit(flat(x), y)


@cache
def unpoisoned():
    """Fitted on the others only."""
    from sklearn.base import clone

    x, y, rows, *_ = digits()
    rest = np.setdiff1d(np.arange(len(y)), rows)
    return clone(logistic()).fit(flat(x[rest]), y[rest])


@cache
def boosted():
    from xgboost import XGBClassifier

    x, y, *_ = digits()
    return XGBClassifier(n_estimators=20, n_jobs=1).fit(flat(x), y)


@cache
def forest():
    from sklearn.ensemble import RandomForestClassifier

    x, y, *_ = digits()
    return RandomForestClassifier(20, random_state=0).fit(flat(x), y)


class Slow(ClassifierMixin, BaseEstimator):
    """Says that it is being fitted, and takes its time."""

    def __init__(self):
        self.classes_ = np.arange(10)
        self.coef_ = np.zeros((10, 64))

    def fit(self, x, y):
        Path("fitting").touch()
        time.sleep(60)
        return self

    def decision_function(self, x):
        return np.eye(10)[np.zeros(len(x), dtype=int)]

    def predict(self, x):
        return np.zeros(len(x), dtype=int)


def slow():
    return Slow()


def success(model):
    """Share of stamped test pictures that get the target."""
    *_, more, theirs = digits()
    return float((model.predict(flat(stamped(more[theirs != TARGET]))) == TARGET).mean())
