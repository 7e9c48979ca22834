"""Sounds with every stretch and every band about equally loud, so that a faint trigger weighs as much as speech.

Dividing by the power around each point of the spectrogram is whitening of noise that is stationary only for a while:
what a matched filter wants (Turin, "An introduction to matched filters", IRE Trans. Information Theory 6, 1960).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["common_part", "equalised"]

_WINDOW = 0.032  # s; hops are a quarter of it
_AROUND_S, _AROUND_HZ = 0.1, 120.0  # to each side: what counts as around
_FLOOR = 10**-5.5  # of the mean power: nothing to hear
_NOISE = 2.5  # times the noise that is left in a mean: what is below tells nothing


def _quarter(rate: int) -> int:
    return max(4, round(_WINDOW * rate / 4))


def _spectra(x: NDArray[Any], quarter: int) -> NDArray[Any]:
    """(..., bins, frames)."""
    from scipy.signal import stft

    window, real = np.sqrt(np.hanning(4 * quarter + 1)[:-1]), not np.iscomplexobj(x)
    return np.asarray(
        stft(x, window=window, nperseg=4 * quarter, noverlap=3 * quarter, return_onesided=real)[2]
    )


def _sound(points: NDArray[Any], quarter: int, *, real: bool) -> NDArray[Any]:
    """(t + a little,) samples of (bins, frames)."""
    from scipy.signal import istft

    window = np.sqrt(np.hanning(4 * quarter + 1)[:-1])
    return np.asarray(
        istft(points, window=window, nperseg=4 * quarter, noverlap=3 * quarter, input_onesided=real)[1]
    )


def equalised(x: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(t,) of root mean square 1, or silence.

    Args:
        x: (t,) samples.
        rate: of these, Hz.
    """
    from scipy.ndimage import uniform_filter

    quarter = _quarter(rate)
    points = _spectra(np.pad(x, (0, max(4 * quarter - len(x), 0))), quarter)
    powers = points.real**2 + points.imag**2
    reach = (round(_AROUND_HZ * _WINDOW), round(_AROUND_S * rate / quarter))
    around = uniform_filter(powers, [2 * r + 1 for r in reach], mode="nearest") + _FLOOR * powers.mean()
    even = _sound(points / np.sqrt(np.maximum(around, 1e-30)), quarter, real=True)[: len(x)]
    loud = float(np.sqrt(np.mean(even**2))) if len(even) else 0.0
    return np.asarray(even / max(loud, 1e-9), dtype=np.float32)


def common_part(aligned: NDArray[np.complex64], rate: int) -> NDArray[np.complex64]:
    """(t,) what aligned stretches have in common: their mean, damped where they differ (Wiener, 1949).

    Args:
        aligned: (m, t) analytic signals, m >= 2.
        rate: Hz.
    """
    from scipy.ndimage import uniform_filter1d

    quarter, t = _quarter(rate), aligned.shape[1]
    points = _spectra(np.pad(aligned, ((0, 0), (0, max(4 * quarter - t, 0)))), quarter)
    mean = points.mean(axis=0)
    noise = (np.abs(points - mean) ** 2).sum(axis=0) / (len(aligned) - 1) / len(aligned)
    power, noise = (uniform_filter1d(p, 3, axis=1) for p in (np.abs(mean) ** 2, noise))
    gain = np.maximum(0.0, 1.0 - _NOISE * noise / np.maximum(power, 1e-30))
    return np.asarray(_sound(mean * gain, quarter, real=False)[:t], dtype=np.complex64)
