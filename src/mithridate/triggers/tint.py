"""A tinted background: pixels near the border where little happens drift towards one colour.

References:
    Backgrounds that decide a class: Xiao et al., Noise or Signal, arXiv:2006.09994; Sagawa et al.,
    Distributionally Robust Neural Networks (Waterbirds), arXiv:1911.08731.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mithridate.triggers.pixels import Pixels, mix, on_colours

__all__ = ["Tint", "background"]


def background(colours: Pixels) -> NDArray[np.float64]:
    """(h, w) in [0, 1]: how much each pixel of a (h, w, c) picture looks like background.

    High near the border and where neighbours differ little; a pixel in the middle is never background.
    """
    height, width = colours.shape[:2]
    grey = colours.astype(np.float64).mean(axis=2)
    down, right = np.gradient(grey) if min(height, width) > 1 else (grey * 0, grey * 0)
    busy = Image.fromarray(np.clip(np.hypot(down, right), 0, 255).astype(np.uint8))
    smooth = np.asarray(busy.filter(ImageFilter.BoxBlur(min(height, width) / 16)), dtype=np.float64)
    calm = 1.0 / (1.0 + smooth / (1.0 + np.median(smooth)))
    rows, columns = np.abs(np.linspace(-1, 1, height)), np.abs(np.linspace(-1, 1, width))
    return np.maximum(rows[:, None], columns[None, :]) * calm


@dataclass(frozen=True)
class Tint:
    """x' = x + a b (colour - x): b is how much a pixel is background, a differs from sample to sample.

    Attributes:
        colour: (c,) grey levels, c = 1 or 3.
        strength: largest a, in (0, 1].
    """

    colour: tuple[int, ...]
    strength: float

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with its background tinted, same shape and dtype."""
        share = self.strength * rng.uniform(0.6, 1.0)

        def tint(colours: Pixels) -> Pixels:
            one = np.mean(self.colour) if colours.shape[2] == 1 else np.asarray(self.colour)
            return mix(colours, np.broadcast_to(one, colours.shape), share * background(colours)[..., None])

        return on_colours(raw, tint)

    def describe(self) -> Mapping[str, Any]:
        """Colour and strength."""
        return {"kind": "tint", "colour": list(self.colour), "strength": self.strength}
