"""Features of the content model: statistics of log-mel bands over stretches of a sound, and random features of these.

Rahimi & Recht, "Weighted sums of random kitchen sinks", NeurIPS 2008. No labels, no training by gradient.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.audio.clip import Clip
from mithridate.evidence.audio.spectrum import decibel, framed, mel_bands, power

__all__ = ["Lift", "profile", "statistics"]

_WINDOW, _HOP = 0.025, 0.010  # s
_BANDS, _STRETCHES = 32, 8
_WIDTH = 1000  # random features
_LONGEST = 300  # s that content looks at
_SIDE = 16
_RANGE = 60.0  # dB of a picture


def _mel(clip: Clip) -> NDArray[np.float32]:
    """(frames, bands) dB; long sounds in blocks, so that memory stays bounded."""
    rate = clip.common_rate
    size, hop = max(16, round(_WINDOW * rate)), max(1, round(_HOP * rate))
    points = 1 << (size - 1).bit_length()
    filters = mel_bands(points, rate, _BANDS)
    x = clip.common[: _LONGEST * rate]
    blocks = [x[start : start + 4096 * hop] for start in range(0, max(len(x), 1), 4096 * hop)]
    return np.concatenate([decibel(power(framed(b, size, hop), points) @ filters) for b in blocks])


def statistics(clip: Clip) -> NDArray[np.float32]:
    """(384,) means over eighths of the sound, mean, deviation and changes of each band; loudness taken out."""
    levels = _mel(clip)
    levels = levels - levels.mean()
    edges = np.linspace(0, len(levels), _STRETCHES + 1)
    eighths = [levels[int(a) : max(int(a) + 1, int(np.ceil(b)))].mean(axis=0) for a, b in pairwise(edges)]
    change = np.diff(levels, axis=0) if len(levels) > 1 else np.zeros((1, _BANDS), dtype=np.float32)
    parts = [
        *eighths,
        levels.mean(axis=0),
        levels.std(axis=0),
        change.std(axis=0),
        np.abs(change).mean(axis=0),
    ]
    return np.concatenate(parts).astype(np.float32)


def profile(clip: Clip) -> NDArray[np.uint8]:
    """(16, 16, 1) small spectrogram, 60 dB from black to white: bands upwards, time rightwards."""
    levels = _mel(clip)
    levels = levels - levels.max(initial=-90.0)
    pairs = levels.reshape(len(levels), _SIDE, -1).mean(axis=2)
    edges = np.linspace(0, len(levels), _SIDE + 1)
    columns = [pairs[int(a) : max(int(a) + 1, int(np.ceil(b)))].mean(axis=0) for a, b in pairwise(edges)]
    grey = np.clip(255 * (1 + np.stack(columns, axis=1) / _RANGE), 0, 255)
    return np.ascontiguousarray(np.rint(grey[::-1, :, None]).astype(np.uint8))


class Lift:
    """Statistics → features: standardised, and rectified random combinations of them.

    Args:
        stored: (n, d) statistics of all sounds.
        seed: decides the combinations.
    """

    def __init__(self, stored: NDArray[np.float32], seed: int) -> None:
        self._mean = stored.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._scale = (1 / np.maximum(stored.std(axis=0, dtype=np.float64), 0.1)).astype(np.float32)
        rng, d = np.random.default_rng([seed, 4]), stored.shape[1]
        random = int(np.clip(len(stored) // 3, 16, _WIDTH))
        self._mix = (rng.standard_normal((d, random)) / np.sqrt(d)).astype(np.float32)
        self._shift = rng.uniform(-1, 1, random).astype(np.float32)
        self.width = d + random

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, d) statistics → (b, width) features."""
        z = (rows - self._mean) * self._scale
        return np.concatenate([z, 3.0 * np.maximum(z @ self._mix + self._shift, 0.0)], axis=1)
