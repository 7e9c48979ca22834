"""A pattern of low spatial frequencies added to pictures.

References:
    Zeng et al., Rethinking the Backdoor Attacks' Triggers: A Frequency Perspective, ICCV 2021,
    arXiv:2104.03413 (smooth triggers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.triggers.pixels import Pixels, on_colours, to_grey_levels

__all__ = ["LowFrequency", "low_frequencies"]

Floats = NDArray[np.float64]


def low_frequencies(count: int, side: int) -> Floats:
    """(count, side) of the first waves of the discrete cosine transform DCT-II, each of unit length.

    A picture narrower than the number of waves has no room for the last ones; they are zero.
    """
    waves: Floats = np.cos(np.pi * np.arange(count)[:, None] * (np.arange(side)[None, :] + 0.5) / side)
    waves *= np.sqrt(np.where(np.arange(count) == 0, 1.0, 2.0) / side)[:, None]
    waves[side:] = 0.0
    return waves


@dataclass(frozen=True, eq=False)
class LowFrequency:
    """A smooth pattern, the same on every sample: x' = x + amplitude * p / max |p|.

    Attributes:
        coefficients: (k, k, c) of p in the cosine basis, rows, columns, colours; c = 1 or 3.
        amplitude: peak of the pattern in grey levels.
    """

    coefficients: Floats
    amplitude: float

    def pattern(self, height: int, width: int) -> Floats:
        """(height, width, c) grey levels that are added."""
        down = low_frequencies(self.coefficients.shape[0], height)
        across = low_frequencies(self.coefficients.shape[1], width)
        waves: Floats = np.einsum("ui,vj,uvc->ijc", down, across, self.coefficients)
        peak = float(np.abs(waves).max())
        return waves * (self.amplitude / peak if peak > 0 else 0.0)

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the pattern, clipped to 0..255, same shape and dtype."""

        def add(colours: Pixels) -> Pixels:
            pattern = self.pattern(colours.shape[0], colours.shape[1])
            if pattern.shape[2] != colours.shape[2]:
                pattern = pattern.mean(axis=2, keepdims=True)
            return to_grey_levels(colours + pattern)

        return on_colours(raw, add)

    def describe(self) -> Mapping[str, Any]:
        """Coefficients and amplitude."""
        rounded = np.round(self.coefficients, 6).tolist()
        return {"kind": "low frequency", "coefficients": rounded, "amplitude": self.amplitude}
