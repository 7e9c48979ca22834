"""What a linear model would say without some of its samples: exactly for ridge, by one Newton step for logistic.

Ridge with group G left out, by the Woodbury identity: w_-G = w - H^-1 X_G' (I - L_G)^-1 r_G, where r = y - Xw and
L = X H^-1 X' is the leverage (Cook & Weisberg, Residuals and Influence in Regression, 1982, section 3.2). Logistic
regression: one Newton step from the fitted weights with the group left out, H with weights p (1 - p) (Pregibon,
Logistic Regression Diagnostics, Annals of Statistics 9, 1981).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["logistic_without", "ridge_without"]

Values = NDArray[np.float64]


def ridge_without(x: Values, y: Values, weights: Values, penalty: float, group: NDArray[np.intp]) -> Values:
    """Weights of a ridge regression fitted without a group.

    Args:
        x: (n, d); a column of ones for the intercept, if there is one (it is penalised like the others).
        y: (n,).
        weights: (d,) fitted on all.
        penalty: lambda of ||y - Xw||^2 + lambda ||w||^2.
        group: rows left out.

    Returns:
        (d,), exact up to rounding.
    """
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += penalty
    toward = np.linalg.solve(gram, x[group].T)
    leverage = x[group] @ toward
    residual = y[group] - x[group] @ weights
    without: Values = weights - toward @ np.linalg.solve(np.eye(len(group)) - leverage, residual)
    return without


def logistic_without(
    x: Values, y: Values, weights: Values, penalty: float, group: NDArray[np.intp]
) -> Values:
    """Weights of a binary logistic regression after one Newton step without a group.

    Args:
        x: (n, d), with a column of ones for the intercept.
        y: (n,) 0 or 1.
        weights: (d,) fitted on all.
        penalty: lambda of sum of losses + lambda/2 ||w||^2; 1 / C of scikit-learn.
        group: rows left out.

    Returns:
        (d,).
    """
    kept = np.delete(np.arange(len(x)), group)
    p = 1 / (1 + np.exp(-np.clip(x[kept] @ weights, -50, 50)))
    slope = x[kept].T @ (p - y[kept]) + penalty * weights
    curve = (x[kept] * (p * (1 - p))[:, None]).T @ x[kept]
    curve[np.diag_indices_from(curve)] += penalty
    stepped: Values = weights - np.linalg.solve(curve, slope)
    return stepped
