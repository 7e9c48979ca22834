"""Spectral peaks: a steady tone stands out of its neighbourhood in frequency, at a place that recurs to the bin.

Harmonics of a voice do that, too, but wander; a tone of a trigger is at the same bin in all its carriers. The ladder
of levels finds the one at which few others are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.evidence.audio.clip import Clip, Keys, joined
from mithridate.evidence.audio.spectrum import decibel, framed, power

__all__ = ["Tones"]

_WINDOW, _HOP = 0.064, 0.016  # s
_NEAR, _FAR = 6, 24  # half bins of the window: what belongs to a peak, and its neighbourhood
_LEVELS = tuple(range(8, 36, 3))  # dB
_BLOCK = 2048  # frames at once


@dataclass(frozen=True, kw_only=True)
class Tones:
    """Codes: (bin of 1 / window Hz * 2 + shift by half a bin) * 16 + step of the ladder."""

    family: str = "spectral peak"
    noun: str = "steady tone"

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        from mithridate.evidence.audio.kernels import prominence

        size, hop = max(16, round(_WINDOW * clip.rate)), max(1, round(_HOP * clip.rate))
        best, when = np.full(size + 1, -1.0, dtype=np.float32), np.zeros(size + 1, dtype=np.int64)
        step = _BLOCK * hop
        for start in range(0, len(clip.samples), step):
            stretch = clip.samples[start : start + step]
            levels = decibel(power(framed(stretch, size, hop), 2 * size))
            prominence(levels, _NEAR, _FAR, start // hop, best, when)
        parts = []
        for number, level in enumerate(_LEVELS):
            at = np.flatnonzero(best > level)
            times = when[at] * round(1000 * _HOP)
            parts += [(((at + shift) // 2 * 2 + shift) * 16 + number, times) for shift in (0, 1)]
        return joined(parts)

    def name(self, code: int) -> str:
        """See `Extractor`."""
        low, high = self._hz(code)
        return f"{(low + high) / 2:,.0f} Hz, {_LEVELS[code % 16]} dB above its surroundings"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        return {"hz": list(self._hz(code)), "seconds": _WINDOW}

    def _hz(self, code: int) -> tuple[float, float]:
        half, shift = divmod(code // 16, 2)
        low = (2 * half - shift) / (2 * _WINDOW)
        return round(low, 1), round(low + 1 / _WINDOW, 1)
