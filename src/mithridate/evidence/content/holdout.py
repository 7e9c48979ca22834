"""What a ridge model says of some samples when it was fitted without them, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import one_thread
from mithridate.evidence.content.ridge import Moments, RidgeContent, standardised
from mithridate.evidence.half import widen

__all__ = ["Holdout", "fit_holdout"]

_MOST = 3000  # largest group that is left out exactly


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """Called with rows; returns calibrated logits of these rows from the model fitted on all others.

    In features Z whitened by the penalised covariance, the weights are Z' T; without the rows S they are
    w + Z_S' (I - Z_S Z_S')^-1 Z_S w with w = Z' T - Z_S' T_S (leave-many-out; Cook & Weisberg 1982, section 2.2).

    Attributes:
        features: (n, d) of the samples.
        labels: (n,) class index, -1 = missing.
        moved: (d, k) weights of the model fitted on all.
        whiten: (d, d) from features to whitened ones.
        offset: (d,) whitened mean.
        shares: (k,) class shares.
        slope: of the calibration.
        shift: (k,) of the calibration.
    """

    features: NDArray[np.float16] | NDArray[np.float32]
    labels: NDArray[np.int32]
    moved: NDArray[np.float64]
    whiten: NDArray[np.float32]
    offset: NDArray[np.float32]
    shares: NDArray[np.float32]
    slope: float
    shift: NDArray[np.float64]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r,) rows → (r, k) logits. Of more than 3,000 rows, each is left out with 2,999 others."""
        parts = np.array_split(rows, max(1, -(-len(rows) // _MOST)))
        return np.concatenate(
            [self._without(part, self._whitened(part).astype(np.float64)) for part in parts]
        )

    def of(self, rows: NDArray[np.int64], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same for changed versions of the samples.

        Args:
            rows: (r,) the samples.
            features: (r, d) of their changed versions.
        """
        changed = (features @ self.whiten - self.offset).astype(np.float64)
        parts = np.array_split(np.arange(len(rows)), max(1, -(-len(rows) // _MOST)))
        return np.concatenate([self._without(rows[part], changed[part]) for part in parts])

    def _whitened(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r, d). Not kept: of most samples nobody ever asks."""
        return widen(self.features[rows]) @ self.whiten - self.offset

    def _targets(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r, k) one-hot labels minus class shares; 0 where there is no label."""
        given = self.labels[rows]
        hot = (given[:, None] == np.arange(len(self.shares))).astype(np.float32)
        return np.where(given[:, None] >= 0, hot - self.shares, np.float32(0.0))

    def _without(self, rows: NDArray[np.int64], seen: NDArray[np.float64]) -> NDArray[np.float32]:
        """Logits of `seen` (r, d) under the model fitted without `rows`: one block Sherman-Morrison-Woodbury step."""
        half = self._whitened(rows)
        weights = self.moved - half.T @ self._targets(rows)
        left = np.eye(len(rows)) * (1 + 1e-6) - (half @ half.T).astype(np.float64)
        weights = weights + half.T @ np.linalg.solve(left, half @ weights)
        return np.asarray((seen @ weights + self.shares) * self.slope + self.shift, dtype=np.float32)


def fit_holdout(
    features: NDArray[np.float16] | NDArray[np.float32],
    labels: NDArray[np.int32],
    moments: Moments,
    fitted: RidgeContent,
) -> Holdout:
    """Fit on all labelled samples and keep what leaving some out takes.

    Args:
        features: (n, d) of all samples.
        labels: (n,) class index, -1 = missing.
        moments: of all labelled samples.
        fitted: the out-of-fold model, for its penalty and calibration.
    """
    total, sizes = max(float(moments.n.sum()), 1.0), moments.t.sum(axis=0)
    x, shares = moments.x.sum(axis=0) / total, sizes / total
    whiten = _whiten(moments.xx.sum(axis=0), x, total, fitted.penalty)
    return Holdout(
        features=features,
        labels=labels,
        moved=whiten.T.astype(np.float64) @ (moments.xt.sum(axis=0) - np.outer(x * total, shares)),
        whiten=whiten,
        offset=(x @ whiten).astype(np.float32),
        shares=shares.astype(np.float32),
        slope=fitted.slope,
        shift=fitted.shift,
    )


def _whiten(xx: NDArray[np.float32], x: NDArray[np.float64], n: float, penalty: float) -> NDArray[np.float32]:
    """(d, d) from features to whitened ones, divided by the square root of n."""
    from scipy.linalg import cholesky, solve_triangular

    covariance, scale = standardised(xx, x, n)
    covariance[np.diag_indices_from(covariance)] += np.float32(penalty)
    with one_thread():
        root = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        inverse = solve_triangular(root, np.eye(len(x), dtype=np.float32), lower=True, check_finite=False)
    whiten: NDArray[np.float32] = (inverse * scale[None, :].astype(np.float32)).T / np.float32(np.sqrt(n))
    return whiten
