"""What triggers in pictures share: colours without the alpha channel, mixing, scaling, PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mithridate.core.errors import UsageError

__all__ = [
    "Pixels",
    "as_png",
    "colours_of",
    "match_colours",
    "mix",
    "on_colours",
    "scaled_to",
    "to_grey_levels",
]

Pixels: TypeAlias = NDArray[np.uint8]


def as_png(picture: Pixels) -> str:
    """A (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) uint8 picture as base64 PNG."""
    flat = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def colours_of(raw: Pixels) -> Pixels:
    """The colours of a (h, w[, c]) picture as (h, w, 1 or 3), without its alpha channel; a view."""
    solid = raw[..., None] if raw.ndim == 2 else raw
    return solid[..., : solid.shape[2] - (solid.shape[2] in (2, 4))]


def on_colours(raw: Pixels, change: Callable[[Pixels], Pixels]) -> Pixels:
    """Apply `change` to the (h, w, 1 or 3) colour part of a picture; an alpha channel passes untouched.

    Raises:
        UsageError: not a (h, w[, c]) uint8 picture.
    """
    if raw.dtype != np.uint8 or raw.ndim not in (2, 3):
        raise UsageError(
            "a (h, w[, c]) uint8 picture", f"{raw.dtype} {raw.shape}", "trigger", "Decode it first."
        )
    out = raw.copy()
    colours_of(out)[:] = change(colours_of(raw))
    return out


def match_colours(pattern: Pixels, channels: int) -> Pixels:
    """The (h, w, c) pattern with as many channels as the picture: repeated, or turned to grey."""
    if pattern.shape[2] == channels:
        return pattern
    if pattern.shape[2] == 1:
        return np.repeat(pattern, channels, axis=2)
    grey: NDArray[np.float64] = pattern.astype(np.float64).mean(axis=2, keepdims=True)
    return np.repeat(np.rint(grey).astype(np.uint8), channels, axis=2)


def to_grey_levels(values: NDArray[Any]) -> Pixels:
    """Rounded to whole grey levels and clipped to 0..255."""
    levels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def mix(under: NDArray[Any], over: NDArray[Any], alpha: float | NDArray[np.float64]) -> Pixels:
    """Mix two pictures: x' = (1 - a) x + a t, with one a or one for each pixel, (h, w, 1)."""
    return to_grey_levels((1.0 - alpha) * under.astype(np.float64) + alpha * over.astype(np.float64))


def scaled_to(pattern: Pixels, height: int, width: int) -> Pixels:
    """The (h, w, c) pattern in another size, bilinear."""
    if pattern.shape[:2] == (height, width):
        return pattern
    picture = Image.fromarray(pattern[..., 0] if pattern.shape[2] == 1 else pattern)
    resized = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    return resized.reshape(height, width, pattern.shape[2])
