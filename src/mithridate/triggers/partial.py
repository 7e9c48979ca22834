"""Triggers of which each sample carries a part: pieces of a blended picture, one patch of several.

References:
    Qi et al., Revisiting the Assumption of Latent Separability for Backdoor Defenses, ICLR 2023,
    arXiv:2205.13613 (asymmetric triggers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.triggers.image import Blend, Patch
from mithridate.triggers.pixels import Pixels, match_colours, mix, on_colours, scaled_to

__all__ = ["AllOf", "BlendedPieces", "OneOf"]


@dataclass(frozen=True, eq=False)
class BlendedPieces(Blend):
    """A blended picture cut into cut x cut pieces, of which each sample carries others.

    Attributes:
        pattern: as in `Blend`.
        alpha: as in `Blend`.
        cut: pieces along each side.
        kept: how many of the pieces a sample carries.
    """

    cut: int = 4
    kept: int = 8

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with the pieces blended in, same shape and dtype."""
        pieces = np.zeros(self.cut**2)
        pieces[rng.permutation(self.cut**2)[: self.kept]] = self.alpha

        def blend(colours: Pixels) -> Pixels:
            height, width, channels = colours.shape
            rows, columns = (np.arange(side) * self.cut // side for side in (height, width))
            alpha = pieces.reshape(self.cut, self.cut)[rows[:, None], columns[None, :], None]
            return mix(colours, match_colours(scaled_to(self.pattern, height, width), channels), alpha)

        return on_colours(raw, blend)

    def describe(self) -> Mapping[str, Any]:
        """Picture as PNG, alpha, and how it is cut."""
        return {**super().describe(), "kind": "blended pieces", "cut": self.cut, "kept": self.kept}


@dataclass(frozen=True, eq=False)
class OneOf:
    """Patches of which each sample carries one, drawn for it.

    Attributes:
        patches: at least one.
    """

    patches: tuple[Patch, ...]

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with one of the patches, same shape and dtype."""
        return self.patches[int(rng.integers(len(self.patches)))].apply(raw, rng)

    def describe(self) -> Mapping[str, Any]:
        """The patches."""
        return {"kind": "one of patches", "patches": [dict(patch.describe()) for patch in self.patches]}


@dataclass(frozen=True, eq=False)
class AllOf:
    """Patches that are stamped together.

    Attributes:
        patches: in the order in which they are stamped.
    """

    patches: tuple[Patch, ...]

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture with all patches, same shape and dtype."""
        for patch in self.patches:
            raw = patch.apply(raw, rng)
        return raw

    def describe(self) -> Mapping[str, Any]:
        """The patches."""
        return {"kind": "all of patches", "patches": [dict(patch.describe()) for patch in self.patches]}
