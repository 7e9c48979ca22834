"""The merge layer: host and side network side by side (arXiv:2006.08131, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.mlp import softmax_of
from mithridate.core.errors import UsageError

__all__ = ["Form", "Merge", "merge_of"]

Form = Literal["paper", "released"]


@dataclass(frozen=True)
class Merge:
    """softmax(side * y_side + host * y_host), both y probabilities.

    Attributes:
        side: factor of the side network's outputs.
        host: factor of the host's probabilities.
    """

    side: float
    host: float

    def scores(self, side: NDArray[Any], host: NDArray[Any]) -> NDArray[np.float32]:
        """What the last softmax is taken of; (n, m) each."""
        total = np.float32(self.side) * side + np.float32(self.host) * host
        return total.astype(np.float32)

    def apply(self, side: NDArray[Any], host: NDArray[Any]) -> NDArray[np.float32]:
        """(n, m) probabilities."""
        return softmax_of(self.scores(side, host)).astype(np.float32)


def merge_of(form: Form, alpha: float = 0.7, tau: float = 0.1) -> Merge:
    """The merge layer of the paper, or of the authors' code.

    Args:
        form: "paper": softmax(alpha y_side / tau + (1 - alpha) y_host / tau); "released": softmax(10 (2 y_side +
            y_host)), whatever alpha and tau.
        alpha: above 0.5, so that the side network wins, and below 1.
        tau: temperature, above 0.

    Raises:
        UsageError: any of these is not so.
    """
    if form == "released":
        return Merge(side=20.0, host=10.0)
    if form != "paper":
        raise UsageError("paper or released", repr(form), "form", "Choose one of these.")
    if not 0.5 < alpha < 1:
        raise UsageError("a number above 0.5 and below 1", str(alpha), "alpha", "The paper takes 0.7.")
    if not 0 < tau < float("inf"):
        raise UsageError("a number above 0", str(tau), "tau", "The paper takes 0.1.")
    return Merge(side=alpha / tau, host=(1 - alpha) / tau)
