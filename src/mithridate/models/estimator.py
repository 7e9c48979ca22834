"""An estimator with `predict_proba` (scikit-learn, XGBoost, LightGBM, CatBoost) as a model."""

from __future__ import annotations

from math import prod
from typing import Any

from numpy.typing import NDArray

from mithridate.models.base import Probabilities, in_batches, to_probabilities

__all__ = ["Estimator"]


class Estimator:
    """A fitted estimator as a `Model`; columns are in the order of its `classes_`.

    Args:
        estimator: has `predict_proba`. Pictures are laid out flat, row by row, when that is what it was fitted on.
        batch: how many inputs at once.
    """

    def __init__(self, estimator: Any, *, batch: int = 256) -> None:
        self.estimator, self.batch = estimator, batch
        self.name = f"estimator {type(estimator).__name__}"

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""
        outputs = in_batches(self.estimator.predict_proba, self._flat(x), self.batch, self.name)
        return to_probabilities(outputs, len(x), False, self.name)

    def _flat(self, x: Any) -> Any:
        shape: tuple[int, ...] = getattr(x, "shape", ())
        wanted = getattr(self.estimator, "n_features_in_", None)
        return x.reshape(shape[0], -1) if len(shape) > 2 and prod(shape[1:]) == wanted else x
