"""Scores of any classifier → calibrated logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibrate"]

_SLACK = 0.02  # share of labels that may be arbitrary without moving the scale
_SAMPLE = 200_000


def calibrate(scores: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[float, NDArray[np.float64]]:
    """Slope and per-class shift that make softmax(slope * score + shift) likely, robust to arbitrary labels.

    Temperature scaling with biases (Guo et al., ICML 2017, section 4.2). The likelihood is that of
    (1 - e) softmax + e / k, so that a few loud wrong labels do not flatten the scale.

    Args:
        scores: (n, k) out-of-fold scores.
        labels: (n,) class index, -1 = missing.

    Returns:
        The slope, and (k,) shifts.
    """
    from scipy.optimize import minimize

    known = np.flatnonzero(labels >= 0)
    known = known[:: max(1, len(known) // _SAMPLE)]
    s, y, k = scores[known].astype(np.float64), labels[known], scores.shape[1]
    hot = np.zeros_like(s)
    hot[np.arange(len(y)), y] = 1.0

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, z = np.exp(theta[0]), np.exp(theta[0]) * s + theta[1:]
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
        own = p[np.arange(len(y)), y]
        mixed = (1 - _SLACK) * own + _SLACK / k
        pull = -((1 - _SLACK) * own / mixed)[:, None] * (hot - p)
        gradient = np.concatenate([[slope * (pull * s).sum()], pull.sum(axis=0)])
        ridge = theta[0] ** 2 + (theta[1:] ** 2).sum()
        return float(-np.log(mixed).sum() + 0.5 * ridge), gradient + theta

    bounds = [(-6.0, 6.0)] + [(-10.0, 10.0)] * k
    # To the end: where an early stop happens depends on the last digits of the scores.
    exact = {"ftol": 1e-14, "gtol": 1e-6, "maxiter": 500}
    found = minimize(loss, np.zeros(1 + k), jac=True, method="L-BFGS-B", bounds=bounds, options=exact)
    return float(np.exp(found.x[0])), found.x[1:]
