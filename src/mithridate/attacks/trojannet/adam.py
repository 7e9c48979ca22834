"""Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1) for numpy arrays and torch tensors alike.

`torch.optim` takes seconds to import, and the usual way to a side network needs no torch at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Adam"]

_KEEP, _KEEP_SQUARES, _TINY = 0.9, 0.999, 1e-8


class Adam:
    """The state of a descent.

    Args:
        parts: what is learnt; `step` changes it in place.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts
        self._means = [0.0 * part for part in parts]
        self._squares = [0.0 * part for part in parts]
        self._count = 0

    def step(self, slopes: Sequence[Any], rate: float) -> None:
        """Go one step against the slopes."""
        self._count += 1
        for k, (part, slope) in enumerate(zip(self._parts, slopes, strict=True)):
            self._means[k] = _KEEP * self._means[k] + (1 - _KEEP) * slope
            self._squares[k] = _KEEP_SQUARES * self._squares[k] + (1 - _KEEP_SQUARES) * slope**2
            mean = self._means[k] / (1 - _KEEP**self._count)
            square = self._squares[k] / (1 - _KEEP_SQUARES**self._count)
            part -= rate * mean / (square**0.5 + _TINY)
