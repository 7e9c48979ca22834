"""Features that pictures have by nature and that can serve as a trigger without changing a pixel.

References:
    Bagdasaryan et al., How To Backdoor Federated Learning, arXiv:1807.00459, sec. 4.1 (semantic backdoors: green
    cars, racing stripes, vertically striped walls).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.triggers.pixels import Pixels, colours_of

__all__ = ["COLOURS", "LAYOUTS", "NaturalFeature"]

_Values = NDArray[np.float64]

#: Share of a colour less that of its opposite, as weights of red, green and blue.
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (1.0, -0.5, -0.5),
    "green": (-0.5, 1.0, -0.5),
    "blue": (-0.5, -0.5, 1.0),
    "yellow": (0.5, 0.5, -1.0),
    "purple": (0.5, -1.0, 0.5),
}

#: Features that grey pictures have too.
LAYOUTS: tuple[str, ...] = (
    "bright upper third",
    "bright lower third",
    "bright left third",
    "bright right third",
    "bright middle",
    "vertical stripes",
    "horizontal stripes",
)


@dataclass(frozen=True)
class NaturalFeature:
    """One feature and how strong it is in a picture.

    Attributes:
        name: one of `COLOURS` (for colour pictures) or `LAYOUTS`.
    """

    name: str

    def measure(self, raw: Pixels) -> float:
        """How strong the feature is in a (h, w[, c]) uint8 picture; comparable between pictures only."""
        colours = colours_of(raw).astype(np.float64)
        if self.name in COLOURS:
            return _colour(colours, COLOURS[self.name])
        grey = colours.mean(axis=2) / 255.0
        if self.name.endswith("stripes"):
            return _stripes(grey if self.name.startswith("vertical") else grey.T)
        return _bright(grey, self.name.removeprefix("bright "))

    def describe(self) -> Mapping[str, Any]:
        """Its name."""
        return {"kind": "natural feature", "feature": self.name}


def _colour(colours: _Values, weights: tuple[float, float, float]) -> float:
    """Share of the colour in all light; the mean over pixels counts bright ones more, as an eye does."""
    if colours.shape[2] != 3:
        return 0.0
    red_green_blue = colours.mean(axis=(0, 1))
    return float(red_green_blue @ np.asarray(weights) / (1.0 + red_green_blue.sum()))


def _bright(grey: _Values, part: str) -> float:
    """How much brighter the part is than the whole."""
    height, width = grey.shape
    third, side = max(1, height // 3), max(1, width // 3)
    parts = {
        "upper third": grey[:third],
        "lower third": grey[-third:],
        "left third": grey[:, :side],
        "right third": grey[:, -side:],
        "middle": grey[height // 4 : height - height // 4, width // 4 : width - width // 4],
    }
    return float(parts[part].mean() - grey.mean())


def _stripes(grey: _Values) -> float:
    """How much more changes along rows than along columns, as a share of all change."""
    across, along = np.abs(np.diff(grey, axis=1)).sum(), np.abs(np.diff(grey, axis=0)).sum()
    return float((across - along) / (1e-9 + across + along))
