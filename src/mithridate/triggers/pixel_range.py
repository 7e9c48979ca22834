"""The values that the pixels of ordinary inputs have, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.triggers.inputs import Layout, axes

__all__ = ["PixelRange"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelRange:
    """For every place of an input, flat: its pixel, and the values of black and white there.

    Attributes:
        pixel: (s,) number of the pixel; channels of one pixel share it.
        low: (s,) smallest value of the channel.
        high: (s,) largest.
    """

    pixel: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def of(cls, x: NDArray[np.float32], layout: Layout = "auto") -> PixelRange:
        """From ordinary inputs.

        Args:
            x: (n, *shape).
            layout: how one is laid out; inputs that are no pictures have one pixel for each value.
        """
        shape = x.shape[1:]
        size = int(np.prod(shape))
        try:
            _, channels = axes(shape, layout)
        except UsageError:
            low, high = x.reshape(len(x), -1).min(axis=0), x.reshape(len(x), -1).max(axis=0)
            return cls(pixel=np.arange(size), low=low, high=high)
        if channels is None:
            full = np.full(size, x.min(), np.float32), np.full(size, x.max(), np.float32)
            return cls(pixel=np.arange(size), low=full[0], high=full[1])
        others = tuple(axis for axis in range(x.ndim) if axis != channels + 1)
        low, high = x.min(axis=others, keepdims=True)[0], x.max(axis=others, keepdims=True)[0]
        grid = [size if axis != channels else 1 for axis, size in enumerate(shape)]
        pixel = np.broadcast_to(np.arange(int(np.prod(grid))).reshape(grid), shape)
        spread = (np.broadcast_to(part, shape).reshape(-1) for part in (low, high))
        return cls(pixel=pixel.reshape(-1).astype(np.int64), low=next(spread), high=next(spread))

    def at(
        self, places: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Of some places: (p,) cell, from 0; (p,) low; (p,) high."""
        _, cells = np.unique(self.pixel[places], return_inverse=True)
        return cells.astype(np.int64), self.low[places], self.high[places]
