"""What estimators make of inputs: rows of a matrix for linear models, leaves for trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.levels import LAST, Seen

__all__ = ["EstimatorLevels"]

_TINY = 1e-12


class EstimatorLevels:
    """Looks into a scikit-learn classifier or pipeline, or a boosted one of XGBoost or LightGBM.

    Linear models read the inputs themselves; of trees, the leaves that a sample falls into are its features
    (same leaf, similar: Lin & Jeon, JASA 101, 2006).

    Args:
        estimator: fitted; gives probabilities or decisions.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        steps = getattr(estimator, "steps", None)
        self._last = steps[-1][1] if steps else estimator
        self._before = [step for _, step in steps[:-1] if step not in (None, "passthrough")] if steps else []
        self.name = f"estimator {type(self._last).__name__}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels in the order of the columns, as text."""
        return tuple(str(label) for label in getattr(self._last, "classes_", ()))

    @property
    def linear(self) -> Any:
        """The last step where it is linear, else None."""
        return self._last if hasattr(self._last, "coef_") else None

    def read(self, x: Any) -> Seen:
        """As `Reader.read`.

        Raises:
            UsageError: the estimator refuses the inputs.
        """
        try:
            for step in self._before:
                x = step.transform(x)
            logits = _logits(self._last, x)
            levels: dict[str, Any] = {LAST: _matrix(x)}
            if self.linear is None:
                levels = {"inputs": _matrix(x), LAST: leaves_of(self._last, x)}
        except UsageError:
            raise
        except Exception as error:  # an estimator may raise anything
            got = f"{type(error).__name__}: {str(error)[:300]}"
            remedy = "Give samples as it was fitted on; --preprocess MODULE:FUNCTION makes them."
            raise UsageError("inputs that the estimator takes", got, self.name, remedy) from error
        return Seen(logits=logits, levels=levels)


def _logits(model: Any, x: Any) -> NDArray[np.float64]:
    """(n, k) decisions, of two classes as (-z/2, z/2); else log-probabilities."""
    if hasattr(model, "coef_") and hasattr(model, "decision_function"):
        z = np.asarray(model.decision_function(x), dtype=np.float64)
        return np.stack([-z / 2, z / 2], axis=1) if z.ndim == 1 else z
    p = np.asarray(model.predict_proba(x), dtype=np.float64)
    return np.log(np.maximum(p, _TINY))


def _matrix(x: Any) -> Any:
    """(n, d) float32, sparse CSR as it is; missing cells become zeros with a column that says so."""
    if hasattr(x, "tocsr"):
        return x.tocsr().astype(np.float32)
    dense = np.asarray(x, dtype=np.float32)
    dense = dense.reshape(len(dense), -1)
    gone = np.isnan(dense)
    if not gone.any():
        return dense
    return np.concatenate([np.where(gone, 0, dense), gone.astype(np.float32)], axis=1)


def leaves_of(model: Any, x: Any) -> Any:
    """(n, leaves) sparse: 1 for each leaf that a sample falls into.

    Raises:
        UsageError: a model whose leaves cannot be had.
    """
    numbers = _leaf_numbers(model, x)
    from scipy.sparse import csr_matrix

    # Leaf numbers are stable identities: columns are hashed by (tree, leaf) into a fixed width per tree.
    width = 1 << 12
    columns = numbers % width + np.arange(numbers.shape[1]) * width
    n, trees = numbers.shape
    data = np.ones(n * trees, dtype=np.float32)
    return csr_matrix((data, columns.ravel(), np.arange(0, n * trees + 1, trees)), shape=(n, trees * width))


def _leaf_numbers(model: Any, x: Any) -> NDArray[np.int64]:
    """(n, trees) number of the leaf."""
    if hasattr(model, "apply"):  # scikit-learn's trees and forests, GradientBoosting, XGBoost
        return np.asarray(model.apply(x), dtype=np.int64).reshape(len(x), -1)
    if type(model).__module__.startswith("lightgbm"):
        return np.asarray(model.predict(x, pred_leaf=True), dtype=np.int64).reshape(len(x), -1)
    if hasattr(model, "_predictors"):
        return _histogram_leaves(model, x)
    remedy = "Linear models, trees, forests, HistGradientBoosting, XGBoost and LightGBM can be traced."
    raise UsageError("a model with a linear layer or leaves", type(model).__name__, "model", remedy)


def _histogram_leaves(model: Any, x: Any) -> NDArray[np.int64]:
    """Of scikit-learn's histogram boosting, which has no `apply`: the value of a leaf names it.

    Values of leaves of one tree differ, but for ties, so that the rounded value of each tree's answer will do.
    """
    columns = []
    prepared = np.asarray(model._preprocess_X(x, reset=False) if hasattr(model, "_preprocess_X") else x)
    bitsets, missing = model._bin_mapper.make_known_categories_bitsets()
    for trees in model._predictors:
        for tree in trees:
            value = tree.predict(np.ascontiguousarray(prepared, dtype=np.float64), bitsets, missing, 1)
            _, number = np.unique(tree.nodes["value"], return_inverse=True)
            order = np.argsort(tree.nodes["value"], kind="stable")
            at = np.searchsorted(tree.nodes["value"][order], value)
            columns.append(number[order[np.clip(at, 0, len(order) - 1)]])
    return np.stack(columns, axis=1).astype(np.int64)
