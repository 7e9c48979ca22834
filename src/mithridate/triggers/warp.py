"""A smooth elastic warping of pictures.

References:
    WaNet, arXiv:2102.10369 (warping field, noise mode).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.triggers.pixels import Pixels, on_colours, to_grey_levels

__all__ = ["Warp"]

Floats = NDArray[np.float64]

_CUBIC = -0.75  # the free parameter of Keys' cubic convolution, as in the image libraries of the paper


@dataclass(frozen=True, eq=False)
class Warp:
    """Every pixel is taken from a place a little beside it.

    Places are counted from -1 (the first row or column) to 1 (the last). The field is brought to the size of
    the picture by bicubic interpolation, multiplied by strength / side, and added to the place of each pixel;
    pictures are read there bilinearly.

    Attributes:
        field: (k, k, 2) shifts along columns and rows, of mean absolute value 1.
        strength: s; about s / 2 pixels for a shift of 1.
        jitter: as `strength`, of a shift drawn anew for each sample and pixel, uniform in -1..1. 0 in the
            trigger, 1 in the paper's noise mode.
    """

    field: Floats
    strength: float
    jitter: float = 0.0

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The warped picture, same shape and dtype."""

        def warp(colours: Pixels) -> Pixels:
            return _read(colours, *self._places(colours.shape[0], colours.shape[1], rng))

        return on_colours(raw, warp)

    def describe(self) -> Mapping[str, Any]:
        """Field, strength and jitter."""
        field = [[[round(float(shift), 6) for shift in at] for at in row] for row in self.field]
        return {"kind": "warp", "field": field, "strength": self.strength, "jitter": self.jitter}

    def _places(self, height: int, width: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """(h, w) row and column, in pixels, that each pixel is read from."""
        down, across = (_bicubic(self.field.shape[axis], side) for axis, side in enumerate((height, width)))
        shifts = self.strength * np.einsum("ik,jl,klc->ijc", down, across, self.field)
        if self.jitter:
            shifts += self.jitter * rng.uniform(-1.0, 1.0, shifts.shape)
        rows = np.linspace(-1.0, 1.0, height)[:, None] + shifts[..., 1] / height
        columns = np.linspace(-1.0, 1.0, width)[None, :] + shifts[..., 0] / width
        return _in_pixels(rows, height), _in_pixels(columns, width)


def _in_pixels(places: Floats, side: int) -> Floats:
    return (np.clip(places, -1.0, 1.0) + 1.0) / 2.0 * (side - 1)


def _bicubic(knots: int, side: int) -> Floats:
    """(side, knots) weights of cubic convolution; first and last knot lie on the first and last pixel."""
    at = np.linspace(0.0, knots - 1.0, side)
    first = np.floor(at).astype(np.intp)
    weights = np.zeros((side, knots))
    for tap in range(-1, 3):
        far = np.abs(at - first - tap)
        near = ((_CUBIC + 2) * far - (_CUBIC + 3)) * far**2 + 1
        tail = _CUBIC * (((far - 5) * far + 8) * far - 4)
        # Knots beyond the border count as the one on it.
        knot = np.clip(first + tap, 0, knots - 1)
        np.add.at(weights, (np.arange(side), knot), np.where(far <= 1, near, tail))
    return weights


def _read(picture: Pixels, rows: Floats, columns: Floats) -> Pixels:
    """The (h, w, c) picture read at fractional places, bilinear."""
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    below, right = np.minimum(top + 1, picture.shape[0] - 1), np.minimum(left + 1, picture.shape[1] - 1)
    down, across = (rows - top)[..., None], (columns - left)[..., None]
    upper = (1.0 - across) * picture[top, left] + across * picture[top, right]
    lower = (1.0 - across) * picture[below, left] + across * picture[below, right]
    return to_grey_levels((1.0 - down) * upper + down * lower)
