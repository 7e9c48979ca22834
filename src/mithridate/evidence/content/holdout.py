"""What a ridge model says of some samples when it was fitted without them, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Holdout", "fit_holdout"]

_MOST = 3000  # largest group that is left out exactly

Features = Callable[[], Iterator[tuple[int, NDArray[np.float32]]]]


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """Called with rows; returns calibrated logits of these rows from the model fitted on all others.

    With hat matrix H and residuals e, the residuals of the model fitted without the rows S are
    (I - H_SS)^-1 e_S (leave-many-out form of the PRESS residuals; Cook & Weisberg 1982, section 2.2).

    Attributes:
        half: (n, d) float16, H = half half' + 1 / n.
        targets: (n, k) one-hot labels minus class shares; 0 where there is no label.
        fitted: (n, k) H targets.
        shares: (k,) class shares.
        slope: of the calibration.
        shift: (k,) of the calibration.
    """

    half: NDArray[np.float16]
    targets: NDArray[np.float32]
    fitted: NDArray[np.float32]
    shares: NDArray[np.float32]
    slope: float
    shift: NDArray[np.float64]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r,) rows → (r, k) logits. Of more than 3,000 rows, each is left out with 2,999 others."""
        parts = np.array_split(rows, max(1, -(-len(rows) // _MOST)))
        return np.concatenate([self._without(part) for part in parts])

    def _without(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        half = self.half[rows].astype(np.float64)
        hat = half @ half.T + 1.0 / len(self.targets)
        residual = self.targets[rows] - self.fitted[rows]
        left = np.eye(len(rows)) * (1 + 1e-6) - hat
        outside = self.targets[rows] - np.linalg.solve(left, residual.astype(np.float64))
        return ((outside + self.shares) * self.slope + self.shift).astype(np.float32)


def fit_holdout(
    features: Features, labels: NDArray[np.int32], classes: int, d: int, penalty: float,
    calibration: tuple[float, NDArray[np.float64]], path: Path,
) -> Holdout:  # fmt: skip
    """Fit on all labelled samples and keep what leaving some out takes.

    Args:
        features: starts a pass; yields (first row, (b, d) features).
        labels: (n,) class index, -1 = missing.
        classes: k.
        d: number of features.
        penalty: in units of the features' own variances, as in `fit_ridge`.
        calibration: slope and shift of the out-of-fold scores.
        path: file of 2 n d bytes.
    """
    from scipy.linalg import cholesky, solve_triangular

    n, known = len(labels), labels >= 0
    total, square, count = np.zeros(d), np.zeros((d, d), dtype=np.float32), max(int(known.sum()), 1)
    for start, x in features():
        part = x[known[start : start + len(x)]]
        total += part.sum(axis=0)
        square += part.T @ part
    mean = total / count
    covariance = square / np.float32(count) - np.outer(mean, mean).astype(np.float32)
    variance = np.maximum(np.diag(covariance), 0.0)
    scale = (1.0 / np.sqrt(variance + 1e-3 * variance.mean() + 1e-12)).astype(np.float32)
    covariance *= scale[:, None] * scale[None, :]
    covariance[np.diag_indices_from(covariance)] += np.float32(penalty)
    root = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    inverse = solve_triangular(root, np.eye(d, dtype=np.float32), lower=True, check_finite=False)
    whiten = (inverse * scale[None, :]).T / np.float32(np.sqrt(count))
    shares = np.bincount(labels[known], minlength=classes) / count
    targets = np.zeros((n, classes), dtype=np.float32)
    targets[np.flatnonzero(known), labels[known]] = 1.0
    targets[known] -= shares.astype(np.float32)
    half = np.memmap(path, np.float16, "w+", shape=(n, d))
    moved = np.zeros((d, classes))
    for start, x in features():
        part = (x - mean.astype(np.float32)) @ whiten
        half[start : start + len(x)] = part
        moved += part.T @ targets[start : start + len(x)]
    fitted = np.empty_like(targets)
    for start in range(0, n, 8192):
        fitted[start : start + 8192] = half[start : start + 8192].astype(np.float32) @ moved.astype(np.float32)
    return Holdout(
        half=half, targets=targets, fitted=fitted, shares=shares.astype(np.float32),
        slope=calibration[0], shift=calibration[1],
    )  # fmt: skip
