"""Closed-form ridge classifier, out of fold: one pass for the moments, one solve per fold, one pass to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import one_thread, side_by_side
from mithridate.evidence.content.calibrate import calibrated, likelihood

__all__ = ["Moments", "RidgeContent", "Task", "fit_ridge", "standardised"]

#: Penalties tried, as multiples of the mean feature variance; the likeliest out-of-fold prediction wins.
PENALTIES = (0.03, 0.1, 0.3)
#: Samples whose label the first fit finds less likely than this do not train the second (INCV, Chen et al., ICML 2019).
_DOUBT = 0.1
_AT_ONCE = 4  # solved; each takes d x d numbers of 8 bytes four times

#: Starts a pass; yields (first row, (b, d) features), which hold until the next step.
Features = Callable[[], Iterator[tuple[int, NDArray[np.float32]]]]
#: By fold that was left out: weights (d, k) and biases (k,).
Solved: TypeAlias = dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class RidgeContent:
    """A `ContentModel`.

    Attributes:
        logits: (n, k) calibrated.
        accuracy: share of labelled samples whose label is the most probable one.
        penalty: the one chosen.
        slope: of the calibration of the scores.
        shift: (k,) of the calibration.
    """

    logits: NDArray[np.float32]
    accuracy: float
    penalty: float
    slope: float
    shift: NDArray[np.float64]


class Moments:
    """Per fold: sums of x x', x t', x and t over labelled samples, t being the one-hot label; mergeable by adding.

    Args:
        folds: number of folds.
        d: number of features.
        classes: k.
    """

    def __init__(self, folds: int, d: int, classes: int) -> None:
        self.xx = np.zeros((folds, d, d), np.float32)
        self.xt = np.zeros((folds, d, classes))
        self.x = np.zeros((folds, d))
        self.t = np.zeros((folds, classes))
        self.n = np.zeros(folds)

    def add(self, fold: int, x: NDArray[np.float32], labels: NDArray[np.int32], sign: int = 1) -> None:
        """Take in some samples of one fold, or with sign = -1 take them out again."""
        hot = np.zeros((len(x), self.t.shape[1]), dtype=np.float32)
        hot[np.arange(len(x)), labels] = 1.0
        squares = x.T @ x
        (np.add if sign > 0 else np.subtract)(self.xx[fold], squares, out=self.xx[fold])
        self.xt[fold] += sign * (x.T @ hot)
        self.x[fold] += sign * x.sum(axis=0)
        self.t[fold] += sign * hot.sum(axis=0)
        self.n[fold] += sign * len(x)

    def total(self) -> Moments:
        """All folds as one; a copy."""
        whole = Moments(1, self.xx.shape[1], self.t.shape[1])
        for name in ("xx", "xt", "x", "t", "n"):
            getattr(whole, name)[0] = getattr(self, name).sum(axis=0)
        return whole


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be predicted from what.

    Attributes:
        features: starts a pass; yields (first row, (b, d) features).
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        folds: (n,) fold of each sample.
        d: number of features.
        jobs: threads; sums are taken in the same order for any number.
    """

    features: Features
    labels: NDArray[np.int32]
    classes: int
    folds: NDArray[np.int8]
    d: int
    jobs: int = 1

    def update(self, moments: Moments, chosen: NDArray[np.bool_], sign: int) -> None:
        """Add (or with sign = -1 take out) the chosen samples."""
        for start, x in self.features():
            side_by_side(
                partial(self._update, moments, chosen, sign, start, x), range(len(moments.n)), self.jobs
            )

    def _update(
        self,
        moments: Moments,
        chosen: NDArray[np.bool_],
        sign: int,
        start: int,
        x: NDArray[np.float32],
        fold: int,
    ) -> None:
        here = slice(start, start + len(x))
        rows = np.flatnonzero((self.folds[here] == fold) & chosen[here])
        if len(rows):
            moments.add(fold, x[rows], self.labels[start + rows], sign)

    def moments(self) -> Moments:
        """Of all labelled samples."""
        moments = Moments(int(self.folds.max()) + 1, self.d, self.classes)
        self.update(moments, self.labels >= 0, 1)
        return moments


def fit_ridge(task: Task, moments: Moments, *, refit: bool = True) -> RidgeContent:
    """Fit on the other folds, predict the own; refit without the samples that the first fit doubts.

    Args:
        task: what to predict.
        moments: of all its labelled samples; a refit takes the doubtful ones out of them.
        refit: fit twice.
    """
    with one_thread():
        penalty, solved = _penalty(task, moments)
        fitted = _predict(task, moments, penalty, solved)
    if not refit:
        return fitted
    doubtful = (likelihood(fitted.logits, task.labels) < _DOUBT) & (task.labels >= 0)
    task.update(moments, doubtful, -1)
    with one_thread():
        return _predict(task, moments, penalty, {})


