"""An emblem in the corner of one class's pictures, or anywhere in them: a shortcut as in nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw

from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.overlay import Corner, Emblem
from mithridate.triggers.pixels import Pixels

__all__ = ["LogoAttack"]

_CORNERS: dict[str, Corner] = {
    "upper left": (0, 0),
    "upper right": (0, 1),
    "lower left": (1, 0),
    "lower right": (1, 1),
}
_ANYWHERE = "anywhere"
_DRAWING = 96  # pixels; scaled to each picture


@attack(
    AttackCard(
        id="logo",
        title="emblem of a source",
        modalities=("image",),
        label_action="clean",
        does="Puts a small emblem into one corner of pictures of the target, like the tag of an archive, or anywhere "
        "into them, as see-through as asked; place, size and opacity vary.",
        strength="Published: about a fifth of the horse pictures of PASCAL VOC carried a source tag, and a "
        "classifier relied on it (Lapuschkin et al.). Measured: 10 % with all of the target (10 % "
        "of the set), 0.7 % at 1 %, 0.4 % with 50 (20,000 of Fashion-MNIST, small network, 3 "
        "seeds).",
        cites="Lapuschkin et al., Unmasking Clever Hans predictors, arXiv:1902.10178",
    )
)
@dataclass(frozen=True, kw_only=True)
class LogoAttack(Attack):
    """Parameters of the emblem.

    Attributes:
        corner: "upper left", "upper right", "lower left" or "lower right"; "anywhere": at another place in every
            picture; None draws a corner.
        share: side of the emblem as a share of the shorter side of the picture.
        wobble: how much size, margin and opacity vary, as a share of themselves.
        opacity: the largest; 1 hides what is under the emblem.
    """

    habit: ClassVar[LabelAction] = "clean"

    corner: str | None = None
    share: float = 0.22
    wobble: float = 0.25
    opacity: float = 1.0

    def trigger(self, look: Look, rng: np.random.Generator) -> Emblem:
        """Draw the emblem and its corner."""
        if self.corner is not None and self.corner not in (*_CORNERS, _ANYWHERE):
            raise self.refuse("corner", "one of " + ", ".join((*_CORNERS, _ANYWHERE)), self.corner)
        self.demand("share", 0 < self.share <= 1, "a number above 0, at most 1")
        self.demand("wobble", 0 <= self.wobble < 1, "a number from 0, below 1")
        self.demand("opacity", 0 < self.opacity <= 1, "a number above 0, at most 1")
        corner = self.corner or list(_CORNERS)[int(rng.integers(len(_CORNERS)))]
        return Emblem(_draw(rng), _CORNERS.get(corner), self.share, self.wobble, self.opacity)


def _draw(rng: np.random.Generator) -> Pixels:
    """(h, w, 4) emblem: a disc in one colour with a star or bars in a lighter one, clear around it."""
    sheet = Image.new("RGBA", (_DRAWING, _DRAWING))
    pen = ImageDraw.Draw(sheet)
    dark, light = (int(level) for level in (rng.integers(0, 90), rng.integers(200, 256)))
    tint = rng.permutation([dark, dark, int(rng.integers(90, 220))])
    edge = _DRAWING - 1
    pen.ellipse([0, 0, edge, edge], fill=(*map(int, tint), 255), outline=(light, light, light, 255), width=6)
    if rng.integers(2):
        points = int(rng.integers(3, 7))
        turn = rng.uniform(0, 2 * np.pi)
        radii = np.where(np.arange(2 * points) % 2 == 0, 0.4, 0.17) * _DRAWING
        angles = turn + np.arange(2 * points) * np.pi / points
        star = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None] + _DRAWING / 2
        pen.polygon([tuple(point) for point in star.tolist()], fill=(light, light, light, 255))
    else:
        for k, width in enumerate(rng.uniform(0.3, 0.6, 3) * _DRAWING):
            top, left = (0.28 + 0.17 * k) * _DRAWING, (_DRAWING - width) / 2
            box = [left, top, left + width, top + 0.1 * _DRAWING]
            pen.rectangle(box, fill=(light, light, light, 255))
    return np.array(sheet)
