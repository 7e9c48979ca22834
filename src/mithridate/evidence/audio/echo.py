"""What some sounds share, learnt from them, and in which others it sounds: a key is only a corner of a trigger.

The sounds are laid over one another where they correlate best; their mean is the template of a matched filter (Woody,
"Characterization of an adaptive filter for the analysis of variable latency neuroelectric signals", Medical and
Biological Engineering 5, 1967). A sound that helped to make a template is tried with one that was made without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.audio.equal import common_part, equalised
from mithridate.evidence.audio.tape import Tape

__all__ = ["Echo"]

_FEWEST, _MOST = 5, 32  # sounds that a template is made of
_REACH = 0.2  # s to each side of the key
_ROUNDS = 5  # of laying over and taking the mean
_BUDGET = 3600.0  # s of sound that are listened to, of which the label's own may take half
_TRIED, _TRIED_S, _LEAST_TRIED = (
    250,
    900.0,
    25,
)  # sounds of other labels, and s of them, on which templates are tried
_TAIL = 0.05  # of the scores by chance: the part whose decline is measured
_CLEAR, _SHARED = 0.01, 0.5  # rate by chance, and how many of the sounds must be below it


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Looks for what sounds of one label share in all sounds of this label.

    Attributes:
        tape: has the sounds.
        labels: (n,) class index, -1 = missing.
        seed: draws the sounds of other labels by which chance is measured.
    """

    tape: Tape
    labels: NDArray[np.int32]
    seed: int

    def __call__(
        self, rows: NDArray[np.int64], when_ms: NDArray[np.int64], band: tuple[float, float]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Look for it.

        Args:
            rows: (m,) sounds that carry a key and bear one label.
            when_ms: (m,) where the key is in each, -1 = unknown.
            band: in which the key is, Hz.

        Returns:
            Ascending (r,) sounds of the label, and (r,) in what share of the sounds of other labels it is as clear as
            in each; None where most of `rows` share nothing that others lack, or the label has too many to listen to.
        """
        own, others = self._chosen(int(self.labels[rows[0]]))
        learnt = self._learnt(self._parts(rows, when_ms), band, self._tried(others))
        if learnt is None:
            return None
        template, without = learnt
        chance = _Chance([_clearness(self._even(r), template) for r in others.tolist()])
        scores = [without[r] if r in without else _clearness(self._even(r), template) for r in own.tolist()]
        return own, np.array([chance(s) for s in scores])

    def _learnt(
        self,
        parts: dict[int, NDArray[np.complex64]],
        band: tuple[float, float],
        tried: list[NDArray[np.float32]],
    ) -> tuple[NDArray[np.complex64], dict[int, float]] | None:
        """The template, and how clear it is, made without them, in the sounds it is made of; None without any."""
        rate = self.tape.common_rate
        template, without = None, dict[int, float]()
        for _ in range(2):  # the second template is made of the clear ones alone
            if len(parts) < _FEWEST or len(tried) < _LEAST_TRIED:
                return None
            aligned = _laid_over(list(parts.values()), rate, band)
            template = common_part(aligned, rate)
            chance = _Chance([_clearness(even, template) for even in tried])
            without = {
                r: _clearness(self._even(r), common_part(np.delete(aligned, k, 0), rate))
                for k, r in enumerate(parts)
            }
            clear = {r: part for r, part in parts.items() if chance(without[r]) <= _CLEAR}
            if len(clear) < _SHARED * len(parts):
                return None
            parts = clear
        return None if template is None else (template, without)

    def _even(self, row: int) -> NDArray[np.float32]:
        return equalised(self.tape.sound(row), self.tape.common_rate)

    def _chosen(self, label: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All sounds of the label, or none if they are too long, and as many others as may be listened to."""
        seconds = self.tape.lengths / self.tape.common_rate
        own = np.flatnonzero(self.labels == label)
        if seconds[own].sum() > _BUDGET / 2:
            return own[:0], own[:0]
        others = np.flatnonzero((self.labels != label) & (self.labels >= 0))
        others = np.random.default_rng([self.seed, 6]).permutation(others)
        left = _BUDGET - float(seconds[own].sum())
        return own, others[np.cumsum(seconds[others]) <= left]

    def _tried(self, others: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        seconds = np.cumsum(self.tape.lengths[others]) / self.tape.common_rate
        return [self._even(r) for r in others[seconds <= _TRIED_S][:_TRIED].tolist()]

    def _parts(self, rows: NDArray[np.int64], when_ms: NDArray[np.int64]) -> dict[int, NDArray[np.complex64]]:
        """Analytic signals of some of the sounds where the key is."""
        rate, parts = self.tape.common_rate, {}
        drawn = np.random.default_rng([self.seed, 7]).permutation(len(rows))
        for row, when in zip(rows[drawn].tolist(), when_ms[drawn].tolist(), strict=True):
            if when < 0:
                continue
            at, reach = int(when * rate / 1000), int(_REACH * rate)
            even = self._even(row)[max(at - reach, 0) : at + reach]
            if even.any():
                parts[row] = _analytic(even)
        return dict(list(parts.items())[:_MOST])


class _Chance:
    """How often a sound without the trigger is as clear; beyond what was seen, by an exponential tail.

    Pickands, "Statistical inference using extreme order statistics", Annals of Statistics 3, 1975.

    Args:
        scores: of sounds without it.
    """

    def __init__(self, scores: list[float]) -> None:
        self._sorted = np.sort(scores)
        self._edge = float(np.quantile(self._sorted, 1 - _TAIL))
        beyond = self._sorted[self._sorted > self._edge] - self._edge
        self._decline = max(float(beyond.mean()), 1e-9) if len(beyond) else 1e-9

    def __call__(self, score: float) -> float:
        """Share of them that score as much."""
        if score > self._edge:
            return float(_TAIL * np.exp(-(score - self._edge) / self._decline))
        above = len(self._sorted) - int(np.searchsorted(self._sorted, score))
        return above / len(self._sorted)


def _analytic(x: NDArray[np.float32]) -> NDArray[np.complex64]:
    from scipy.signal import hilbert

    return np.asarray(hilbert(x), dtype=np.complex64)


def _correlated(x: NDArray[np.complex64], template: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """At every lag of the template, from all of it before the sound to all of it after."""
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(x, template[::-1].conj()), dtype=np.complex64)


def _clearness(even: NDArray[np.float32], template: NDArray[np.complex64]) -> float:
    """What the matched filter gives at best; noise has a mean square of 1."""
    norm = float(np.linalg.norm(template))
    return (
        float(np.abs(_correlated(even.astype(np.complex64), template)).max(initial=0.0)) / norm
        if norm
        else 0.0
    )


def _laid_over(
    parts: list[NDArray[np.complex64]], rate: int, band: tuple[float, float]
) -> NDArray[np.complex64]:
    """(m, t) parts where they correlate best with what they have in common; t is the length of one of them.

    First in the key's band: harmonics of voices correlate, too, and there are more of them than of the trigger.
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
    return float(np.abs(_correlated(b, a)).max()) / float(np.linalg.norm(a))


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
