"""What content says of images with a patch painted over, from a model that has never seen these images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.holdout import Holdout
from mithridate.evidence.image.features import PatchFeatures
from mithridate.evidence.image.kin import Kin
from mithridate.evidence.image.locate import Locate

__all__ = ["MaskedContent"]

_MOVING_MARGIN = 2  # pixels around a moving window that may belong to the same stamp
_MOST = 0.25  # share of an image that may be painted over
_RING = 2  # pixels around the patch whose mean replaces it


@dataclass(frozen=True, kw_only=True)
class MaskedContent:
    """Called with a key and rows; returns (r, k) calibrated logits.

    Attributes:
        pixels: (n, h, w, c) uint8.
        kin: of the key's family.
        locate: says where the patch is in each image; None where keys have a place of their own.
        extract: features of the content model.
        holdout: the content model with chosen samples left out.
    """

    pixels: NDArray[np.uint8]
    kin: Kin
    locate: Locate | None
    extract: PatchFeatures
    holdout: Holdout

    def __call__(self, key: int, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """(r,) rows → (r, k) logits; None where too little of an image would be left to judge it by."""
        images = self.pixels[rows]
        if self.locate is None:
            top, left, mask = self.kin.extent(key)
            if mask.sum() > _MOST * images[0, ..., 0].size:
                return None
            for image in images:
                _paint_over(image, top, left, mask)
        else:
            side = self.kin.place(key)[2] + 2 * _MOVING_MARGIN
            if side * side > _MOST * images[0, ..., 0].size:
                return None
            for image, (a, b) in zip(images, self.locate(key, rows) - _MOVING_MARGIN, strict=True):
                top, left = max(a, 0), max(b, 0)
                area = image[top : a + side, left : b + side]
                _paint_over(image, top, left, np.ones(area.shape[:2], dtype=bool))
        return self.holdout.of(rows, self.extract(images))


def _paint_over(image: NDArray[np.uint8], top: int, left: int, mask: NDArray[np.bool_]) -> None:
    """Replace the masked pixels by the mean of those around them."""
    a, b = max(top - _RING, 0), max(left - _RING, 0)
    area = image[a : top + mask.shape[0] + _RING, b : left + mask.shape[1] + _RING]
    inside = np.zeros(area.shape[:2], dtype=bool)
    inside[top - a : top - a + mask.shape[0], left - b : left - b + mask.shape[1]] = mask
    around = area[~inside] if (~inside).any() else area.reshape(-1, area.shape[2])
    area[inside] = np.rint(around.mean(axis=0)).astype(np.uint8)
