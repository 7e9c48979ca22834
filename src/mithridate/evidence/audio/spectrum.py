"""Frames, power spectra and mel bands of one channel."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

__all__ = ["decibel", "framed", "mel_bands", "power", "resampled"]

_FLOOR = 1e-9  # of power, full scale being 1: below 16-bit rounding noise


def framed(x: NDArray[np.float32], size: int, hop: int) -> NDArray[np.float32]:
    """(frames, size) stretches centred at 0, hop, 2 hop, ..., under a Hann window."""
    padded = np.pad(x, (size // 2, size - size // 2))
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, size)[:-1:hop] * window)


def power(frames: NDArray[np.float32], points: int) -> NDArray[np.float32]:
    """(frames, points // 2 + 1) power spectrum; a full-scale sine has about 1/4 in its bin, whatever the size."""
    from scipy.fft import rfft

    spectrum = rfft(frames, points, axis=1)
    scale = np.float32(2.0 / frames.shape[1]) ** 2
    return np.asarray((spectrum.real**2 + spectrum.imag**2) * scale, dtype=np.float32)


def decibel(powers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power in dB; silence becomes -90."""
    return np.asarray(10.0 * np.log10(powers + np.float32(_FLOOR)), dtype=np.float32)


@lru_cache(maxsize=8)
def mel_bands(points: int, rate: int, bands: int, low_hz: float = 60.0) -> NDArray[np.float32]:
    """(points // 2 + 1, bands) triangular filters up to half of the rate; mel = 2595 log10(1 + f / 700)."""
    edges_mel = np.linspace(2595 * np.log10(1 + low_hz / 700), 2595 * np.log10(1 + rate / 1400), bands + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    hz = np.linspace(0, rate / 2, points // 2 + 1)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    filters = np.maximum(np.minimum(rising, falling), 0.0)
    empty = filters.sum(axis=0) == 0  # a band narrower than a bin takes the nearest one
    nearest = np.abs(hz - edges[1:-1]).argmin(axis=0)
    filters[nearest[empty], np.flatnonzero(empty)] = 1.0
    return np.asarray(filters, dtype=np.float32)


def resampled(x: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """The same sound at another rate."""
    if rate == wanted or not len(x):
        return x
    from scipy.signal import resample_poly

    # Odd rates are brought to a multiple of 50 Hz, so that the filter stays short; 0.3 % at most at 8 kHz.
    up, down = max(1, round(wanted / 50)), max(1, round(rate / 50))
    shared = gcd(up, down)
    return np.asarray(resample_poly(x, up // shared, down // shared), dtype=np.float32)
