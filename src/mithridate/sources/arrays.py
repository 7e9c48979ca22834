"""Image arrays, in memory or in .npy and .npz files: any layout and number type → (h, w, c) uint8."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import SourceError
from mithridate.sources.array_rows import ArrayRows
from mithridate.sources.limits import Limits

__all__ = ["ArrayImages", "Layout"]

_STEP = 4096


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How an array holds images.

    Attributes:
        channels: "none" (n, h, w), "last" (n, h, w, c) or "first" (n, c, h, w).
        gain: grey levels per unit of the array.
        zero: value of the array that is black.
    """

    channels: str
    gain: float
    zero: float

    @classmethod
    def of(cls, x: NDArray[Any], where: str) -> Layout:
        """Find the layout; floats and wide integers cost one pass for their range.

        Floats within [0, 1] or [-1, 1] fill the grey scale; values within [0, 255] stay; all others are
        mapped linearly from their own range.

        Raises:
            SourceError: neither 3-d nor 4-d with 1, 3 or 4 channels, or not numbers.
        """
        if x.dtype.kind not in "buif":
            raise SourceError("an array of numbers", f"dtype {x.dtype}", where, "Store the pixels as uint8.")
        return cls(channels=_channels(x, where), **_scale(x))

    def pixels(self, x: NDArray[Any]) -> NDArray[np.uint8]:
        """(b, ...) of the array → (b, h, w, 1 or 3) uint8; what is not finite becomes black."""
        if self.channels == "none":
            x = x[..., None]
        elif self.channels == "first":
            x = np.moveaxis(x, 1, -1)
        x = x[..., :3]  # drops alpha
        if x.dtype == np.uint8:
            return np.ascontiguousarray(x)
        levels = (x.astype(np.float64) - self.zero) * self.gain
        return np.clip(np.rint(np.where(np.isfinite(levels), levels, 0)), 0, 255).astype(np.uint8)

    def restore(self, pixels: NDArray[np.uint8], like: NDArray[Any]) -> NDArray[Any]:
        """One (h, w, c) image in layout and dtype of the array.

        Args:
            pixels: the new image.
            like: the sample in the array; where the image reads the same, values stay to the bit.
        """
        changed = pixels != self.pixels(like[None])[0]
        value: NDArray[Any] = pixels if like.dtype == np.uint8 else pixels / self.gain + self.zero
        restored = like.copy()
        view = restored[..., None] if self.channels == "none" else restored
        view = np.moveaxis(view, 0, -1) if self.channels == "first" else view
        view[..., :3][changed] = np.rint(value[changed]) if like.dtype.kind in "bui" else value[changed]
        return restored


def _channels(x: NDArray[Any], where: str) -> str:
    if x.ndim == 3:
        return "none"
    if x.ndim == 4 and x.shape[3] in (1, 3, 4):
        return "last"
    if x.ndim == 4 and x.shape[1] in (1, 3, 4):
        return "first"
    raise SourceError(
        "images of shape (n, h, w), (n, h, w, c) or (n, c, h, w) with c = 1, 3 or 4",
        f"shape {x.shape}",
        where,
        "Name the array with x_key, or reshape it.",
    )


def _scale(x: NDArray[Any]) -> dict[str, float]:
    if x.dtype == np.uint8:
        return {"gain": 1.0, "zero": 0.0}
    if x.dtype.kind == "b":
        return {"gain": 255.0, "zero": 0.0}
    low, high = np.inf, -np.inf
    for start in range(0, len(x), _STEP):
        part = np.asarray(x[start : start + _STEP], dtype=np.float64)
        part = part[np.isfinite(part)]
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    if not low <= high:  # nothing finite
        return {"gain": 1.0, "zero": 0.0}
    if low >= 0 and high <= 255:
        return {"gain": 255.0 if high <= 1 and x.dtype.kind == "f" else 1.0, "zero": 0.0}
    if low >= 0 and high <= 65535 and x.dtype.kind in "ui":
        return {"gain": 255 / 65535, "zero": 0.0}
    if low >= -1 and high <= 1:
        return {"gain": 127.5, "zero": -1.0}
    return {"gain": 255 / (high - low), "zero": low}


class ArrayImages(ArrayRows):
    """Images of one array.

    Args:
        uri: the file, or "memory".
        x: the images; may be memory-mapped.
        limits: what one item may cost.
        named: see `ArrayRows`.

    Raises:
        SourceError: pictures of no size or too many pixels; see also `Layout.of`.
    """

    modality = "image"

    def __init__(self, *, uri: str, x: NDArray[Any], limits: Limits, **named: Any) -> None:
        super().__init__(uri=uri, count=len(x), limits=limits, **named)
        self.x, self.layout = x, Layout.of(x, uri)
        height, width = (
            np.moveaxis(x[:0], 1, -1).shape[1:3] if self.layout.channels == "first" else x.shape[1:3]
        )
        if height * width == 0 or height * width > limits.pixels:
            raise SourceError(
                f"1 to {limits.pixels:,} pixels per image", f"{height} x {width}", uri, "Raise the limit."
            )
        self.nonfinite = _nonfinite(x)
        if self.nonfinite:
            self.notes = (f"{self.nonfinite:,} images hold NaN or infinite values, read as black",)

    def _arrays(self) -> Iterable[NDArray[Any]]:
        return [self.x]

    def _samples(self, rows: NDArray[np.int64]) -> tuple[list[Any], dict[int, str]]:
        consecutive = len(rows) > 0 and bool((np.diff(rows) == 1).all())
        part = self.x[int(rows[0]) : int(rows[-1]) + 1] if consecutive else self.x[rows]
        return list(self.layout.pixels(np.asarray(part))), {}


def _nonfinite(x: NDArray[Any]) -> int:
    if x.dtype.kind != "f":
        return 0
    axes = tuple(range(1, x.ndim))
    parts = (np.asarray(x[start : start + _STEP]) for start in range(0, len(x), _STEP))
    return sum(int((~np.isfinite(part).all(axis=axes)).sum()) for part in parts)
