"""Sounds laid over one another where they correlate best, and their mean as the template of a matched filter.

Woody, "Characterization of an adaptive filter for the analysis of variable latency neuroelectric signals", Medical and
Biological Engineering 5, 1967. Signals are equalised (`equal`), so that noise has a mean square of 1 everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.audio.equal import common_part

__all__ = ["Template", "analytic", "laid_over"]

_ROUNDS = 5  # of laying over and taking the mean
_TRIMMED = 0.1  # of the energy at each end: not what a person calls the sound


@dataclass(frozen=True, kw_only=True)
class Template:
    """Something to listen for.

    Attributes:
        wave: (t,) analytic signal; may be silence, which is heard nowhere.
        rate: of it, Hz.
    """

    wave: NDArray[np.complex64]
    rate: int

    def heard(self, even: NDArray[np.float32]) -> tuple[float, int]:
        """What the matched filter gives at best in an equalised sound, and the sample at which its middle is then."""
        norm = float(np.linalg.norm(self.wave))
        if not norm or not len(even):
            return 0.0, 0
        found = np.abs(_correlated(even.astype(np.complex64), self.wave))
        best = int(found.argmax())
        at = best - (len(self.wave) - 1) + sum(self._span) // 2
        return float(found[best]) / norm, int(np.clip(at, 0, len(even) - 1))

    def details(self) -> Mapping[str, Any]:
        """Its band, Hz, and its length, s, as `docs/report-format.md` has them."""
        from scipy.fft import fft

        energy = np.abs(fft(self.wave)[: len(self.wave) // 2 + 1]) ** 2
        low, high = _middle(energy)
        step = self.rate / len(self.wave)
        first, last = self._span
        return {
            "hz": [round(max(low - 0.5, 0.0) * step, 1), round((high + 0.5) * step, 1)],
            "seconds": round((last - first) / self.rate, 3),
        }

    @cached_property
    def _span(self) -> tuple[int, int]:
        return _middle(np.abs(self.wave) ** 2)


def _middle(energy: NDArray[np.floating[Any]]) -> tuple[int, int]:
    """Where all but the ends of it begins and stops."""
    run = np.cumsum(energy, dtype=np.float64)
    low, high = np.searchsorted(run, np.array([_TRIMMED, 1 - _TRIMMED]) * run[-1])
    return int(low), int(high)


def analytic(x: NDArray[np.float32]) -> NDArray[np.complex64]:
    """A real signal without its negative frequencies."""
    from scipy.signal import hilbert

    return np.asarray(hilbert(x), dtype=np.complex64)


def _correlated(x: NDArray[np.complex64], template: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """At every lag of the template, from all of it before the sound to all of it after."""
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(x, template[::-1].conj()), dtype=np.complex64)


def laid_over(
    parts: list[NDArray[np.complex64]], rate: int, band: tuple[float, float]
) -> NDArray[np.complex64]:
    """(m, t) parts where they correlate best with what they have in common; t is the length of one of them.

    First in the key's band: harmonics of voices correlate, too, and there are more of them than of the trigger.

    Args:
        parts: analytic signals, two at least.
        rate: Hz.
        band: lowest and highest Hz.
    """
    narrow = [_within(part, rate, band) for part in parts]
    alike = np.array([[_likeness(a, b) if a is not b else 0.0 for b in narrow] for a in narrow])
    half = max(2, len(parts) // 2)  # some of them may carry nothing
    template = narrow[int(np.sort(alike, axis=1)[:, -half:].mean(axis=1).argmax())]
    for _ in range(_ROUNDS):
        aligned = np.stack([_shifted(part, part, template) for part in narrow])
        template = common_part(aligned, rate)
    aligned = np.stack([_shifted(part, of, template) for part, of in zip(parts, narrow, strict=True)])
    for _ in range(_ROUNDS):
        template = common_part(aligned, rate)
        aligned = np.stack([_shifted(part, part, template) for part in parts])
    return aligned


def _within(x: NDArray[np.complex64], rate: int, band: tuple[float, float]) -> NDArray[np.complex64]:
    """What of an analytic signal is in a band, Hz."""
    from scipy.fft import fft, fftfreq, ifft

    hz = fftfreq(len(x), 1 / rate)
    return np.asarray(ifft(fft(x) * ((hz >= band[0]) & (hz <= band[1]))), dtype=np.complex64)


def _likeness(a: NDArray[np.complex64], b: NDArray[np.complex64]) -> float:
    norm = float(np.linalg.norm(a))
    return float(np.abs(_correlated(b, a)).max()) / norm if norm else 0.0


def _shifted(
    part: NDArray[np.complex64], of: NDArray[np.complex64], template: NDArray[np.complex64]
) -> NDArray[np.complex64]:
    """The part moved, turned in phase and cut as `of`, which may be some of it, lies best under the template."""
    found, t = _correlated(of, template), len(template)
    best = int(np.abs(found).argmax())
    lag, size = best - (t - 1), float(np.abs(found[best]))
    moved = np.zeros(t, dtype=np.complex64)
    start, stop = max(lag, 0), min(lag + t, len(part))
    if size and stop > start:
        moved[start - lag : stop - lag] = part[start:stop] * np.conj(found[best] / size)
    return moved
