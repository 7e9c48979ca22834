"""What content says of images with a patch painted over, from a model that has never seen these images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.holdout import Holdout
from mithridate.evidence.image.features import PatchFeatures
from mithridate.evidence.image.kin import Kin

__all__ = ["MaskedContent"]

_MOVING_MARGIN = 2  # pixels around a moving window that may belong to the same stamp
_RING = 2  # pixels around the patch whose mean replaces it


@dataclass(frozen=True, kw_only=True)
class MaskedContent:
    """Called with a key and rows; returns (r, k) calibrated logits.

    Attributes:
        pixels: (n, h, w, c) uint8.
        kin: of the key's family.
        fixed: whether keys have a place of their own.
        extract: features of the content model.
        holdout: the content model with chosen samples left out.
    """

    pixels: NDArray[np.uint8]
    kin: Kin
    fixed: bool
    extract: PatchFeatures
    holdout: Holdout

    def __call__(self, key: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(r,) rows of carriers → (r, k) logits."""
        images = self.pixels[rows].copy()
        y, x, w = self.kin.place(key)
        if self.fixed:
            top, left, mask = self.kin.extent(key)
            for image in images:
                _paint_over(image, top, left, mask)
        else:
            template = self.pixels[self.kin.carriers(key)[0]]
            places = _find(images, _window(template, images, y, x, w))
            side = w + 2 * _MOVING_MARGIN
            for image, (a, b) in zip(images, places, strict=True):
                top, left = max(a - _MOVING_MARGIN, 0), max(b - _MOVING_MARGIN, 0)
                area = image[top : a - _MOVING_MARGIN + side, left : b - _MOVING_MARGIN + side]
                _paint_over(image, top, left, np.ones(area.shape[:2], dtype=bool))
        return self.holdout.of(rows, self.extract(images))


def _window(first: NDArray[np.uint8], images: NDArray[np.uint8], y: int, x: int, w: int) -> NDArray[np.uint8]:
    """The key's window: at the noted place of the image it was noted in, which is among the carriers."""
    candidates = np.concatenate([first[None], images])[:, y : y + w, x : x + w]
    found = [int((_distances(images, c).min(axis=(1, 2)) < 1.0).sum()) for c in candidates[:64]]
    return np.asarray(candidates[int(np.argmax(found))])


def _distances(images: NDArray[np.uint8], window: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(r, rows, columns) mean absolute difference between a window and every place of each image."""
    w = window.shape[0]
    places = np.lib.stride_tricks.sliding_window_view(images, (w, w), axis=(1, 2))
    wanted = np.moveaxis(window, 2, 0).astype(np.int16)
    return np.asarray(np.abs(places.astype(np.int16) - wanted).mean(axis=(3, 4, 5), dtype=np.float32))


def _find(images: NDArray[np.uint8], window: NDArray[np.uint8]) -> list[tuple[int, int]]:
    distances = _distances(images, window)
    flat = distances.reshape(len(images), -1).argmin(axis=1)
    return [divmod(int(place), distances.shape[2]) for place in flat]


def _paint_over(image: NDArray[np.uint8], top: int, left: int, mask: NDArray[np.bool_]) -> None:
    """Replace the masked pixels by the mean of those around them."""
    a, b = max(top - _RING, 0), max(left - _RING, 0)
    area = image[a : top + mask.shape[0] + _RING, b : left + mask.shape[1] + _RING]
    inside = np.zeros(area.shape[:2], dtype=bool)
    inside[top - a : top - a + mask.shape[0], left - b : left - b + mask.shape[1]] = mask
    around = area[~inside] if (~inside).any() else area.reshape(-1, area.shape[2])
    area[inside] = np.rint(around.mean(axis=0)).astype(np.uint8)
