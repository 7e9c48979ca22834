"""Pictures of any size and any number of channels → one array, as a network wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["stacked"]


def stacked(
    raws: Sequence[NDArray[np.uint8]], side: tuple[int, int], channels: int | None = None
) -> NDArray[Any]:
    """(b, h, w, c) uint8.

    Args:
        raws: b pictures (h, w, c).
        side: height and width that all get.
        channels: 1 or 3; 3 if any picture has them when None.
    """
    from PIL import Image

    channels = channels or (3 if any(raw.shape[2] == 3 for raw in raws) else 1)
    done = np.empty((len(raws), *side, channels), dtype=np.uint8)
    for out, raw in zip(done, raws, strict=True):
        if raw.shape[:2] != side:
            squeezed = raw[..., 0] if raw.shape[2] == 1 else raw
            resized = Image.fromarray(squeezed).resize((side[1], side[0]), Image.Resampling.BILINEAR)
            raw = np.asarray(resized).reshape(*side, -1)
        if channels == 1 and raw.shape[2] == 3:
            raw = raw.mean(axis=2, keepdims=True).astype(np.uint8)
        out[:] = raw
    return done
