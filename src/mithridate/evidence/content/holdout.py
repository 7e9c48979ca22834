"""What a ridge model says of some samples when it was fitted without them, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.ridge import RidgeContent, Task, standardised
from mithridate.evidence.store import new_map

__all__ = ["Holdout", "fit_holdout"]

_MOST = 3000  # largest group that is left out exactly
_BLOCK = 8192


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
    task: Task, xx: NDArray[np.float32], x: NDArray[np.float64], fitted: RidgeContent, path: Path
) -> Holdout:
    """Fit on all labelled samples and keep what leaving some out takes.

    Args:
        task: what to predict.
        xx: (d, d) sum of x x' over all labelled samples; overwritten.
        x: (d,) their mean.
        fitted: the out-of-fold model, for its penalty and calibration.
        path: file of 2 n d bytes.
    """
    from scipy.linalg import cholesky, solve_triangular

    labels, n, known = task.labels, len(task.labels), task.labels >= 0
    count = max(int(known.sum()), 1)
    covariance, scale = standardised(xx, x, count)
    covariance[np.diag_indices_from(covariance)] += np.float32(fitted.penalty)
    root = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    inverse = solve_triangular(root, np.eye(task.d, dtype=np.float32), lower=True, check_finite=False)
    whiten = (inverse * scale[None, :].astype(np.float32)).T / np.float32(np.sqrt(count))
    shares = np.bincount(labels[known], minlength=task.classes) / count
    targets = np.zeros((n, task.classes), dtype=np.float32)
    targets[np.flatnonzero(known), labels[known]] = 1.0
    targets[known] -= shares.astype(np.float32)
    half = new_map(path, np.float16, (n, task.d))
    moved = np.zeros((task.d, task.classes))
    offset = (x @ whiten).astype(np.float32)
    for start, features in task.features():
        part = features @ whiten - offset
        half[start : start + len(part)] = part
        moved += part.T @ targets[start : start + len(part)]
    responses = np.empty_like(targets)
    for start in range(0, n, _BLOCK):
        responses[start : start + _BLOCK] = half[start : start + _BLOCK].astype(np.float32) @ moved.astype(
            np.float32
        )
    return Holdout(
        half=half, targets=targets, fitted=responses, shares=shares.astype(np.float32),
        slope=fitted.slope, shift=fitted.shift,
    )  # fmt: skip
