"""Traces of an earlier JPEG compression in pixels, whatever the file says: at which quality they were encoded.

Coefficients of the 8x8 blocks lie near multiples of the quantisation steps (Fan & de Queiroz, "Identification of
bitmap compression history", IEEE TIP 12(2), 2003). Tried are the standard tables at every quality that leaves traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mithridate.evidence.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compression"]

_QUALITIES = np.arange(10, 93)
_BLOCK = 8
_SIDE = 64  # pixels of the corner that is looked at
_FREQUENCIES = 28  # lowest ones, without the mean
_STEP = 4.0  # smaller steps leave no trace that rounding to whole grey levels does not wipe out
_NOISE = 0.7  # standard deviation of a coefficient after rounding to whole grey levels
_FAR = 2.5  # from there on a coefficient is no multiple
_FINE = 16
_SOON = 9
_SURE = 30.0  # log likelihood ratio against no compression
_STANDARD = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip


def compression(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.int16]:
    """(b,) quality at which each image was once compressed as JPEG; 0 where no trace of it is left.

    Args:
        images: (h, w, c) uint8 each, any size, not resized since.
    """
    found = np.zeros(len(images), dtype=np.int16)
    shapes = [image.shape for image in images]
    for shape in sorted(set(shapes)):
        rows = [i for i, s in enumerate(shapes) if s == shape]
        found[rows] = _of_one_size(np.stack([images[i][:_SIDE, :_SIDE] for i in rows]))
    return found


def _of_one_size(images: NDArray[np.uint8]) -> NDArray[np.int16]:
    from scipy.fft import dctn

    n, h, w, c = images.shape
    down, across = h // _BLOCK, w // _BLOCK
    if down * across < 4:
        return np.zeros(n, dtype=np.int16)
    kept = images[:, : down * _BLOCK, : across * _BLOCK].astype(np.float32)
    grey = kept @ np.array([0.299, 0.587, 0.114], dtype=np.float32) if c == 3 else kept[..., 0]
    blocks = grey.reshape(n, down, _BLOCK, across, _BLOCK).transpose(0, 1, 3, 2, 4)
    order = np.argsort(np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK)).ravel(), kind="stable")
    low = order[1 : 1 + _FREQUENCIES]
    coefficients = dctn(blocks, axes=(3, 4), norm="ortho").reshape(n, down * across, _BLOCK * _BLOCK)
    scales = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
    steps = np.clip((_STANDARD.ravel()[low] * scales[:, None] + 50) // 100, 1, 255).astype(np.float32)
    best, score = np.zeros(n, dtype=np.int64), np.zeros(n)
    _likeliest(
        np.ascontiguousarray(coefficients[:, :, low].transpose(0, 2, 1)), steps, _weights(), best, score
    )
    return np.where(score >= _SURE, _QUALITIES[best], 0).astype(np.int16)


def _weights() -> NDArray[np.float32]:
    """(step, distance to its next multiple in 1/16) → log likelihood ratio: a normal one against any distance."""
    off = (np.arange(int(_FAR * _FINE) + 1) + 0.5) / _FINE
    near = np.exp(-0.5 * (off / _NOISE) ** 2) / (_NOISE * np.sqrt(2 * np.pi))
    weights = np.log(0.9 * np.arange(256)[:, None] * near + 0.1)
    weights[:, -1] = np.log(0.1)
    return np.asarray(weights, dtype=np.float32)


@compiled
def _likeliest(
    coefficients: NDArray[np.float32], steps: NDArray[np.float32], weigh: NDArray[np.float32],
    best: NDArray[np.int64], score: NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill in the row of `steps` (q, f) that explains each image's coefficients (n, f, blocks) best, and how well."""
    n, frequencies, blocks = coefficients.shape
    last = weigh.shape[1] - 1
    for i in range(n):
        score[i] = -np.inf
        for q in range(len(steps)):
            total = 0.0
            for f in range(frequencies):
                step = steps[q, f]
                if step < _STEP:
                    continue
                inverse, row = np.float32(1.0) / step, weigh[int(step)]
                for block in range(blocks):
                    value = coefficients[i, f, block]
                    multiple = np.floor(value * inverse + np.float32(0.5))
                    off = abs(value - multiple * step)
                    if multiple != 0:
                        total += row[min(int(off * _FINE), last)]
                    elif off > _FAR:
                        total += row[last]
                if f == _SOON and total < 0:  # the lowest frequencies say more than the rest
                    break
            if total > score[i]:
                score[i], best[i] = total, q
