"""Landmarks: three peaks of the spectrogram in the same constellation, at any offset.

Wang, "An industrial-strength audio search algorithm", ISMIR 2003, section 2, with three peaks in place of two: pairs
recur by chance in speech, triples hardly do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mithridate.evidence.audio.clip import Clip, Keys, joined
from mithridate.evidence.audio.spectrum import decibel, framed, power

__all__ = ["Landmarks"]

_WINDOW, _HOP = 0.032, 0.008  # s
_REACH = 3  # frames and bins within which a peak is the largest
_CONTRAST = 6.0  # dB
_RANGE = 60.0  # dB below the loudest point
_FAN = 8  # peaks after a peak that are tried
_SPAN = 14  # frames that a constellation may take; below 16
_BINS = 512
_BLOCK = 4096  # frames at once


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Codes: the three bins of 1 / window Hz and the two distances in frames, 9 + 9 + 9 + 4 + 4 bits."""

    family: str = "landmark"
    noun: str = "constellation of spectral peaks"

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        from mithridate.evidence.audio.kernels import contrast_peaks

        rate = clip.common_rate
        size, hop = max(16, round(_WINDOW * rate)), max(1, round(_HOP * rate))
        parts = []
        for start in range(0, len(clip.common), _BLOCK * hop):
            levels = decibel(power(framed(clip.common[start : start + _BLOCK * hop], size, hop), size))
            floor = max(float(levels.max()) - _RANGE, -89.0)
            t, f = contrast_peaks(levels[:, :_BINS], _REACH, _REACH, _CONTRAST, floor)
            first = start // hop
            for a in range(1, _FAN):
                for b in range(a + 1, min(_FAN + 1, len(t))):
                    near, far = t[a:][: len(t) - b] - t[:-b], t[b:] - t[:-b]
                    middle = f[a:][: len(t) - b]
                    code = (((f[:-b] * _BINS + middle) * _BINS + f[b:]) * 16 + near) * 16 + far
                    close = far <= _SPAN
                    times = (first + t[:-b] + far // 2) * round(1000 * _HOP)
                    parts.append((code[close], times[close]))
        return joined(parts)

    def name(self, code: int) -> str:
        """See `Extractor`."""
        hz, span = self._read(code)
        return f"{', '.join(f'{h:,.0f}' for h in hz)} Hz within {span * 1000:.0f} ms"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        hz, span = self._read(code)
        return {"hz": [min(hz), max(hz)], "seconds": round(span + _WINDOW, 3), "peaks_hz": list(hz)}

    def _read(self, code: int) -> tuple[tuple[float, float, float], float]:
        """Frequencies of the peaks, Hz, and the time from first to last, s."""
        code, far = divmod(code, 16)
        rest, third = divmod(code // 16, _BINS)
        first, second = divmod(rest, _BINS)
        return (first / _WINDOW, second / _WINDOW, third / _WINDOW), far * _HOP
