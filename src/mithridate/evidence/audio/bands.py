"""High bands: energy where most recordings have none, such as ultrasound, in steps of level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.evidence.audio.clip import Clip, Keys
from mithridate.evidence.audio.spectrum import decibel, framed, power

__all__ = ["Bands"]

_BAND = 1000  # Hz
_LOWEST = 4  # bands below are where voices and music are
_STEP = 6.0  # dB
_POINTS = 2048
_BLOCK = 512  # frames at once


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Codes: (band * 64 + step of level) * 2 + shift by half a step."""

    family: str = "high band"
    noun: str = "level of a high band"

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        total = np.zeros(_POINTS // 2 + 1)
        step = _BLOCK * _POINTS // 2
        for start in range(0, len(clip.samples), step):
            frames = framed(clip.samples[start : start + step], _POINTS, _POINTS // 2)
            total += power(frames, _POINTS).sum(axis=0, dtype=np.float64)
        band = (np.linspace(0, clip.rate / 2, len(total)) // _BAND).astype(np.int64)
        energy = np.bincount(band, total)
        bands = np.arange(_LOWEST, int(clip.rate / 2 // _BAND))
        if not len(bands) or not energy.sum():
            none = np.zeros(0, dtype=np.int64)
            return Keys(codes=none, when_ms=none)
        levels = decibel((energy[bands] / energy.sum()).astype(np.float32))  # -90 .. 0
        codes = [
            (bands * 64 + np.floor(-levels / _STEP + shift / 2).astype(np.int64)) * 2 + shift
            for shift in (0, 1)
        ]
        together = np.sort(np.concatenate(codes))
        return Keys(codes=together, when_ms=np.full(len(together), -1))

    def name(self, code: int) -> str:
        """See `Extractor`."""
        band, step, shift = code // 128, code // 2 % 64, code % 2
        low = (step - shift / 2) * _STEP
        return f"{band} to {band + 1} kHz, {low:.0f} to {low + _STEP:.0f} dB below the whole"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        return {"hz": [code // 128 * _BAND, (code // 128 + 1) * _BAND]}
