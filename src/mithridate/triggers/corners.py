"""Small patches in all four corners: they survive flips and crops (Turner et al., arXiv:1912.02771, sec. 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.triggers.image import Patch
from mithridate.triggers.pixels import Pixels, as_png

__all__ = ["Corners"]


@dataclass(frozen=True, eq=False)
class Corners:
    """A patch in every corner, mirrored so that the four match under flips.

    Attributes:
        pattern: (s, s, c) uint8, c = 1 or 3, as it is in the lower right corner.
        opacity: in (0, 1]; 1 overwrites.
    """

    pattern: Pixels
    opacity: float = 1.0

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the patches on it, same shape and dtype.

        Raises:
            UsageError: the picture is smaller than the patch.
        """
        height, width = self.pattern.shape[:2]
        for row, down in ((-height, 1), (0, -1)):
            for column, right in ((-width, 1), (0, -1)):
                raw = Patch(self.pattern[::down, ::right], (row, column), self.opacity).apply(raw, rng)
        return raw

    def describe(self) -> Mapping[str, Any]:
        """The pattern as PNG, its size and opacity."""
        size = list(self.pattern.shape[:2])
        return {"kind": "corners", "png": as_png(self.pattern), "size": size, "opacity": self.opacity}