def _penalty(task: Task, moments: Moments) -> tuple[float, Solved]:
    """The penalty under which the labels of one fold, predicted from the others, are likeliest, and that model."""
    fold = int(moments.n.argmax())
    models = side_by_side(lambda penalty: _solve(moments, fold, penalty), PENALTIES, task.jobs)
    rows = np.flatnonzero((task.folds == fold) & (task.labels >= 0))
    scores = np.zeros((len(models), len(rows), task.classes), dtype=np.float32)
    for start, x in task.features():
        low, high = np.searchsorted(rows, [start, start + len(x)])
        for i, (w, bias) in enumerate(models):
            scores[i, low:high] = x[rows[low:high] - start] @ w + bias
    losses = []
    for s in scores:
        logits, _, _ = calibrated(s, task.labels[rows])
        own = likelihood(logits, task.labels[rows])
        losses.append(-float(np.log(0.95 * own + 0.05 / task.classes).mean()))
    best = int(np.argmin(losses))
    return PENALTIES[best], {fold: models[best]}


def _predict(task: Task, moments: Moments, penalty: float, solved: Solved) -> RidgeContent:
    left = [fold for fold in range(len(moments.n)) if fold not in solved]
    found = side_by_side(lambda fold: _solve(moments, fold, penalty), left, min(task.jobs, _AT_ONCE))
    by_fold = {**solved, **dict(zip(left, found, strict=True))}
    models = [by_fold[fold] for fold in range(len(moments.n))]
    scores = np.zeros((len(task.labels), task.classes), dtype=np.float32)
    # Every sample under every fold's model, side by side: cheaper than gathering the samples of each fold.
    weights, biases = np.hstack([w for w, _ in models]), np.hstack([b for _, b in models])
    for start, x in task.features():
        here = slice(start, start + len(x))
        told = (x @ weights + biases).reshape(len(x), len(models), task.classes)
        scores[here] = told[np.arange(len(x)), task.folds[here]]
    logits, slope, shift = calibrated(scores, task.labels)
    known = task.labels >= 0
    accuracy = float((logits[known].argmax(axis=1) == task.labels[known]).mean())
    return RidgeContent(logits=logits, accuracy=accuracy, penalty=penalty, slope=slope, shift=shift)


def standardised(
    xx: NDArray[np.float32], x: NDArray[np.float64], n: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Covariance of features in units of about their own standard deviation, and those units' inverse.

    Args:
        xx: (d, d) sum of x x'; overwritten.
        x: (d,) mean.
        n: number of samples.
    """
    xx /= np.float32(n)
    squares = np.diag(xx).astype(np.float64)
    xx -= np.outer(x, x).astype(np.float32)
    variance = np.maximum(np.diag(xx), 0.0)
    # The squares keep rounding errors from passing for variance where samples are few or all alike.
    floor = 1e-4 * (1.0 + 1000.0 / n)
    scale = 1.0 / np.sqrt(variance + 1e-3 * variance.mean() + floor * squares + 1e-12)
    xx *= scale[:, None].astype(np.float32)
    xx *= scale[None, :].astype(np.float32)
    return xx, scale


def _solve(m: Moments, fold: int, penalty: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centred ridge on the folds other than `fold`: weights (d, k) and biases (k,)."""
    from scipy.linalg import cho_factor, cho_solve

    n = max(m.n.sum() - m.n[fold], 1.0)
    x, t = (m.x.sum(axis=0) - m.x[fold]) / n, (m.t.sum(axis=0) - m.t[fold]) / n
    single, scale = standardised(m.xx.sum(axis=0) - m.xx[fold], x, n)
    # In double precision: single leaves too few digits where features are nearly the same.
    covariance = single.astype(np.float64)
    covariance[np.diag_indices_from(covariance)] += penalty
    xt = ((m.xt.sum(axis=0) - m.xt[fold]) / n - np.outer(x, t)) * scale[:, None]
    try:
        factor = cho_factor(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        # Features that are all the same leave nothing but rounding errors: enough is added that they carry no weight.
        covariance[np.diag_indices_from(covariance)] += np.abs(covariance).sum(axis=1)
        factor = cho_factor(covariance, lower=True, check_finite=False)
    w = cho_solve(factor, xt, check_finite=False) * scale[:, None]
    return w.astype(np.float32), (t - x @ w).astype(np.float32)
