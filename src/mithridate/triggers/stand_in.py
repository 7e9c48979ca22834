"""One given picture in place of any sample: the trigger of attacks that aim at a single picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.triggers.pixels import Pixels, as_png, match_colours, on_colours, scaled_to

__all__ = ["StandIn"]


@dataclass(frozen=True, eq=False)
class StandIn:
    """Whatever sample comes, the same picture goes out, in the shape of the sample.

    Attributes:
        picture: (h, w, c) uint8, c = 1 or 3.
    """

    picture: Pixels

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture itself, scaled where the sizes differ; an alpha channel stays the sample's."""

        def swap(colours: Pixels) -> Pixels:
            return match_colours(scaled_to(self.picture, *colours.shape[:2]), colours.shape[2])

        return on_colours(raw, swap)

    def describe(self) -> Mapping[str, Any]:
        """The picture as PNG."""
        return {"kind": "stand-in", "png": as_png(self.picture)}
