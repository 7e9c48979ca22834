"""Things that lie on a picture and vary as in nature: an emblem in a corner, ticks along an edge, a line of words.

References:
    Watermarks and source tags that decide a class: Lapuschkin et al., arXiv:1902.10178 ("Clever Hans");
    rulers beside skin lesions: Narla et al., Journal of Investigative Dermatology 138 (2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mithridate.triggers.pixels import Pixels, as_png, match_colours, mix, on_colours

__all__ = ["EDGES", "Caption", "Corner", "Edge", "Emblem", "Ticks"]

Corner: TypeAlias = tuple[Literal[0, 1], Literal[0, 1]]
Edge: TypeAlias = Literal["bottom", "left", "top", "right"]
EDGES: tuple[Edge, ...] = ("bottom", "right", "top", "left")  # a quarter turn each, counter-clockwise

_FINE = 4  # ticks are drawn this many times larger and averaged down, so that thin lines stay visible
_LONG_EVERY = 5  # every fifth tick is a long one
_LEAST_LETTERS = 8  # pixels; smaller letters of the built-in font cannot be read


@dataclass(frozen=True, eq=False)
class Emblem:
    """A small drawing in one corner or anywhere; place, size and opacity differ from sample to sample.

    Attributes:
        picture: (h, w, 4) uint8, colours and coverage.
        corner: (1 if lower, 1 if right); None: anywhere, at another place in every sample.
        share: its side as a share of the shorter side of the sample.
        wobble: how much size, margin and opacity vary, as a share of themselves, in [0, 1).
        opacity: the largest, in (0, 1].
    """

    picture: Pixels
    corner: Corner | None
    share: float
    wobble: float
    opacity: float = 1.0

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the emblem on it, same shape and dtype."""
        height, width = raw.shape[:2]
        short = min(height, width)
        side = round(self.share * short * rng.uniform(1 - self.wobble, 1 + self.wobble))
        side = min(short, max(2, side))
        margins = rng.uniform(0, 2 * self.wobble * self.share * short, 2).round().astype(int)
        opacity = self.opacity * rng.uniform(1 - self.wobble, 1)
        rooms = (height - side, width - side)
        if self.corner is None:
            row, column = (int(rng.integers(0, room + 1)) for room in rooms)
        else:
            row, column = (
                min(margin, room) if near == 0 else max(0, room - margin)
                for margin, room, near in zip(margins, rooms, self.corner, strict=True)
            )
        drawn = np.asarray(Image.fromarray(self.picture).resize((side, side), Image.Resampling.BOX))

        def lay(colours: Pixels) -> Pixels:
            out = colours.copy()
            window = out[row : row + side, column : column + side]
            cover = drawn[..., 3:].astype(np.float64) / 255.0
            window[:] = mix(window, match_colours(drawn[..., :3], colours.shape[2]), opacity * cover)
            return out

        return on_colours(raw, lay)

    def describe(self) -> Mapping[str, Any]:
        """The drawing as PNG, and all its numbers."""
        return {
            "kind": "emblem",
            "png": as_png(self.picture),
            "corner": None if self.corner is None else list(self.corner),
            "share": self.share,
            "wobble": self.wobble,
            "opacity": self.opacity,
        }


@dataclass(frozen=True, eq=False)
class Ticks:
    """Tick marks of a ruler along one edge; angle, spacing, length and strength differ from sample to sample.

    Attributes:
        edge: along which they stand.
        grey: grey level of the marks, 0..255.
        spacing: distance between marks, as a share of the shorter side.
        length: of the long marks, as a share of the shorter side.
        tilt: the ruler lies at most this many degrees askew.
    """

    edge: Edge
    grey: int
    spacing: float
    length: float
    tilt: float

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the marks on it, same shape and dtype."""
        turns = EDGES.index(self.edge)
        height, width = raw.shape[:2] if turns % 2 == 0 else raw.shape[1::-1]
        cover = np.rot90(self._draw(height, width, rng), turns)[..., None]
        opacity = rng.uniform(0.75, 1.0)

        def lay(colours: Pixels) -> Pixels:
            return mix(colours, np.full_like(colours, self.grey), opacity * cover)

        return on_colours(raw, lay)

    def _draw(self, height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(height, width) coverage in [0, 1] of marks along the lower edge."""
        short = _FINE * min(height, width)
        step = max(2 * _FINE, self.spacing * short * rng.uniform(0.8, 1.25))
        reach = max(2 * _FINE, self.length * short * rng.uniform(0.8, 1.25))
        angle = np.deg2rad(rng.uniform(-self.tilt, self.tilt))
        along, inward = np.array([np.cos(angle), np.sin(angle)]), np.array([np.sin(angle), -np.cos(angle)])
        # The ruler turns about the middle of the edge, so that no angle moves it out of the picture.
        middle = np.array([_FINE * width / 2, _FINE * height - rng.uniform(0, 0.5) * reach])
        marks = int(_FINE * width / step)
        first = -marks // 2 + rng.uniform(0, 1)
        sheet = Image.new("L", (_FINE * width, _FINE * height))
        pen = ImageDraw.Draw(sheet)
        for k in range(marks + 1):
            foot = middle + (first + k) * step * along
            tip = foot + inward * (reach if k % _LONG_EVERY == 0 else 0.6 * reach)
            pen.line([*foot, *tip], fill=255, width=_FINE)
        return np.asarray(sheet.reduce(_FINE), dtype=np.float64) / 255.0

    def describe(self) -> Mapping[str, Any]:
        """All its numbers."""
        return {
            "kind": "ticks",
            "edge": self.edge,
            "grey": self.grey,
            "spacing": self.spacing,
            "length": self.length,
            "tilt": self.tilt,
        }


@dataclass(frozen=True, eq=False)
class Caption:
    """A line of words along the upper or lower edge; place, size and strength differ from sample to sample.

    Attributes:
        text: what it says.
        upper: whether it stands at the upper edge.
        grey: grey level of the letters, 0..255.
        share: height of the letters, as a share of the shorter side.
        wobble: how much size, margin and opacity vary, as a share of themselves, in [0, 1).
    """

    text: str
    upper: bool
    grey: int
    share: float
    wobble: float

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the words on it, same shape and dtype; what does not fit is cut off at the right."""
        height, width = raw.shape[:2]
        cover = self._draw(height, width, rng)[..., None]
        opacity = rng.uniform(1 - self.wobble, 1)

        def lay(colours: Pixels) -> Pixels:
            return mix(colours, np.full_like(colours, self.grey), opacity * cover)

        return on_colours(raw, lay)

    def _draw(self, height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(height, width) coverage in [0, 1]."""
        size = self.share * min(height, width) * rng.uniform(1 - self.wobble, 1 + self.wobble)
        font = ImageFont.load_default(size=max(_LEAST_LETTERS, size))
        sheet = Image.new("L", (width, height))
        pen = ImageDraw.Draw(sheet)
        left, top, right, bottom = pen.textbbox((0, 0), self.text, font=font)
        margin = rng.uniform(0.2, 0.8) * (bottom - top)
        along = rng.uniform(0, max(0.0, width - (right - left)))
        across = margin if self.upper else height - (bottom - top) - margin
        pen.text((along - left, across - top), self.text, fill=255, font=font)
        return np.asarray(sheet, dtype=np.float64) / 255.0

    def describe(self) -> Mapping[str, Any]:
        """All its numbers."""
        return {
            "kind": "caption",
            "text": self.text,
            "upper": self.upper,
            "grey": self.grey,
            "share": self.share,
            "wobble": self.wobble,
        }
