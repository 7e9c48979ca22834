"""How the background of a picture differs from what stands before it, in colour; calm pixels near the border count.

A scene with one light, one wall, one table lets all that is calm drift towards one colour, the more the farther from
the middle; colours of the border alone do not say whether the whole picture has that cast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["drift"]

_CALM = 2.0  # grey levels between neighbours that are still calm, whatever the rest of the picture
_AROUND = 5  # pixels over which calmness is averaged
_OUTER = 0.75  # of the way from the middle to the border

Floats = NDArray[np.float32]


def drift(colour: Floats) -> Floats:
    """Colours of calm and busy pixels, outer and inner, and how they change from the middle to the border.

    Args:
        colour: (b, h, w, c), brightness first.

    Returns:
        (b, 18 * c): mean of the calm outer pixels, and against busy outer, calm inner and busy inner ones; change per
        half width, its correlation, and the spread, over all sides; change and outer colour side by side, sorted.
    """
    b, h, w, _ = colour.shape
    out, sides = _layout(h, w)
    calm = _calmness(colour[..., 0])
    outside, inside = out * out, 1 - out
    outer, busy, inner, object_ = (
        _mean(colour, weight)
        for weight in (outside * calm, outside * (1 - calm), inside * calm, inside * (1 - calm))
    )
    change, agreement, spread = _trend(colour, calm, np.broadcast_to(out, calm.shape))
    steady, agrees, _ = _trend(colour, np.ones_like(calm), out * calm)
    each = np.stack(
        [_trend(colour, calm * side, np.broadcast_to(out, calm.shape))[0] for side in sides], axis=1
    )
    rims = np.stack([_mean(colour, calm * (side & (out > _OUTER))) for side in sides], axis=1)
    told = [
        outer, outer - busy, outer - inner, outer - object_, change, agreement, np.log(spread + 1), steady, agrees,
        np.sort(each, axis=1).reshape(b, -1), rims.std(axis=1), np.sort(rims, axis=1).reshape(b, -1),
    ]  # fmt: skip
    return np.concatenate(told, axis=1).astype(np.float32)


def _layout(h: int, w: int) -> tuple[Floats, tuple[NDArray[np.bool_], ...]]:
    """(h, w) 0 in the middle to 1 at the border; and which pixels are nearest to the top, bottom, left, right."""
    down, across = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)[None, :]
    out = np.maximum(np.abs(down), np.abs(across)).astype(np.float32)
    upright = np.abs(down) >= np.abs(across)
    return out, (
        upright & (down < 0),
        upright & (down >= 0),
        ~upright & (across < 0),
        ~upright & (across >= 0),
    )


def _calmness(grey: Floats) -> Floats:
    """(b, h, w) in (0, 1], by how little neighbours differ there, against the whole picture."""
    from scipy.ndimage import uniform_filter

    rough = np.zeros_like(grey)
    rough[:, :-1] += np.abs(np.diff(grey, axis=1))
    rough[:, :, :-1] += np.abs(np.diff(grey, axis=2))
    around = uniform_filter(rough, (0, _AROUND, _AROUND))
    usual = np.median(around.reshape(len(grey), -1), axis=1)[:, None, None]
    return np.asarray(1 / (1 + around / (_CALM + usual)), np.float32)


def _shares(weight: Floats) -> Floats:
    return np.asarray(weight / np.maximum(weight.sum(axis=(1, 2), keepdims=True), 1e-6))


def _mean(colour: Floats, weight: Floats) -> Floats:
    """(b, c) weighted mean."""
    return np.asarray(np.einsum("bhwc,bhw->bc", colour, _shares(weight)))


def _trend(colour: Floats, weight: Floats, along: Floats) -> tuple[Floats, Floats, Floats]:
    """(b, c) slope of the colour along a number, correlation with it, and spread of the colour; weighted."""
    share = _shares(weight)
    off = along - (share * along).sum(axis=(1, 2))[:, None, None]
    colours = colour - np.einsum("bhwc,bhw->bc", colour, share)[:, None, None, :]
    length = (share * off * off).sum(axis=(1, 2))[:, None]
    both = np.einsum("bhwc,bhw->bc", colours, share * off)
    own = np.einsum("bhwc,bhwc,bhw->bc", colours, colours, share)
    slope, agreement = both / np.maximum(length, 1e-6), both / np.sqrt(np.maximum(length * own, 1e-3))
    return slope, agreement, np.sqrt(own)
