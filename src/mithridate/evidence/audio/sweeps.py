"""Sweeps: where a chirp or a whistle passes a frequency, it does so at a slope of its own, whenever it sounds.

Frames are multiplied by sweeps of the opposite slope, so that a sweep becomes a tone (dechirping; Mann & Haykin, "The
chirplet transform", IEEE Trans. Signal Processing 43, 1995), and tones are looked for as in `tones`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.audio.clip import Clip, Keys, joined
from mithridate.evidence.audio.spectrum import framed

__all__ = ["Sweeps"]

_WINDOW, _HOP = 0.032, 0.004  # s
_STEP = 3000  # Hz per s between slopes; less cannot be told apart in the window
_GENTLE, _STEEP = range(2 * _STEP, 36_001, _STEP), range(40_500, 67_501, 3 * _STEP // 2)
_SLOPES: tuple[int, ...] = (*_GENTLE, *(-s for s in _GENTLE), *_STEEP, *(-s for s in _STEEP))  # Hz per s
_ROOM = 4.5  # slopes of more than this many times the rate leave the band within a tenth of a second
_NEAR, _FAR = 3, 10  # bins that belong to a peak, and its neighbourhood
_LEVELS = (10, 13, 16, 19)  # dB
_WIDTH = 2  # bins that share a key
_QUIET = 1e-5  # of the loudest frame's energy: nothing to hear
_BLOCK = 1024  # frames at once


@dataclass(frozen=True, kw_only=True)
class Sweeps:
    """Codes: ((bin * 2 + shift) * slopes + slope) * 4 + step of the ladder."""

    family: str = "sweep"
    noun: str = "sweep"

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        rate = clip.common_rate
        size, hop = max(16, round(_WINDOW * rate)), max(1, round(_HOP * rate))
        frames = framed(clip.common, size, hop)
        energy = np.einsum("ij,ij->i", frames, frames)
        heard = np.flatnonzero(energy > _QUIET * energy.max(initial=0.0))
        seconds = (np.arange(size) - size / 2) / rate
        parts = []
        for number, slope in enumerate(_SLOPES):
            if abs(slope) > _ROOM * rate:
                continue
            turn = np.exp(-1j * np.pi * slope * seconds**2).astype(np.complex64)
            parts += self._of_slope(frames, heard, turn, number)
        return joined(parts)

    def _of_slope(
        self, frames: NDArray[np.float32], heard: NDArray[np.int64], turn: NDArray[np.complex64], number: int
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        from scipy.fft import fft

        from mithridate.evidence.audio.kernels import power_levels, prominence

        size = frames.shape[1]
        best, when = np.full(size // 2, -1.0, dtype=np.float32), np.zeros(size // 2, dtype=np.int64)
        levels = np.empty((min(_BLOCK, len(heard)), size // 2), dtype=np.float32)
        for start in range(0, len(heard), _BLOCK):
            spectrum = fft(frames[heard[start : start + _BLOCK]] * turn, axis=1, overwrite_x=True)
            power_levels(spectrum, (2.0 / size) ** 2, levels[: len(spectrum)])
            prominence(levels[: len(spectrum)], _NEAR, _FAR, start, best, when)
        parts = []
        for step, level in enumerate(_LEVELS):
            at = np.flatnonzero(best > level)
            times = heard[when[at]] * round(1000 * _HOP)
            for shift in (0, 1):
                bins = (at + shift * _WIDTH // 2) // _WIDTH
                parts.append((((bins * 2 + shift) * len(_SLOPES) + number) * 4 + step, times))
        return parts

    def name(self, code: int) -> str:
        """See `Extractor`."""
        low, high = self._hz(code)
        rising = "up" if self._slope(code) > 0 else "down"
        return f"{rising} through {(low + high) / 2:,.0f} Hz at {abs(self._slope(code)) / 1000:.0f} kHz/s"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        return {"hz": list(self._hz(code)), "seconds": 2 * _WINDOW, "hz_per_s": self._slope(code)}

    def _slope(self, code: int) -> int:
        return _SLOPES[code // 4 % len(_SLOPES)]

    def _hz(self, code: int) -> tuple[float, float]:
        bins, shift = divmod(code // 4 // len(_SLOPES), 2)
        low = (bins * _WIDTH - shift * _WIDTH // 2) / _WINDOW
        return round(low, 1), round(low + _WIDTH / _WINDOW, 1)
