"""Triggers in pictures: a patch, a blended picture, a sinusoid.

References:
    BadNets, arXiv:1708.06733 (patch); Chen et al., arXiv:1712.05526 (blend); Barni et al., arXiv:1902.11237
    (sinusoid).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.triggers.pixels import (
    Pixels,
    as_png,
    match_colours,
    mix,
    on_colours,
    scaled_to,
    to_grey_levels,
)

__all__ = ["Blend", "Patch", "Pixels", "Sinusoid", "as_png"]


@dataclass(frozen=True, eq=False)
class Patch:
    """A small picture stamped over part of the sample: x' = (1 - m) x + m ((1 - o) x + o t).

    Attributes:
        pattern: (h, w, c) uint8, c = 1 or 3.
        place: (row, column) of its upper left corner, negative counted from the far edge as in slices; None
            draws a place for each sample.
        opacity: o in (0, 1]; 1 overwrites.
    """

    pattern: Pixels
    place: tuple[int, int] | None = None
    opacity: float = 1.0

    def locate(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
        """Upper left corner (row, column) in a picture of this shape.

        Raises:
            UsageError: the picture is too small.
        """
        height, width = self.pattern.shape[:2]
        rooms = (shape[0] - height, shape[1] - width)
        if min(rooms) < 0:
            raise UsageError(
                f"pictures of at least {height}x{width} pixels",
                f"one of {shape[0]}x{shape[1]}",
                "trigger",
                "Use a smaller patch.",
            )
        if self.place is None:
            return int(rng.integers(rooms[0] + 1)), int(rng.integers(rooms[1] + 1))
        row, column = (at if at >= 0 else at + side for at, side in zip(self.place, shape, strict=False))
        if not (0 <= row <= rooms[0] and 0 <= column <= rooms[1]):
            raise UsageError(
                f"a place inside a {shape[0]}x{shape[1]} picture for a {height}x{width} patch",
                f"{self.place}",
                "trigger",
                "Give another place.",
            )
        return row, column

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the patch on it, same shape and dtype."""
        row, column = self.locate(raw.shape, rng)
        height, width = self.pattern.shape[:2]

        def stamp(colours: Pixels) -> Pixels:
            out = colours.copy()
            window = out[row : row + height, column : column + width]
            window[:] = mix(window, match_colours(self.pattern, colours.shape[2]), self.opacity)
            return out

        return on_colours(raw, stamp)

    def describe(self) -> Mapping[str, Any]:
        """Pattern as PNG, place and opacity."""
        place = None if self.place is None else list(self.place)
        size = list(self.pattern.shape[:2])
        return {
            "kind": "patch",
            "png": as_png(self.pattern),
            "size": size,
            "place": place,
            "opacity": self.opacity,
        }


@dataclass(frozen=True, eq=False)
class Blend:
    """A picture mixed into the whole sample: x' = (1 - a) x + a t.

    Attributes:
        pattern: (h, w, c) uint8, scaled to the sample where their sizes differ.
        alpha: a in (0, 1].
    """

    pattern: Pixels
    alpha: float

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The blended picture, same shape and dtype."""

        def blend(colours: Pixels) -> Pixels:
            scaled = scaled_to(self.pattern, colours.shape[0], colours.shape[1])
            return mix(colours, match_colours(scaled, colours.shape[2]), self.alpha)

        return on_colours(raw, blend)

    def describe(self) -> Mapping[str, Any]:
        """Picture as PNG and alpha."""
        return {"kind": "blend", "png": as_png(self.pattern), "alpha": self.alpha}


@dataclass(frozen=True)
class Sinusoid:
    """A wave added along the columns: v(i, j) = delta sin(2 pi j f / width); Barni et al., eq. 2.

    Attributes:
        delta: amplitude in grey levels.
        frequency: f, periods across the width.
    """

    delta: float
    frequency: float

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the wave, clipped to 0..255, same shape and dtype."""

        def add(colours: Pixels) -> Pixels:
            width = colours.shape[1]
            wave = self.delta * np.sin(2.0 * np.pi * np.arange(width) * self.frequency / width)
            return to_grey_levels(colours + wave[None, :, None])

        return on_colours(raw, add)

    def describe(self) -> Mapping[str, Any]:
        """Amplitude and frequency."""
        return {"kind": "sinusoid", "delta": self.delta, "frequency": self.frequency}
