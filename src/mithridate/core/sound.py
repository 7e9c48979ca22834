"""One sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sound"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """The raw of an audio sample. 16- and 24-bit samples are held exactly.

    Attributes:
        samples: (t, c) float32, full scale is [-1, 1]; c channels.
        rate: samples per second, Hz.
    """

    samples: NDArray[np.float32]
    rate: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sound):
            return NotImplemented
        return self.rate == other.rate and np.array_equal(self.samples, other.samples)

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate

    @property
    def mono(self) -> NDArray[np.float32]:
        """(t,) mean over channels."""
        if self.samples.shape[1] == 1:
            return self.samples[:, 0]
        return np.asarray(self.samples.mean(axis=1), dtype=np.float32)
