"""Where a patch that may be anywhere lies in each image that carries it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.image.kin import Kin

__all__ = ["Locate"]

_TRIED = 64  # carriers asked for the key's window


@dataclass(frozen=True, kw_only=True)
class Locate:
    """Called with a key and rows; returns (r, 2) row and column of the window most like the key's.

    Attributes:
        pixels: (n, h, w, c) uint8.
        kin: of the key's family.
    """

    pixels: NDArray[np.uint8]
    kin: Kin

    def __call__(self, key: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(r,) rows of carriers → (r, 2)."""
        images = self.pixels[rows]
        distances = _distances(images, self._window(key, images))
        best = distances.reshape(len(images), -1).argmin(axis=1)
        return np.stack(np.divmod(best, distances.shape[2]), axis=1)

    def _window(self, key: int, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The key's window: at the noted place of the image it was noted in, which is among the carriers."""
        y, x, w = self.kin.place(key)
        first = self.pixels[self.kin.carriers(key)[:1]]
        candidates = np.concatenate([first, images])[:_TRIED, y : y + w, x : x + w]
        found = [int((_distances(images, c).min(axis=(1, 2)) < 1.0).sum()) for c in candidates]
        return np.asarray(candidates[int(np.argmax(found))])


def _distances(images: NDArray[np.uint8], window: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(r, rows, columns) mean absolute difference between a window and every place of each image."""
    w = window.shape[0]
    places = np.lib.stride_tricks.sliding_window_view(images, (w, w), axis=(1, 2))
    wanted = np.moveaxis(window, 2, 0).astype(np.int16)
    return np.asarray(np.abs(places.astype(np.int16) - wanted).mean(axis=(3, 4, 5), dtype=np.float32))
