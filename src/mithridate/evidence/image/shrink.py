"""Pictures made small: sums over a grid of their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["starts", "summed"]


def starts(size: int, side: int) -> NDArray[np.int64]:
    """Where the parts of `size` pixels begin, `side` of them at most, alike to a pixel."""
    parts = min(side, size)
    return np.arange(parts) * size // parts


def summed(pictures: NDArray[Any], side: int) -> NDArray[Any]:
    """(b, h, w, ...) → (b, at most `side`, at most `side`, ...) sums."""
    rows, columns = (starts(size, side) for size in pictures.shape[1:3])
    return np.add.reduceat(np.add.reduceat(pictures, rows, axis=1), columns, axis=2)
