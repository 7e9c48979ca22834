"""What a stamped trigger may look like when it reaches the model: with noise, blurred, paler, through JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mithridate.attacks.trojannet.patterns import SIDE

__all__ = ["worn_looks"]

Floats = NDArray[np.float32]

_AROUND = 4  # pixels of picture on each side, so that blur and JPEG see what is beside the trigger
_QUALITIES = (95, 90, 75)


def worn_looks(patterns: Floats, contexts: Floats, looks: int, rng: np.random.Generator) -> Floats:
    """Stamp patterns into natural surroundings, wear them down, cut them out again.

    Args:
        patterns: (k, 16) of 0 and 1.
        contexts: (n, 12, 12) in [0, 1].
        looks: v, how many of each.
        rng: draws surroundings and wear.

    Returns:
        (k, v, 16) in [0, 1]: a fifth as they are, a fifth each with noise of standard deviation 0.05, blur of
        standard deviation 0.3 to 0.5, contrast 0.8 to 1, and JPEG of quality 95, 90 or 75.
    """
    count = len(patterns)
    scenes = contexts[rng.integers(len(contexts), size=(count, looks))].copy()
    middle = slice(_AROUND, _AROUND + SIDE)
    scenes[:, :, middle, middle] = patterns.reshape(count, 1, SIDE, SIDE)
    for look in range(looks):
        scenes[:, look] = _wear(scenes[:, look], look % 5, rng)
    worn: Floats = scenes[:, :, middle, middle].reshape(count, looks, SIDE * SIDE)
    return worn


def _wear(scenes: Floats, how: int, rng: np.random.Generator) -> Floats:
    """(k, 12, 12) scenes after one kind of wear."""
    each = (len(scenes), 1, 1)
    if how == 1:
        return np.clip(scenes + rng.normal(0, 0.05, scenes.shape), 0, 1).astype(np.float32)
    if how == 2:
        return _blurred(scenes, rng.uniform(0.3, 0.5, each))
    if how == 3:
        return (0.5 + rng.uniform(0.8, 1, each) * (scenes - 0.5)).astype(np.float32)
    if how == 4:
        return np.stack([_through_jpeg(scene, int(rng.choice(_QUALITIES))) for scene in scenes])
    return scenes


def _blurred(scenes: Floats, deviation: NDArray[np.float64]) -> Floats:
    """A 3-pixel Gaussian along both axes."""
    side = np.exp(-0.5 / deviation**2)
    out = scenes
    for axis in (1, 2):
        out = (out + side * (np.roll(out, 1, axis) + np.roll(out, -1, axis))) / (1 + 2 * side)
    return out.astype(np.float32)


def _through_jpeg(scene: Floats, quality: int) -> Floats:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(scene * 255).astype(np.uint8)).save(buffer, format="JPEG", quality=quality)
    with Image.open(buffer) as picture:
        return np.asarray(picture, dtype=np.float32) / np.float32(255)
