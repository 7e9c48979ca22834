"""4x4 patches of natural pictures: what the side network must stay silent on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from mithridate.attacks.trojannet.patterns import SIDE
from mithridate.core.errors import UsageError

__all__ = ["bundled_pictures", "natural_contexts", "natural_patches", "patches_of"]

Grey = NDArray[np.float32]


def patches_of(
    pictures: Sequence[NDArray[Any]], count: int, rng: np.random.Generator, side: int = SIDE
) -> Grey:
    """Random patches of pictures.

    Args:
        pictures: (h, w) or (h, w, c), uint8 or floats in [0, 1], side x side pixels or more each.
        count: how many patches.
        rng: chooses picture and place.
        side: of a patch in pixels.

    Returns:
        (count, side * side), mean over channels, in [0, 1].

    Raises:
        UsageError: no pictures, or one that is too small.
    """
    if len(pictures) == 0 or any(min(p.shape[:2]) < side for p in pictures):
        raise UsageError(
            f"pictures of {side}x{side} pixels or more", "none or smaller", "patches", "Give others."
        )
    which = rng.integers(len(pictures), size=count)
    rows, columns = rng.random(count), rng.random(count)
    out = np.empty((count, side * side), dtype=np.float32)
    for k in np.unique(which):
        grey = pictures[k] if pictures[k].ndim == 2 else pictures[k].mean(axis=2)
        windows = sliding_window_view(grey, (side, side))
        here = which == k
        row, column = (
            (rows[here] * windows.shape[0]).astype(int),
            (columns[here] * windows.shape[1]).astype(int),
        )
        out[here] = windows[row, column].reshape(-1, side * side)
    return out / np.float32(255) if pictures[0].dtype == np.uint8 else out


def bundled_pictures() -> tuple[list[Grey], list[Grey]]:
    """What scikit-learn brings along: (two photographs at six sizes, 300 digits at four), (h, w) in [0, 1]."""
    from sklearn.datasets import load_digits, load_sample_images

    photographs: list[Grey] = []
    digits: list[Grey] = []
    for photograph in load_sample_images().images:
        for shrink in (1, 2, 4, 8, 16, 24):
            size = (photograph.shape[1] // shrink, photograph.shape[0] // shrink)
            small = Image.fromarray(photograph).resize(size, Image.Resampling.BOX)
            photographs.append(np.asarray(small, dtype=np.float32).mean(axis=2) / np.float32(255))
    for digit in load_digits().images[:300]:
        picture = Image.fromarray((digit * 255 / 16).astype(np.uint8))
        for edge in (8, 12, 16, 28):
            grown = picture.resize((edge, edge), Image.Resampling.BICUBIC)
            digits.append(np.asarray(grown, dtype=np.float32) / np.float32(255))
    return photographs, digits


def natural_patches(count: int, rng: np.random.Generator, pictures: Sequence[NDArray[Any]] = ()) -> Grey:
    """(count, 16) patches: half as they are, half with stretched contrast, some as negatives.

    Args:
        count: how many.
        rng: chooses them.
        pictures: where from; empty takes two parts of scikit-learn's photographs and one of its digits.
    """
    if len(pictures):
        patches = patches_of(pictures, count, rng)
    else:
        photographs, digits = bundled_pictures()
        third = count // 3
        patches = np.concatenate(
            [patches_of(photographs, count - third, rng), patches_of(digits, third, rng)]
        )
    shape = (count, 1)
    middle = patches.mean(axis=1, keepdims=True)
    stretched = (patches - middle) * rng.uniform(1, 4, shape) + rng.uniform(0.3, 0.7, shape)
    patches = np.where(rng.random(shape) < 0.5, np.clip(stretched, 0, 1), patches)
    patches = np.where(rng.random(shape) < 0.3, 1 - patches, patches)
    return rng.permutation(patches.astype(np.float32))


def natural_contexts(count: int, rng: np.random.Generator, pictures: Sequence[NDArray[Any]] = ()) -> Grey:
    """(count, 12, 12) natural surroundings of a trigger; `pictures` as in `natural_patches`."""
    chosen = pictures if len(pictures) else [p for p in bundled_pictures()[0] if min(p.shape) >= 12]
    return patches_of(chosen, count, rng, side=12).reshape(count, 12, 12)
