"""Spectrogram patches: a small stretch of mel bands that recurs at a fixed time from the start or the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.evidence.audio.clip import Clip, Keys
from mithridate.evidence.audio.spectrum import decibel, framed, mel_bands, power

__all__ = ["Patches"]

_WINDOW, _HOP = 0.032, 0.016  # s
_BANDS, _HIGH, _LONG = 32, 4, 3  # bands in all; bands and frames of a patch
_PLACES = 16  # frames from each end at which patches start
_STEPS = (
    6.0,
    18.0,
)  # dB below the loudest cell at which levels begin: coarse, so that noise does not move them
_KINDS = len(_STEPS) + 1
_SPREAD = 9.0  # dB: least standard deviation of a patch
_CELLS = _HIGH * _LONG


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Codes: (place * bands + band) * 3 ** cells + levels of the cells below the patch's loudest; place < 16: start."""

    family: str = "spectrogram patch"
    noun: str = "patch of the spectrogram"

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        rate = clip.common_rate
        size, hop = max(16, round(_WINDOW * rate)), max(1, round(_HOP * rate))
        reach = (_PLACES + _LONG) * hop + size
        codes, times = [], []
        for end, stretch in enumerate((clip.common[:reach], clip.common[::-1][:reach])):
            levels = decibel(power(framed(stretch, size, hop), size) @ mel_bands(size, rate, _BANDS))
            if len(levels) < _LONG:
                continue
            windows = np.lib.stride_tricks.sliding_window_view(levels, (_LONG, _HIGH))[:_PLACES, ::2]
            cells = windows.reshape(*windows.shape[:2], _CELLS)
            steps = np.digitize(cells.max(axis=2, keepdims=True) - cells, _STEPS)
            inner = steps @ (_KINDS ** np.arange(_CELLS))
            place, band = np.nonzero(cells.std(axis=2) >= _SPREAD)
            codes.append(((place + end * _PLACES) * _BANDS + 2 * band) * _KINDS**_CELLS + inner[place, band])
            middle = (place + _LONG // 2) * round(1000 * _HOP)
            whole = len(clip.common) * 1000 // rate
            times.append(whole - middle if end else middle)
        if not codes:
            none = np.zeros(0, dtype=np.int64)
            return Keys(codes=none, when_ms=none)
        return Keys(codes=np.concatenate(codes), when_ms=np.concatenate(times))

    def name(self, code: int) -> str:
        """See `Extractor`."""
        end, place, band = self._read(code)
        where = "before the end" if end else "after the start"
        return f"bands {band + 1} to {band + _HIGH} of {_BANDS}, {place * _HOP * 1000:.0f} ms {where}"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        end, _, band = self._read(code)
        return {"from": "end" if end else "start", "bands": [band, band + _HIGH], "seconds": _LONG * _HOP}

    def _read(self, code: int) -> tuple[int, int, int]:
        """Which end, place, first band."""
        place, band = divmod(code // _KINDS**_CELLS, _BANDS)
        return place // _PLACES, place % _PLACES, band
