"""A square of bright and dark cells at a fixed place in the inputs of a model, whatever their layout and range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.triggers.image import Patch
from mithridate.triggers.inputs import Layout, axes, check_layout, check_range
from mithridate.triggers.pixels import Pixels

__all__ = ["Box", "Look", "Spot"]

#: "red": bright in the first channel, dark in all others.
Look = Literal["bright", "dark", "checker", "red"]


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where a window lies in inputs (n, ...).

    Attributes:
        shape: of one input once it is laid out; None where a size may vary.
        flat: whether inputs come flat and have to be laid out first.
        rows: axis of the rows in one input; the columns follow.
        channels: axis of the channels in one input, None where there are none.
        starts: (row, column) of the window's upper left corner, 0 or more.
        ends: (row, column) behind its lower right corner.
    """

    shape: tuple[int | None, ...]
    flat: bool
    rows: int
    channels: int | None
    starts: tuple[int, int]
    ends: tuple[int, int]

    @property
    def cut(self) -> tuple[slice, ...]:
        """The window in one input."""
        parts = [slice(None)] * len(self.shape)
        for axis, start, end in zip((self.rows, self.rows + 1), self.starts, self.ends, strict=True):
            parts[axis] = slice(start, end)
        return tuple(parts)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A square trigger, as a value.

    Attributes:
        look: of its cells; in a checker the upper left one is bright.
        size: side in pixels; every pixel is a cell.
        place: (row, column) of its upper left corner, negative counted from the far edge.
        low: the value of black in the inputs.
        high: the value of white in the inputs.
        layout: how an input is laid out.
        shape: of one picture, where inputs come flat; None where they come as pictures.
    """

    look: Look
    size: int
    place: tuple[int, int]
    low: float = 0.0
    high: float = 1.0
    layout: Layout = "auto"
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.look not in get_args(Look):
            raise UsageError(" or ".join(get_args(Look)), repr(self.look), "look", "Choose one of these.")
        check_layout(self.layout)
        if self.size < 1:
            raise UsageError("a side of 1 pixel or more", str(self.size), "size", "Give another size.")
        check_range(self.low, self.high)

    def box(self, shape: Sequence[int | None]) -> Box:
        """The place in inputs of a shape.

        Args:
            shape: of one input; None where a size may vary.

        Raises:
            UsageError: no picture, or one in which the trigger does not lie.
        """
        laid = tuple(shape) if self.shape is None else self.shape
        rows, channels = axes(laid, self.layout)
        sides = laid[rows : rows + 2]
        starts = tuple(
            at if at >= 0 or side is None else at + side for at, side in zip(self.place, sides, strict=True)
        )
        ends = tuple(start + self.size for start in starts)
        beyond = (side is not None and end > side for end, side in zip(ends, sides, strict=True))
        if min(starts) < 0 or any(beyond):
            expected = f"a place for {self.size}x{self.size} pixels inside inputs of shape {laid}"
            remedy = (
                "Give another `--set place=ROW,COLUMN` or `--set size=N`; where sizes vary, a place that is not "
                "negative."
            )
            raise UsageError(expected, str(self.place), "trigger", remedy)
        return Box(
            shape=laid,
            flat=len(laid) != len(shape),
            rows=rows,
            channels=channels,
            starts=cast("tuple[int, int]", starts),
            ends=cast("tuple[int, int]", ends),
        )

    def bright(self, box: Box) -> NDArray[np.bool_]:
        """Which values of the window are bright, laid out as inputs are; 1 channel where all look the same.

        Raises:
            UsageError: a red one without three channels or more.
        """
        if self.look != "red":
            square = self._square()
            return square if box.channels is None else np.expand_dims(square, box.channels)
        count = None if box.channels is None else box.shape[box.channels]
        if box.channels is None or count is None or count < 3:
            expected = "inputs with a known number of channels, 3 or more"
            raise UsageError(expected, f"shape {box.shape}", "trigger that is red", "Choose another look.")
        first = np.expand_dims(np.arange(count) == 0, (1, 2) if box.channels == 0 else (0, 1))
        return first & np.ones((self.size, self.size, 1) if box.channels else (1, self.size, self.size), bool)

    def stamp(self, x: NDArray[Any]) -> NDArray[Any]:
        """A copy of inputs (n, ...) with the trigger on each."""
        fits = self.shape is None or x.shape[1:] == self.shape
        if not fits and (x.ndim != 2 or x.shape[1] != prod(self.shape or ())):
            expected = f"inputs (n, {prod(self.shape or ())}) or {('n', *(self.shape or ()))}"
            raise UsageError(expected, str(x.shape), "inputs", "Give inputs of the shape that was named.")
        box = self.box(x.shape[1:])
        out = x.copy()
        pictures = out if fits else out.reshape(len(x), *(self.shape or ()))  # a view: the copy is contiguous
        pictures[(slice(None), *box.cut)] = np.where(self.bright(box), self.high, self.low).astype(x.dtype)
        return out

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """A (h, w[, c]) uint8 picture with the trigger on it in black and white, or in red."""
        square = self._square()[..., None]
        cells = square & (np.arange(3) == 0) if self.look == "red" else square
        return Patch(255 * cells.astype(np.uint8), self.place).apply(raw, rng)

    def describe(self) -> Mapping[str, Any]:
        """Cells (1 is bright), place, both values and where the inputs keep their channels."""
        return {
            "kind": "square",
            "look": self.look,
            "rows": ["".join("01"[int(cell)] for cell in row) for row in self._square()],
            "size": self.size,
            "place": list(self.place),
            "black": self.low,
            "white": self.high,
            "layout": self.layout,
            "shape": None if self.shape is None else list(self.shape),
        }

    @classmethod
    def described(cls, plain: Mapping[str, Any]) -> Spot:
        """The inverse of `describe`.

        Raises:
            UsageError: no description of such a trigger.
        """
        try:
            row, column = plain["place"]
            shape = plain["shape"]
            return cls(
                look=plain["look"],
                size=int(plain["size"]),
                place=(int(row), int(column)),
                low=float(plain["black"]),
                high=float(plain["white"]),
                layout=plain["layout"],
                shape=None if shape is None else tuple(int(side) for side in shape),
            )
        except (KeyError, TypeError, ValueError) as error:
            remedy = "Give a trigger from the ledger of an attack that plants squares."
            raise UsageError("a square trigger", repr(error)[:200], "trigger", remedy) from error

    def _square(self) -> NDArray[np.bool_]:
        """(size, size), which cells are bright; for a red one, in the first channel."""
        if self.look == "checker":
            square: NDArray[np.bool_] = np.indices((self.size, self.size)).sum(axis=0) % 2 == 0
            return square
        return np.full((self.size, self.size), self.look != "dark")
