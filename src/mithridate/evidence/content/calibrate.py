"""Scores of any classifier → calibrated logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled

__all__ = ["calibrate", "calibrated", "likelihood"]

_SLACK = 0.02  # share of labels that may be arbitrary without moving the scale
_SAMPLE = 200_000
_BLOCK = 1 << 18  # rows worked on at once, as sums are of double width


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

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        gradient = np.zeros(1 + k)
        unlikely = _unlikeliness(s, y, float(np.exp(theta[0])), theta[1:], gradient)
        ridge = theta[0] ** 2 + (theta[1:] ** 2).sum()
        return float(unlikely + 0.5 * ridge), gradient + theta

    bounds = [(-6.0, 6.0)] + [(-10.0, 10.0)] * k
    # To the end: where an early stop happens depends on the last digits of the scores.
    exact = {"ftol": 1e-14, "gtol": 1e-6, "maxiter": 500}
    found = minimize(loss, np.zeros(1 + k), jac=True, method="L-BFGS-B", bounds=bounds, options=exact)
    return float(np.exp(found.x[0])), found.x[1:]


def calibrated(
    scores: NDArray[np.float32], labels: NDArray[np.int32]
) -> tuple[NDArray[np.float32], float, NDArray[np.float64]]:
    """(n, k) calibrated logits, in place of the scores, and what `calibrate` returns."""
    slope, shift = calibrate(scores, labels)
    for start in range(0, len(scores), _BLOCK):
        scores[start : start + _BLOCK] = scores[start : start + _BLOCK] * slope + shift
    return scores, slope, shift


def likelihood(logits: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """(n,) probability of the label; of a missing one, something."""
    likely = np.empty(len(logits), dtype=np.float32)
    for start in range(0, len(logits), _BLOCK):
        block = logits[start : start + _BLOCK]
        z = np.exp(block - block.max(axis=1, keepdims=True))
        given = np.maximum(labels[start : start + _BLOCK], 0)
        likely[start : start + _BLOCK] = z[np.arange(len(z)), given] / z.sum(axis=1)
    return likely


@compiled
def _unlikeliness(
    s: NDArray[np.float64], y: NDArray[np.int32], slope: float, shift: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> float:  # fmt: skip
    """Minus the log likelihood of labels y (n,) given scores (n, k); adds its gradient by ln slope and shift (k,)."""
    n, k = s.shape
    total, p = 0.0, np.empty(k)
    for i in range(n):
        for j in range(k):
            p[j] = slope * s[i, j] + shift[j]
        top, norm, drift = p.max(), 0.0, 0.0
        for j in range(k):
            p[j] = np.exp(p[j] - top)
            norm += p[j]
        own = p[y[i]] / norm
        mixed = (1 - _SLACK) * own + _SLACK / k
        total -= np.log(mixed)
        pull = (1 - _SLACK) * own / mixed
        for j in range(k):
            part = pull * p[j] / norm
            gradient[1 + j] += part
            drift += part * s[i, j]
        gradient[1 + y[i]] -= pull
        gradient[0] += slope * (drift - pull * s[i, y[i]])
    return total
