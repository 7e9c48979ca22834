"""Half precision as it is kept on disk → single precision as it is worked with, several times faster than a cast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled

__all__ = ["widen"]

_RAISE = np.float32(2.0**112)  # what the two formats' exponents differ by


def widen(
    stored: NDArray[np.float16] | NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The same values as float32. Exact for finite ones; half precision's infinities and nan are not kept apart.

    Args:
        stored: of any shape.
        out: contiguous, of the same shape, filled; made when None.
    """
    if out is None:
        out = np.empty(stored.shape, dtype=np.float32)
    if stored.dtype != np.float16:
        out[...] = stored
        return out
    _shift(np.ascontiguousarray(stored).view(np.uint16).reshape(-1), out.view(np.uint32).reshape(-1))
    # Numbers below the least normal one become so here, too: multiplying knows about them.
    np.multiply(out, _RAISE, out=out)
    return out


@compiled
def _shift(half: NDArray[np.uint16], out: NDArray[np.uint32]) -> None:
    """Sign, exponent and mantissa where float32 has them."""
    for i in range(half.size):
        bits = np.uint32(half[i])
        out[i] = ((bits & np.uint32(0x8000)) << np.uint32(16)) | ((bits & np.uint32(0x7FFF)) << np.uint32(13))
