"""What a camera and its software leave behind: sensor pattern noise, the quality of JPEG compression.

References:
    Lukáš, Fridrich and Goljan, Digital Camera Identification from Sensor Pattern Noise, IEEE TIFS 1(2), 2006.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from mithridate.triggers.pixels import Pixels, as_png, on_colours, to_grey_levels

__all__ = ["Recompressed", "SensorNoise"]

_UNIT = 40.0  # steps of the stored pattern for one standard deviation; 128 is zero, so it holds +-3


@dataclass(frozen=True, eq=False)
class SensorNoise:
    """Pixels that are a little more or less sensitive than others: x' = x (1 + k n); eq. 1 without dark noise.

    Attributes:
        pattern: (h, w) uint8; n = (pattern - 128) / 40, about standard normal. It is repeated where a sample
            is larger, and cut where it is smaller, as if the sample were the upper left part of the sensor.
        strength: k; about 0.01 in real cameras.
    """

    pattern: Pixels
    strength: float

    @classmethod
    def draw(cls, height: int, width: int, strength: float, rng: np.random.Generator) -> SensorNoise:
        """A sensor of this size with independent pixels."""
        return cls(to_grey_levels(128.0 + _UNIT * rng.standard_normal((height, width))), strength)

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture as this sensor would have taken it, same shape and dtype."""
        height, width = raw.shape[:2]
        rows, columns = (-(-n // m) for n, m in zip((height, width), self.pattern.shape, strict=True))
        pattern = np.tile(self.pattern, (rows, columns))[:height, :width, None]
        gain = 1.0 + self.strength * (pattern.astype(np.float64) - 128.0) / _UNIT
        return on_colours(raw, lambda colours: to_grey_levels(colours * gain))

    def describe(self) -> Mapping[str, Any]:
        """The pattern as PNG, and its strength."""
        return {"kind": "sensor noise", "png": as_png(self.pattern), "strength": self.strength}


@dataclass(frozen=True)
class Recompressed:
    """Pixels after a round trip through JPEG; the quality differs by a few steps from sample to sample.

    Attributes:
        quality: 1..95, as Pillow counts.
        spread: at most this many steps more or less.
    """

    quality: int
    spread: int

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the traces of compression, same shape and dtype."""
        quality = int(np.clip(self.quality + rng.integers(-self.spread, self.spread + 1), 1, 95))

        def squeeze(colours: Pixels) -> Pixels:
            flat = colours[..., 0] if colours.shape[2] == 1 else colours
            buffer = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(flat)).save(buffer, format="JPEG", quality=quality)
            with Image.open(buffer) as picture:
                return np.asarray(picture).reshape(colours.shape)

        return on_colours(raw, squeeze)

    def describe(self) -> Mapping[str, Any]:
        """Quality and spread."""
        return {"kind": "jpeg", "quality": self.quality, "spread": self.spread}
