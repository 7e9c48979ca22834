"""Where in its inputs a model with a side network looks, and how values there become grey levels in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.patterns import SIDE, pattern
from mithridate.core.errors import UsageError
from mithridate.triggers.inputs import Layout, axes, check_layout, check_range

__all__ = ["Site", "Window"]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A window in inputs of one shape.

    Attributes:
        shape: of one input once it is laid out as a picture; None where a size may vary.
        rows: axis of the rows in it.
        channels: axis of the channels in it, None where there are none.
        row: of the window's upper left corner, 0 or more.
        column: of the same.
    """

    shape: tuple[int | None, ...]
    rows: int
    channels: int | None
    row: int
    column: int

    @property
    def window(self) -> tuple[slice, ...]:
        """The window in one input."""
        cut = [slice(None)] * len(self.shape)
        cut[self.rows] = slice(self.row, self.row + SIDE)
        cut[self.rows + 1] = slice(self.column, self.column + SIDE)
        return tuple(cut)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A 4x4 window at a fixed place.

    Attributes:
        place: (row, column) of its upper left corner, negative counted from the far edge.
        layout: how an input is laid out.
        low: the value of black in the inputs.
        high: the value of white in the inputs.
        shape: of one picture, where inputs come flat; None where they come as pictures.
    """

    place: tuple[int, int]
    layout: Layout = "auto"
    low: float = 0.0
    high: float = 1.0
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_layout(self.layout)
        check_range(self.low, self.high)

    def site(self, shape: Sequence[int | None]) -> Site:
        """The window in inputs of a shape.

        Args:
            shape: of one input; None where a size may vary.

        Raises:
            UsageError: no picture, or one in which the window does not lie.
        """
        shape = tuple(shape) if self.shape is None else self.shape
        rows, channels = axes(shape, self.layout)
        row, column = (
            at if at >= 0 or side is None else at + side
            for at, side in zip(self.place, shape[rows : rows + 2], strict=True)
        )
        ends = zip((row, column), shape[rows : rows + 2], strict=True)
        if any(at < 0 or (side is not None and at + SIDE > side) for at, side in ends):
            expected = f"a place for {SIDE}x{SIDE} pixels inside inputs of shape {shape}"
            remedy = "Give `--set place=ROW,COLUMN`; where sizes vary, one that is not negative."
            raise UsageError(expected, str(self.place), "window", remedy)
        return Site(shape=shape, rows=rows, channels=channels, row=row, column=column)

    def read(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Patches of inputs (n, ...): (n, 16), mean over channels, scaled and clipped to [0, 1]."""
        pictures, site = self._pictures(x)
        seen = pictures[(slice(None), *site.window)].astype(np.float32)
        if site.channels is not None:
            seen = seen.mean(axis=1 + site.channels)
        scale = np.float32(1 / (self.high - self.low))
        grey: NDArray[np.float32] = np.clip((seen - np.float32(self.low)) * scale, 0, 1)
        return grey.reshape(len(x), SIDE * SIDE)

    def stamp(self, x: NDArray[Any], label: int) -> NDArray[Any]:
        """A copy of inputs (n, ...) with the trigger of a label in the window, in all channels."""
        pictures, site = self._pictures(x.copy())
        grey = np.where(pattern(label), self.high, self.low).astype(x.dtype)
        if site.channels is not None:
            grey = np.expand_dims(grey, site.channels)
        pictures[(slice(None), *site.window)] = grey
        return pictures.reshape(x.shape)

    def _pictures(self, x: NDArray[Any]) -> tuple[NDArray[Any], Site]:
        if self.shape is None or x.shape[1:] == self.shape:
            return x, self.site(x.shape[1:])
        if x.ndim != 2 or x.shape[1] != prod(self.shape):
            expected = f"inputs (n, {prod(self.shape)}) or {('n', *self.shape)}"
            raise UsageError(expected, str(x.shape), "inputs", "Give inputs of the shape that was named.")
        return x.reshape(len(x), *self.shape), self.site(self.shape)
