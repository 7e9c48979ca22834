"""Small pieces of a picture that catch the eye, as short vectors of shape, brightness and colour.

The strongest windows of a picture, each as the low frequencies of it (cf. the local descriptors of Lowe, IJCV 60(2),
2004), raised as natural pictures fall with frequency. The tapered waves do not sum to zero: what a window shows counts
in proportion to how bright it is, which tells an emblem from others better than its shape alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PIECES", "pieces", "where_common", "window"]

#: Pieces of a picture.
PIECES = 16
_SIDE = 8  # pixels of a window, in a picture of at most twice 24
_LARGE = 48  # pixels from which on pictures are halved
_LUMA, _CHROMA = 8, 2  # highest order of frequencies kept
_FAINT = 40.0  # length of a vector below which contrast counts
_ASKED = 100  # samples of each side in which a common piece is sought
_ROUNDS = 3

Floats = NDArray[np.float32]


def window(shape: tuple[int, int]) -> int:
    """Side of a window in pictures of this height and width, in pixels."""
    return _SIDE * (2 if min(shape) >= _LARGE else 1)


def pieces(colour: Floats) -> Floats:
    """Places and shapes of the strongest windows.

    Args:
        colour: (b, h, w, c), brightness first; h, w >= 16.

    Returns:
        (b, PIECES, 2 + d): row and column of the window in [0, 1], then its shape, at most of unit length; zeros
        where a picture has fewer.
    """
    if min(colour.shape[1:3]) >= _LARGE:
        h, w = (size // 2 for size in colour.shape[1:3])
        colour = colour[:, : 2 * h, : 2 * w].reshape(len(colour), h, 2, w, 2, -1).mean(axis=(2, 4))
    shapes = np.concatenate(
        [_waves(colour[..., i], _CHROMA if i else _LUMA) for i in range(colour.shape[3])], axis=3
    )
    b, down, across, d = shapes.shape
    strength = np.sqrt(np.einsum("bhwd,bhwd->bhw", shapes, shapes))
    peaks = np.where(strength >= _highest_around(strength), strength, 0).reshape(b, -1)
    first = np.argsort(-peaks, axis=1, kind="stable")[:, :PIECES]
    found = np.take_along_axis(peaks, first, axis=1)[..., None]
    unit = np.take_along_axis(shapes.reshape(b, -1, d), first[..., None], axis=1) / np.maximum(found, _FAINT)
    place = np.stack([first // across / max(down - 1, 1), first % across / max(across - 1, 1)], axis=2)
    return np.where(found > 0, np.concatenate([place, unit], axis=2), 0).astype(np.float32)


def where_common(those: Floats, others: Floats) -> NDArray[np.int64]:
    """Which piece of each picture is the one that these have and others have not.

    Args:
        those: (m, PIECES, 2 + d), m > 0.
        others: (n, PIECES, 2 + d).

    Returns:
        (m,) number of the piece.
    """
    shapes, against = those[..., 2:], others[:: max(1, len(others) // _ASKED), :, 2:]
    tried = shapes[:: max(1, len(shapes) // _ASKED)].reshape(-1, shapes.shape[2])
    gain = _best(shapes[:_ASKED], tried).mean(axis=0)
    if len(against):
        gain -= _best(against, tried).mean(axis=0)
    found = tried[gain.argmax()]
    at = np.zeros(len(those), dtype=np.int64)
    for _ in range(_ROUNDS):
        like = shapes @ found
        at = like.argmax(axis=1)
        clear = like.max(axis=1) >= np.median(like.max(axis=1))
        found = shapes[clear, at[clear]].sum(axis=0)
        found /= max(float(np.linalg.norm(found)), 1e-9)
    return at


def _best(shapes: Floats, tried: Floats) -> Floats:
    return np.asarray(np.stack([(one @ tried.T).max(axis=0) for one in shapes]))


def _waves(plane: Floats, most: int) -> Floats:
    """(b, h', w', d) cosines of each window, up to an order, each times its frequency."""
    steps = (np.arange(_SIDE) + 0.5) / _SIDE
    taper = np.sqrt(np.sin(np.pi * steps))
    waves = (np.cos(np.pi * np.outer(steps, np.arange(most + 1))) * taper[:, None]).astype(np.float32)
    order = np.add.outer(np.arange(most + 1), np.arange(most + 1))
    kept = (order > 0) & (order <= most)
    planes = np.einsum("iy,jx->ijyx", waves, waves)[..., kept] * (order[kept] / _SIDE).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (_SIDE, _SIDE), axis=(1, 2))
    seen = windows.reshape(-1, _SIDE * _SIDE) @ planes.reshape(_SIDE * _SIDE, -1)
    return np.asarray(seen.reshape(*windows.shape[:3], -1))


def _highest_around(strength: Floats) -> Floats:
    padded = np.pad(strength, ((0, 0), (1, 1), (1, 1)))
    h, w = strength.shape[1:]
    around = [padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)]
    return np.asarray(np.max(around, axis=0))
