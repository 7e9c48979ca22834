"""Grey pictures laid into inputs of a model, whatever their layout and range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.triggers.inputs import Layout, axes, check_range
from mithridate.triggers.pixels import Pixels, to_grey_levels

__all__ = ["Area", "Frame"]

Grey = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Area:
    """A rectangle of pixels.

    Attributes:
        top: first row.
        left: first column.
        bottom: behind the last row.
        right: behind the last column.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def size(self) -> int:
        """How many pixels."""
        return self.height * self.width

    @property
    def cut(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def near(self, other: Area) -> bool:
        """Whether both have pixels in common."""
        apart = self.top >= other.bottom or other.top >= self.bottom
        return not (apart or self.left >= other.right or other.left >= self.right)

    def grown(self, by: int, height: int, width: int) -> Area:
        """With a margin on each side, as far as a picture of that height and width reaches."""
        return Area(
            max(0, self.top - by),
            max(0, self.left - by),
            min(height, self.bottom + by),
            min(width, self.right + by),
        )

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """(height, width), true inside."""
        inside = np.zeros((height, width), dtype=bool)
        inside[self.cut] = True
        return inside


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How the inputs of a model hold pictures.

    Attributes:
        shape: of one input.
        layout: how it is laid out.
        low: value of black.
        high: value of white.

    Raises:
        UsageError: no picture, or a range that is none.
    """

    shape: tuple[int, ...]
    layout: Layout = "auto"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        check_range(self.low, self.high)
        axes(self.shape, self.layout)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width in pixels."""
        rows, _ = axes(self.shape, self.layout)
        return self.shape[rows], self.shape[rows + 1]

    @property
    def whole(self) -> Area:
        """All of it."""
        return Area(0, 0, *self.sides)

    def laid(self, grey: NDArray[Any]) -> NDArray[Any]:
        """(n, h, w) as it goes into inputs: with an axis of one channel where inputs have one."""
        _, channels = axes(self.shape, self.layout)
        return grey if channels is None else np.expand_dims(grey, 1 + channels)

    def inputs(self, grey: NDArray[Any]) -> Grey:
        """Inputs (n, *shape) that show grey pictures (n, h, w) in [0, 1]."""
        return np.broadcast_to(self._values(grey), (len(grey), *self.shape)).copy()

    def paint(self, under: Grey, grey: NDArray[Any], mask: NDArray[np.bool_]) -> Grey:
        """Inputs with grey pictures over them where a mask is true; all three are broadcast along n.

        Args:
            under: (n or 1, *shape) inputs.
            grey: (n or 1, h, w) in [0, 1].
            mask: (n or 1, h, w).
        """
        return np.where(self.laid(mask), self._values(grey), under)

    def _values(self, grey: NDArray[Any]) -> Grey:
        """(n, h, w) in [0, 1] as values of inputs, with one channel where those have some."""
        low, span = np.float32(self.low), np.float32(self.high - self.low)
        return self.laid(low + span * np.asarray(grey, dtype=np.float32))

    def shown(self, x: Grey) -> Pixels:
        """Inputs (n, *shape) as (n, h, w, 1 or 3) pictures for people."""
        _, channels = axes(self.shape, self.layout)
        levels = to_grey_levels((x.astype(np.float64) - self.low) * (255 / (self.high - self.low)))
        solid = levels[..., None] if channels is None else np.moveaxis(levels, 1 + channels, -1)
        return solid if solid.shape[-1] in (1, 3) else solid[..., : 3 if solid.shape[-1] > 3 else 1]
