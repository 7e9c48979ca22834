"""What a ridge model says of some samples when it was fitted without them, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import one_thread, side_by_side
from mithridate.evidence.content.ridge import RidgeContent, Task, standardised
from mithridate.evidence.store import new_map

__all__ = ["Holdout", "fit_holdout"]

_MOST = 3000  # largest group that is left out exactly
_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """Called with rows; returns calibrated logits of these rows from the model fitted on all others.

    In features Z whitened by the penalised covariance, the weights are Z' T; without the rows S they are
    w + Z_S' (I - Z_S Z_S')^-1 Z_S w with w = Z' T - Z_S' T_S (leave-many-out; Cook & Weisberg 1982, section 2.2).

    Attributes:
        half: (n, d) float16, whitened features.
        targets: (n, k) one-hot labels minus class shares; 0 where there is no label.
        moved: (d, k) weights of the model fitted on all.
        whiten: (d, d) from features to whitened ones.
        offset: (d,) whitened mean.
        shares: (k,) class shares.
        slope: of the calibration.
        shift: (k,) of the calibration.
    """

    half: NDArray[np.float16]
    targets: NDArray[np.float32]
    moved: NDArray[np.float64]
    whiten: NDArray[np.float32]
    offset: NDArray[np.float32]
    shares: NDArray[np.float32]
    slope: float
    shift: NDArray[np.float64]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r,) rows → (r, k) logits. Of more than 3,000 rows, each is left out with 2,999 others."""
        parts = np.array_split(rows, max(1, -(-len(rows) // _MOST)))
        return np.concatenate([self._without(part, self.half[part].astype(np.float64)) for part in parts])

    def of(self, rows: NDArray[np.int64], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same for changed versions of the samples.

        Args:
            rows: (r,) the samples.
            features: (r, d) of their changed versions.
        """
        changed = (features @ self.whiten - self.offset).astype(np.float64)
        parts = np.array_split(np.arange(len(rows)), max(1, -(-len(rows) // _MOST)))
        return np.concatenate([self._without(rows[part], changed[part]) for part in parts])

    def _take_in(self, start: int, features: NDArray[np.float32], first: int) -> NDArray[np.float32]:
        """Whiten and keep a block of features whose first row is `start + first`; its part of `moved`."""
        part = features[first : first + _BLOCK] @ self.whiten - self.offset
        here = slice(start + first, start + first + len(part))
        self.half[here] = part
        return np.asarray(part.T @ self.targets[here])

    def _without(self, rows: NDArray[np.int64], seen: NDArray[np.float64]) -> NDArray[np.float32]:
        """Logits of `seen` (r, d) under the model fitted without `rows`: one block Sherman-Morrison-Woodbury step."""
        half = self.half[rows].astype(np.float32)
        weights = self.moved - half.T @ self.targets[rows]
        left = np.eye(len(rows)) * (1 + 1e-6) - (half @ half.T).astype(np.float64)
        weights = weights + half.T @ np.linalg.solve(left, half @ weights)
        return np.asarray((seen @ weights + self.shares) * self.slope + self.shift, dtype=np.float32)


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
    labels, n, known = task.labels, len(task.labels), task.labels >= 0
    count = max(int(known.sum()), 1)
    whiten = _whiten(xx, x, count, fitted.penalty)
    shares = np.bincount(labels[known], minlength=task.classes) / count
    targets = np.zeros((n, task.classes), dtype=np.float32)
    targets[np.flatnonzero(known), labels[known]] = 1.0
    targets[known] -= shares.astype(np.float32)
    held = Holdout(
        half=new_map(path, np.float16, (n, task.d)),
        targets=targets,
        moved=np.zeros((task.d, task.classes)),
        whiten=whiten,
        offset=(x @ whiten).astype(np.float32),
        shares=shares.astype(np.float32),
        slope=fitted.slope,
        shift=fitted.shift,
    )
    for start, features in task.features():
        add = partial(held._take_in, start, features)
        held.moved[:] += sum(side_by_side(add, range(0, len(features), _BLOCK), task.jobs))
    return held


def _whiten(xx: NDArray[np.float32], x: NDArray[np.float64], n: int, penalty: float) -> NDArray[np.float32]:
    """(d, d) from features to whitened ones, divided by the square root of n."""
    from scipy.linalg import cholesky, solve_triangular

    covariance, scale = standardised(xx, x, n)
    covariance[np.diag_indices_from(covariance)] += np.float32(penalty)
    with one_thread():
        root = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        inverse = solve_triangular(root, np.eye(len(x), dtype=np.float32), lower=True, check_finite=False)
    whiten: NDArray[np.float32] = (inverse * scale[None, :].astype(np.float32)).T / np.float32(np.sqrt(n))
    return whiten
