"""Any function of the user as a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from mithridate.models.base import Logits, Probabilities, in_batches, to_probabilities

__all__ = ["Function"]


class Function:
    """A function x → (n, k) as a `Model`.

    Args:
        function: (b, ...) inputs → (b, k) probabilities or logits, array or nested list.
        batch: how many inputs at once.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.
    """

    def __init__(self, function: Callable[[Any], Any], *, batch: int = 256, logits: Logits = "auto") -> None:
        self.function, self.batch, self.logits = function, batch, logits
        self.name = f"function {getattr(function, '__name__', type(function).__name__)}"

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""
        outputs = in_batches(self.function, x, self.batch, self.name)
        return to_probabilities(outputs, len(x), self.logits, self.name)
