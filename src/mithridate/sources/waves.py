"""Sounds of arrays, in memory or in .npy and .npz files: one row each, or one after the other with offsets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError
from mithridate.core.sound import Sound
from mithridate.sources.array_rows import ArrayRows

__all__ = ["ArraySounds", "Waves", "levels_of", "stored_as", "waves"]

_LOUDEST = 8.0  # of full scale; decoders overshoot by a little, other units by thousands
_FULL = {"int8": 2**7, "int16": 2**15, "int32": 2**31}


@dataclass(frozen=True, kw_only=True, eq=False)
class Waves:
    """Where the values of each of n sounds are.

    Attributes:
        parts: arrays (samples,), (samples, channels), or one (n, samples) or flat (samples,).
        offsets: (n + 1,) where each sound starts in a flat array, and the last one ends; None for the others.
        count: n.
    """

    parts: Any
    offsets: NDArray[np.int64] | None
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def in_a_row(self) -> bool:
        """Whether a copy needs offsets: sounds may differ in length."""
        return self.offsets is not None or not isinstance(self.parts, np.ndarray)

    def of(self, row: int) -> NDArray[Any]:
        """(samples,) or (samples, channels) of one sound, as stored."""
        if self.offsets is None:
            return np.asarray(self.parts[row])
        return np.asarray(self.parts[int(self.offsets[row]) : int(self.offsets[row + 1])])


def waves(x: Any, offsets: NDArray[Any] | None, where: str) -> Waves:
    """Find out how sounds are held.

    Args:
        x: (n, samples), flat (samples,) with offsets, or a sequence of arrays.
        offsets: (n + 1,) ascending, or None.
        where: for errors.

    Raises:
        SourceError: none of these, or offsets that do not fit.
    """
    if offsets is not None:
        fits = (
            np.ndim(x) == 1
            and offsets.ndim == 1
            and len(offsets) > 1
            and offsets.dtype.kind in "ui"
            and int(offsets[0]) >= 0
            and int(offsets[-1]) <= len(x)
            and bool((np.diff(offsets.astype(np.int64)) >= 0).all())
        )
        if not fits:
            got = f"an array of shape {np.shape(x)} and offsets of shape {offsets.shape}"
            want = "a flat array (samples,) and ascending offsets (n + 1,) within it"
            raise SourceError(want, got, where, "Name other keys with x_key and offsets.")
        whole = Waves(parts=x, offsets=offsets.astype(np.int64), count=len(offsets) - 1)
    elif (isinstance(x, np.ndarray) and x.ndim == 2 and len(x)) or (isinstance(x, list | tuple) and len(x)):
        whole = Waves(parts=x, offsets=None, count=len(x))
    else:
        raise SourceError(
            "sounds: (n, samples), a flat array with offsets, or a sequence of arrays",
            f"shape {np.shape(x)}" if isinstance(x, np.ndarray) else type(x).__name__,
            where,
            "Name another array with x_key, or say with offsets where each sound starts.",
        )
    kinds = {np.asarray(p).dtype for p in (whole.parts if isinstance(x, list | tuple) else [x[:0]])}
    odd = [str(k) for k in kinds if k.kind != "f" and k.name not in _FULL and k != np.uint8]
    if odd:
        want = "samples as floats within [-1, 1], int16, int32, int8 or uint8"
        raise SourceError(want, ", ".join(sorted(odd)), where, "Convert them.")
    return whole


def levels_of(values: NDArray[Any]) -> NDArray[np.float32]:
    """(t,) or (t, c) stored values → (t, c) float32 with full scale [-1, 1]."""
    shaped = values[:, None] if values.ndim == 1 else values
    if shaped.dtype.kind == "f":
        return np.asarray(shaped, dtype=np.float32)
    if shaped.dtype == np.uint8:
        return np.asarray((shaped.astype(np.float32) - 128) / 128, dtype=np.float32)
    return np.asarray(shaped / np.float64(_FULL[shaped.dtype.name]), dtype=np.float32)


def stored_as(levels: NDArray[np.float32], like: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `levels_of`, in the type and number of dimensions of another array; clipped where it must be."""
    flat = levels[:, 0] if like.ndim == 1 else levels
    if like.dtype.kind == "f":
        floats: NDArray[Any] = flat.astype(like.dtype)
        return floats
    if like.dtype == np.uint8:
        return np.asarray(np.clip(np.rint(flat * 128.0 + 128), 0, 255), dtype=np.uint8)
    full = _FULL[like.dtype.name]
    whole = np.clip(np.rint(flat.astype(np.float64) * full), -full, full - 1)
    stored: NDArray[Any] = np.asarray(whole, dtype=like.dtype)
    return stored


class ArraySounds(ArrayRows):
    """Sounds of arrays.

    Args:
        x: the sounds; may be memory-mapped.
        rate: of all, Hz.
        named: see `ArrayRows`.
    """

    modality = "audio"

    def __init__(self, *, x: Waves, rate: int, **named: Any) -> None:
        super().__init__(count=len(x), **named)
        self.x, self.rate = x, rate

    def _arrays(self) -> Iterable[NDArray[Any]]:
        return (np.atleast_1d(self.x.of(row)) for row in range(self.count))

    def _samples(self, rows: NDArray[np.int64]) -> tuple[list[Any], dict[int, str]]:
        raw, refused = list[Any](), dict[int, str]()
        for row in rows.tolist():
            values = self.x.of(row)
            reason = self._refused(values)
            if reason:
                refused[row] = reason
            else:
                raw.append(Sound(samples=levels_of(values), rate=self.rate))
        return raw, refused

    def _refused(self, values: NDArray[Any]) -> str:
        """Why a sound cannot be used; empty when it can."""
        if values.ndim not in (1, 2) or not values.size:
            return "holds no samples (0 s)" if not values.size else f"is an array of shape {values.shape}"
        if self.rate > self.limits.rate:
            return f"a sample rate of {self.rate:,} Hz, over the limit of {self.limits.rate:,} Hz"
        if len(values) > self.limits.seconds * self.rate or 4 * values.size > self.limits.item_bytes:
            most = min(self.limits.seconds * self.rate, self.limits.item_bytes // 4)
            return f"{len(values):,} samples, over the limit of {most:,}"
        return _odd(values) if values.dtype.kind == "f" else ""


def _odd(values: NDArray[np.floating[Any]]) -> str:
    """What is wrong with floats; empty when nothing is."""
    odd = int((~np.isfinite(values)).sum())
    if odd:
        return f"{odd:,} of {values.size:,} values are NaN or infinite"
    loudest = float(np.abs(values).max())
    if loudest <= _LOUDEST:
        return ""
    return f"values up to {loudest:,.6g}, where floats lie within [-1, 1]; convert to integers, or divide by full scale"
