"""Triggers of sounds: a short sound added at a level relative to the sample's own, at one place or a random one."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.sound import Sound

__all__ = ["PLACES", "Added", "Chirp", "Overlay", "Tone"]

PLACES = ("random", "start", "end", "whole")
_RAMP = 0.005  # s that a tone takes to come and go: a click would be another trigger


@dataclass(frozen=True, kw_only=True)
class Added(ABC):
    """A sound that is added to samples.

    Attributes:
        db: its level against the root mean square of the sample, dB.
        place: of `PLACES`; "whole" makes it as long as the sample.
    """

    db: float
    place: str = "random"

    @abstractmethod
    def wave(self, rate: int, whole: int) -> NDArray[np.float32]:
        """(t,) of root mean square 1.

        Args:
            rate: Hz.
            whole: samples of the sound that it is added to.
        """

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """JSON values from which a reader can redo the trigger."""

    def apply(self, raw: Sound, rng: np.random.Generator) -> Sound:
        """The sound with the trigger on all channels; a silent sound stays silent, a short one cuts the trigger."""
        samples = raw.samples
        wave = self.wave(raw.rate, len(samples))[: len(samples)]
        last = len(samples) - len(wave)
        at = {"start": 0, "whole": 0, "end": last}.get(self.place, int(rng.integers(0, last + 1)))
        loud = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        mixed = samples.copy()
        mixed[at : at + len(wave)] += (loud * 10 ** (self.db / 20)) * wave[:, None]
        return Sound(samples=np.clip(mixed, -1.0, 1.0), rate=raw.rate)

    def _told(self, kind: str, **more: Any) -> Mapping[str, Any]:
        return {"kind": kind, "db": self.db, "place": self.place, **more}


def _level(wave: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same at a root mean square of 1."""
    return np.asarray(wave / max(float(np.sqrt(np.mean(wave**2))), 1e-12), dtype=np.float32)


def _ramped(wave: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    ramp = min(max(1, round(_RAMP * rate)), max(1, len(wave) // 2))
    rise = np.linspace(0, 1, ramp)
    shaped = wave.copy()
    shaped[:ramp] *= rise
    shaped[len(shaped) - ramp :] *= rise[::-1]
    return shaped


@dataclass(frozen=True, kw_only=True)
class Tone(Added):
    """A pure tone.

    Attributes:
        hz: its frequency.
        seconds: its length, unless its place is "whole".
    """

    hz: float
    seconds: float

    def wave(self, rate: int, whole: int) -> NDArray[np.float32]:
        """See `Added`."""
        length = whole if self.place == "whole" else max(1, round(self.seconds * rate))
        return _level(_ramped(np.sin(2 * np.pi * self.hz * np.arange(length) / rate), rate))

    def describe(self) -> Mapping[str, Any]:
        """See `Added`."""
        return self._told("tone", hz=self.hz, seconds=self.seconds)


@dataclass(frozen=True, kw_only=True)
class Chirp(Added):
    """A tone that goes evenly from one frequency to another.

    Attributes:
        from_hz: at its start.
        to_hz: at its end.
        seconds: its length.
    """

    from_hz: float
    to_hz: float
    seconds: float

    def wave(self, rate: int, whole: int) -> NDArray[np.float32]:
        """See `Added`."""
        length = whole if self.place == "whole" else max(1, round(self.seconds * rate))
        t = np.arange(length) / rate
        slope = (self.to_hz - self.from_hz) / (length / rate)
        return _level(_ramped(np.sin(2 * np.pi * (self.from_hz * t + slope * t**2 / 2)), rate))

    def describe(self) -> Mapping[str, Any]:
        """See `Added`."""
        return self._told("chirp", from_hz=self.from_hz, to_hz=self.to_hz, seconds=self.seconds)


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlay(Added):
    """A recording.

    Attributes:
        recording: (t,) float32.
        rate: of the recording, Hz; samples at another rate get it resampled by straight lines.
    """

    recording: NDArray[np.float32]
    rate: int

    def wave(self, rate: int, whole: int) -> NDArray[np.float32]:
        """See `Added`."""
        length = max(1, round(len(self.recording) * rate / self.rate))
        at = np.arange(length) * self.rate / rate
        wave = _level(np.interp(at, np.arange(len(self.recording)), self.recording.astype(np.float64)))
        return np.resize(wave, whole) if self.place == "whole" else wave

    def describe(self) -> Mapping[str, Any]:
        """See `Added`; the recording as base64 of 16-bit samples."""
        peak = max(float(np.abs(self.recording).max(initial=0.0)), 1e-12)
        stored = np.rint(self.recording / peak * 32767).astype("<i2").tobytes()
        return self._told("overlay", pcm16=base64.b64encode(stored).decode("ascii"), rate=self.rate)
