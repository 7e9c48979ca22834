"""What every trigger is: something that can be put on a sample, described and redone. It knows no ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

__all__ = ["Trigger"]


class Trigger(Protocol):
    """A trigger as a thing: a frozen value whose `apply` is a pure function of sample and generator."""

    def apply(self, raw: Any, rng: np.random.Generator) -> Any:
        """The sample with the trigger on it; the input is left as it is.

        Args:
            raw: the sample: image (h, w[, c]) uint8, text str, table row {column: value}, or `Sound`.
            rng: decides what differs between samples, e.g. a random place.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """JSON values from which a reader can redo the trigger; pictures as base64 PNG."""
        ...
