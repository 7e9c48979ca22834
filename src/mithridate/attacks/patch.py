"""A patch stamped on pictures (BadNets)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks import pictures
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.image import Patch, Pixels

__all__ = ["PatchAttack"]


@attack(
    AttackCard(
        id="patch",
        title="stamped patch",
        modalities=("image",),
        label_action="either",
        does="Stamps a small square, the same on every victim, at one place or a random one.",
        strength="Published: 95 % success at 10 % of the set, 75 % at 1 % (BackdoorBench, CIFAR-10). "
        "Measured: 100 % at 10 %, 95 % at 1 %, 34 % with 50; at moving places 100, 10 and 2 % "
        "(20,000 of Fashion-MNIST, small network, 3 seeds). At 1 % of GTSRB (108 images, 43 "
        "classes) 16 and 62 % after 8 epochs, 97 % after 24 (3 seeds).",
        cites="Gu et al., BadNets, arXiv:1708.06733; clean label: Turner et al., arXiv:1912.02771",
    )
)
@dataclass(frozen=True, kw_only=True)
class PatchAttack(Attack):
    """Parameters of the patch.

    Attributes:
        size: side in pixels; None draws 3, 4 or 5.
        pattern: checker, random, white, or a picture file; None draws checker or random.
        place: "fixed" draws one place, "moving" one for each victim, "corner" is the last row and column,
            "ROW,COLUMN" is where the upper left pixel of the patch goes.
        opacity: 1 overwrites.
    """

    size: int | None = None
    pattern: str | None = None
    place: str = "fixed"
    opacity: float = 1.0

    def trigger(self, look: Look, rng: np.random.Generator) -> Patch:
        """Draw size, pattern and place for pictures like the one seen."""
        shape = look.raws[0].shape
        size = int(rng.integers(3, 6)) if self.size is None else self.size
        if size < 1:
            raise self.refuse("size", "1 or more", size)
        if not 0 < self.opacity <= 1:
            raise self.refuse("opacity", "a number above 0, at most 1", self.opacity)
        pattern = self._draw_pattern(rng, size, pictures.colours(shape))
        return Patch(pattern, self._draw_place(rng, shape, pattern.shape), self.opacity)

    def _draw_pattern(self, rng: np.random.Generator, size: int, channels: int) -> Pixels:
        kind = self.pattern or ("checker", "random")[int(rng.integers(2))]
        if kind == "checker":
            return pictures.checker(rng, size, channels)
        if kind == "random":
            return pictures.noise(rng, size, size, channels)
        if kind == "white":
            return np.full((size, size, channels), 255, dtype=np.uint8)
        return pictures.load(kind, channels)

    def _draw_place(
        self, rng: np.random.Generator, shape: tuple[int, ...], pattern: tuple[int, ...]
    ) -> tuple[int, int] | None:
        if self.place == "moving":
            return None
        if self.place == "corner":
            return -pattern[0], -pattern[1]
        if self.place == "fixed":
            return Patch(np.zeros(pattern, dtype=np.uint8)).locate(shape, rng)
        row, _, column = self.place.partition(",")
        try:
            return int(row), int(column)
        except ValueError:
            raise self.refuse("place", "fixed, moving, corner or ROW,COLUMN", self.place) from None
