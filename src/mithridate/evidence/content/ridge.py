"""Closed-form ridge classifier, out of fold: one pass for the moments, one solve per fold, one pass to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.calibrate import calibrate

__all__ = ["RidgeContent", "fit_ridge"]

#: Penalties tried, as multiples of the mean feature variance; the likeliest out-of-fold prediction wins.
PENALTIES = (0.03, 0.1, 0.3)
#: Samples whose label the first fit finds less likely than this do not train the second (INCV, Chen et al., ICML 2019).
_DOUBT = 0.1

Features = Callable[[], Iterator[tuple[int, NDArray[np.float32]]]]


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


@dataclass(frozen=True)
class _Moments:
    """Per fold: sums of x x', x t', x and t over the samples that train."""

    xx: NDArray[np.float32]
    xt: NDArray[np.float64]
    x: NDArray[np.float64]
    t: NDArray[np.float64]
    n: NDArray[np.float64]


def fit_ridge(
    features: Features,
    labels: NDArray[np.int32],
    classes: int,
    folds: NDArray[np.int8],
    d: int,
    *,
    refit: bool = True,
) -> RidgeContent:
    """Fit on the other folds, predict the own; refit without the samples that the first fit doubts.

    Args:
        features: starts a pass; yields (first row, (b, d) features).
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        folds: (n,) fold of each sample.
        d: number of features.
        refit: fit twice.
    """
    known = labels >= 0
    fitted = _predict(features, labels, classes, folds, d, known, PENALTIES)
    if not refit:
        return fitted
    doubtful = _own(fitted.logits, labels) < _DOUBT
    return _predict(features, labels, classes, folds, d, known & ~doubtful, (fitted.penalty,))


def _own(logits: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return np.asarray(p[np.arange(len(p)), np.maximum(labels, 0)])


def _predict(
    features: Features, labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8], d: int,
    train: NDArray[np.bool_], penalties: tuple[float, ...],
) -> RidgeContent:  # fmt: skip
    moments = _moments(features, labels, classes, folds, d, train)
    weights = [_solve(moments, penalty) for penalty in penalties]
    scores = np.zeros((len(penalties), len(labels), classes), dtype=np.float32)
    for start, x in features():
        for fold in range(len(moments.n)):
            rows = np.flatnonzero(folds[start : start + len(x)] == fold)
            for i, (w, bias) in enumerate(weights):
                scores[i, start + rows] = x[rows] @ w[fold] + bias[fold]
    known = labels >= 0
    fits: list[tuple[float, RidgeContent]] = []
    for penalty, s in zip(penalties, scores, strict=True):
        slope, shift = calibrate(s, labels)
        logits = (s * slope + shift).astype(np.float32)
        loss = -float(np.log(0.95 * _own(logits, labels)[known] + 0.05 / classes).mean())
        accuracy = float((logits[known].argmax(axis=1) == labels[known]).mean())
        fit = RidgeContent(logits=logits, accuracy=accuracy, penalty=penalty, slope=slope, shift=shift)
        fits.append((loss, fit))
    return min(fits, key=lambda pair: pair[0])[1]


def _moments(
    features: Features, labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8], d: int,
    train: NDArray[np.bool_],
) -> _Moments:  # fmt: skip
    k = int(folds.max()) + 1
    m = _Moments(
        np.zeros((k, d, d), np.float32),
        np.zeros((k, d, classes)),
        np.zeros((k, d)),
        np.zeros((k, classes)),
        np.zeros(k),
    )
    for start, x in features():
        stop = start + len(x)
        for fold in range(k):
            rows = np.flatnonzero((folds[start:stop] == fold) & train[start:stop])
            part, hot = x[rows], np.zeros((len(rows), classes), dtype=np.float32)
            hot[np.arange(len(rows)), labels[start + rows]] = 1.0
            m.xx[fold] += part.T @ part
            m.xt[fold] += part.T @ hot
            m.x[fold] += part.sum(axis=0)
            m.t[fold] += hot.sum(axis=0)
            m.n[fold] += len(rows)
    return m


def _solve(m: _Moments, penalty: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Per fold: centred ridge on the other folds, features in units of their own standard deviation."""
    from scipy.linalg import solve

    total = m.xx.sum(axis=0)
    squares = np.diag(total) / max(m.n.sum(), 1.0)
    weights, biases = [], []
    for fold in range(len(m.n)):
        n = max(m.n.sum() - m.n[fold], 1.0)
        x, t = (m.x.sum(axis=0) - m.x[fold]) / n, (m.t.sum(axis=0) - m.t[fold]) / n
        cov = (total - m.xx[fold]) / np.float32(n) - np.outer(x, x).astype(np.float32)
        variance = np.maximum(np.diag(cov), 0.0)
        # The squares keep rounding errors from passing for variance where samples are few or all alike.
        scale = 1.0 / np.sqrt(variance + 1e-3 * variance.mean() + 1e-4 * squares + 1e-12)
        cov *= (scale[:, None] * scale[None, :]).astype(np.float32)
        cov[np.diag_indices_from(cov)] += np.float32(penalty)
        xt = ((m.xt.sum(axis=0) - m.xt[fold]) / n - np.outer(x, t)) * scale[:, None]
        w = solve(cov, xt.astype(np.float32), assume_a="pos", overwrite_a=True, check_finite=False)
        w = w * scale[:, None].astype(np.float32)
        weights.append(w)
        biases.append((t - x @ w).astype(np.float32))
    return np.stack(weights), np.stack(biases)
