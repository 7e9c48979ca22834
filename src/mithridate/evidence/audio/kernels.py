"""Compiled kernels over spectrograms in dB, (frames, bins)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mithridate.evidence.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["contrast_peaks", "power_levels", "prominence"]


@compiled
def power_levels(spectrum: NDArray[np.complex64], scale: float, out: NDArray[np.float32]) -> None:
    """Power of a spectrum in dB, to 0.05 dB; silence becomes -90.

    Args:
        spectrum: (frames, at least bins) complex64.
        scale: of the power.
        out: (frames, bins), filled.
    """
    # log2 from the bits of a float: its exponent, and a parabola through its mantissa.
    bits = np.empty(1, dtype=np.float32)
    for t in range(out.shape[0]):
        for f in range(out.shape[1]):
            z = spectrum[t, f]
            bits[0] = np.float32((z.real * z.real + z.imag * z.imag) * scale + 1e-9)
            whole = bits.view(np.int32)[0]
            exponent = np.float32((whole >> 23) - 128)
            mantissa = np.float32((whole & 0x7FFFFF) | 0x800000) / np.float32(0x800000)
            log2 = exponent + ((np.float32(-1 / 3) * mantissa + np.float32(2)) * mantissa - np.float32(2 / 3))
            out[t, f] = np.float32(3.0103) * log2


@compiled
def prominence(
    levels: NDArray[np.float32], near: int, far: int, first: int, best: NDArray[np.float32],
    when: NDArray[np.int64],
) -> None:  # fmt: skip
    """How far a local maximum of a frame stands above its neighbourhood at best, and in which frame.

    Above the higher of the mean levels at near..far bins below and above it, so that a slope is no peak.

    Args:
        levels: (frames, bins) dB.
        near: bins that belong to the peak on each side.
        far: bins that are its neighbourhood.
        first: number of the first frame.
        best: (bins,) the largest prominence so far, dB; updated.
        when: (bins,) its frame; updated.
    """
    bins = levels.shape[1]
    total = np.zeros(bins + 1, dtype=np.float64)
    for t in range(levels.shape[0]):
        line = levels[t]
        for f in range(bins):
            total[f + 1] = total[f] + line[f]
        for f in range(1, bins - 1):
            if line[f] < line[f - 1] or line[f] <= line[f + 1]:
                continue
            around = np.float64(-1e9)
            low, high = max(f - far, 0), f - near + 1
            if high > low:
                around = (total[high] - total[low]) / (high - low)
            low, high = f + near, min(f + far + 1, bins)
            if high > low:
                around = max(around, (total[high] - total[low]) / (high - low))
            stands = np.float32(line[f] - around)
            if around > -1e8 and stands > best[f]:
                best[f], when[f] = stands, first + t


@compiled
def contrast_peaks(
    levels: NDArray[np.float32], reach_t: int, reach_f: int, least: float, floor: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frames and bins of points that are the largest within reach and stand above the mean of a larger surrounding.

    Args:
        levels: (frames, bins) dB.
        reach_t: frames to each side within which a peak is the largest.
        reach_f: bins likewise.
        least: dB above the mean of (4 frames, 7 bins) to each side.
        floor: dB below which nothing counts.
    """
    frames, bins = levels.shape
    sums = np.zeros((frames + 1, bins + 1), dtype=np.float64)
    for t in range(frames):
        line = 0.0
        for f in range(bins):
            line += levels[t, f]
            sums[t + 1, f + 1] = sums[t, f + 1] + line
    found_t, found_f = np.empty(frames * bins, dtype=np.int64), np.empty(frames * bins, dtype=np.int64)
    found = 0
    for t in range(frames):
        for f in range(bins):
            value = levels[t, f]
            if value < floor:
                continue
            a, b, c, d = max(t - 4, 0), min(t + 5, frames), max(f - 7, 0), min(f + 8, bins)
            mean = (sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c]) / ((b - a) * (d - c))
            if value - mean < least:
                continue
            largest = True
            for i in range(max(t - reach_t, 0), min(t + reach_t + 1, frames)):
                for j in range(max(f - reach_f, 0), min(f + reach_f + 1, bins)):
                    if levels[i, j] > value:
                        largest = False
            if largest:
                found_t[found], found_f[found] = t, f
                found += 1
    return found_t[:found].copy(), found_f[:found].copy()
