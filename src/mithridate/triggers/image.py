"""Triggers in pictures: a patch, a blended picture, a sinusoid.

References:
    BadNets, arXiv:1708.06733 (patch); Chen et al., arXiv:1712.05526 (blend); Barni et al., arXiv:1902.11237
    (sinusoid).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mithridate.core.errors import UsageError

__all__ = ["Blend", "Patch", "Pixels", "Sinusoid", "as_png"]

Pixels = NDArray[np.uint8]


def as_png(picture: Pixels) -> str:
    """A (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) uint8 picture as base64 PNG."""
    flat = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _on_colours(raw: Pixels, change: Callable[[Pixels], Pixels]) -> Pixels:
    """Apply `change` to the (h, w, 1 or 3) colour part of a picture; an alpha channel passes untouched."""
    if raw.dtype != np.uint8 or raw.ndim not in (2, 3):
        raise UsageError(
            "a (h, w[, c]) uint8 picture", f"{raw.dtype} {raw.shape}", "trigger", "Decode it first."
        )
    solid = raw[..., None] if raw.ndim == 2 else raw
    colours = solid.shape[2] - (solid.shape[2] in (2, 4))
    out = solid.copy()
    out[..., :colours] = change(solid[..., :colours])
    return out.reshape(raw.shape)


def _match_colours(pattern: Pixels, channels: int) -> Pixels:
    """The (h, w, c) pattern with as many channels as the picture: repeated, or turned to grey."""
    if pattern.shape[2] == channels:
        return pattern
    if pattern.shape[2] == 1:
        return np.repeat(pattern, channels, axis=2)
    grey: NDArray[np.float64] = pattern.astype(np.float64).mean(axis=2, keepdims=True)
    return np.repeat(np.rint(grey).astype(np.uint8), channels, axis=2)


def _mix(under: NDArray[Any], over: NDArray[Any], alpha: float) -> Pixels:
    # x' = (1 - a) x + a t
    mixed = (1.0 - alpha) * under.astype(np.float64) + alpha * over.astype(np.float64)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


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
            window[:] = _mix(window, _match_colours(self.pattern, colours.shape[2]), self.opacity)
            return out

        return _on_colours(raw, stamp)

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
            scaled = _scaled(self.pattern, colours.shape[0], colours.shape[1])
            return _mix(colours, _match_colours(scaled, colours.shape[2]), self.alpha)

        return _on_colours(raw, blend)

    def describe(self) -> Mapping[str, Any]:
        """Picture as PNG and alpha."""
        return {"kind": "blend", "png": as_png(self.pattern), "alpha": self.alpha}


def _scaled(pattern: Pixels, height: int, width: int) -> Pixels:
    if pattern.shape[:2] == (height, width):
        return pattern
    picture = Image.fromarray(pattern[..., 0] if pattern.shape[2] == 1 else pattern)
    scaled = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    return scaled.reshape(height, width, pattern.shape[2])


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
            waved: Pixels = np.clip(np.rint(colours + wave[None, :, None]), 0, 255).astype(np.uint8)
            return waved

        return _on_colours(raw, add)

    def describe(self) -> Mapping[str, Any]:
        """Amplitude and frequency."""
        return {"kind": "sinusoid", "delta": self.delta, "frequency": self.frequency}
