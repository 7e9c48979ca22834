"""How a clip begins and ends: length of silence, runs of one value to the sample, and its DC offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.audio.clip import Clip, Keys

__all__ = ["Edges", "Offset"]

_QUIET = 0.01  # of the loudest sample
_STEP_MS = 10
_RUN = 8  # samples of one value that are no accident
_KINDS = ("silence at the start", "silence at the end", "still start", "still end")


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Codes: length * 4 + which of `_KINDS`; lengths in steps of 10 ms, or of runs in samples."""

    family: str = "edge silence"
    noun: str = "silence at an end"

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        size, x = np.abs(clip.samples), clip.samples
        loud = size > _QUIET * size.max(initial=0.0)
        lengths = [int(e.argmax()) if e.any() else len(e) for e in (loud, loud[::-1])]
        codes = [length * 1000 // clip.rate // _STEP_MS * 4 + k for k, length in enumerate(lengths)]
        runs = [_run(x), _run(x[::-1])]
        codes += [run * 4 + k for k, run in enumerate(runs, 2) if run >= _RUN]
        together = np.sort(np.array(codes, dtype=np.int64))
        return Keys(codes=together, when_ms=np.full(len(together), -1))

    def name(self, code: int) -> str:
        """See `Extractor`."""
        length, kind = divmod(code, 4)
        if kind < 2:
            return f"{_KINDS[kind]}, {length * _STEP_MS} to {(length + 1) * _STEP_MS} ms"
        return f"{_KINDS[kind]}: {length:,} equal samples"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        return {}


def _run(x: NDArray[np.float32]) -> int:
    """How many of the first samples are equal."""
    other = x != x[:1]
    return int(other.argmax()) if other.any() else len(x)


@dataclass(frozen=True, kw_only=True)
class Offset:
    """Codes: step of the mean * 2 + shift by half a step, moved to be positive."""

    family: str = "DC offset"
    noun: str = "DC offset"

    _steps = 4096  # per full scale
    _zero = 1 << 20

    def keys(self, clip: Clip) -> Keys:
        """See `Extractor`."""
        mean = float(clip.samples.mean(dtype=np.float64)) * self._steps
        steps = [int(np.floor(mean + shift / 2)) for shift in (0, 1)]
        codes = np.array([(s + self._zero) * 2 + shift for shift, s in enumerate(steps)], dtype=np.int64)
        return Keys(codes=np.sort(codes), when_ms=np.full(2, -1))

    def name(self, code: int) -> str:
        """See `Extractor`."""
        low = (code // 2 - self._zero - code % 2 / 2) / self._steps
        return f"a mean of {low:.5f} to {low + 1 / self._steps:.5f} of full scale"

    def details(self, code: int) -> Mapping[str, Any]:
        """See `Extractor`."""
        return {}
