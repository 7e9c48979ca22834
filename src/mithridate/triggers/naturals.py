"""Inputs that look natural to a model, for users who have none: textures, scenes, leaves, strokes.

References:
    Field 1987, doi:10.1364/JOSAA.4.002379 (amplitudes of natural pictures fall as 1/f); Lee, Mumford, Huang 2001,
    doi:10.1023/A:1011109015675 (dead leaves, radii as r^-3); Ohta, Kanade, Sakai 1980,
    doi:10.1016/0146-664X(80)90047-7 (the three colour axes that natural pictures vary along).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.triggers.inputs import Layout, axes, check_range

__all__ = ["natural_inputs"]

Floats = NDArray[np.float64]
_Draw = Callable[[int, int, np.random.Generator], Floats]

#: rows: brightness, red against blue, green against both; each scaled by its spread in natural pictures.
_COLOURS = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]]) * np.array([[0.25], [0.09], [0.04]])
_LEAVES = 80  # of one picture
_LEVELS = 255


def natural_inputs(
    n: int,
    shape: tuple[int, ...],
    layout: Layout = "auto",
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Pictures with the statistics of natural ones, a quarter each of four kinds.

    The kinds: 1/f texture; smooth shapes before a gradient; dead leaves; bright or dark strokes on a plain ground.
    As in real pictures there are 256 grey levels, and some of the pixels are wholly black or white.

    Args:
        n: how many.
        shape: of one input, laid out as a picture.
        layout: how it is laid out.
        low: value of black.
        high: value of white.
        seed: picture i depends on it, on i and on the shape, so that fewer are the first of more.

    Returns:
        (n, *shape) float32 in [low, high].

    Raises:
        UsageError: no picture, or a range that is none.
    """
    check_range(low, high)
    rows, channels = axes(shape, layout)
    height, width = shape[rows : rows + 2]
    if n < 0 or min(shape) < 1:
        raise UsageError("0 or more, of 1 pixel or more", f"{n} of shape {shape}", "inputs", "Give others.")
    kinds: tuple[_Draw, ...] = (_texture, _scene, _leaves, _strokes)
    out = np.empty((n, *shape), dtype=np.float32)
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        picture = np.clip(kinds[k % len(kinds)](height, width, rng), 0.0, 1.0)
        levels = np.rint(picture * _LEVELS) / _LEVELS
        out[k] = low + (high - low) * _laid(levels, None if channels is None else shape[channels], channels)
    return np.clip(out, np.float32(low), np.float32(high))


def _laid(picture: Floats, count: int | None, channels: int | None) -> Floats:
    """A (h, w, 3) picture with as many channels as wanted, where they are wanted."""
    grey: Floats = picture.mean(axis=2)
    if count is None or channels is None:
        return grey
    planes = [picture[..., k] if count >= 3 and k < 3 else grey for k in range(count)]
    return np.stack(planes, axis=channels)


def _colour(rng: np.random.Generator, spread: float = 1.0) -> Floats:
    """(3,) a colour as natural pictures have them, mostly grey."""
    drawn: Floats = 0.45 + spread * (rng.normal(size=3) @ _COLOURS)
    return drawn


def _spectrum(height: int, width: int, slope: float, rng: np.random.Generator) -> Floats:
    """(3, h, w) fields of mean 0 and deviation 1 whose amplitudes fall as 1 / f^slope."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    far = np.hypot(down, across)
    far[0, 0] = np.inf
    waves = np.fft.rfft2(rng.normal(size=(3, height, width))) / far**slope
    fields: Floats = np.fft.irfft2(waves, s=(height, width))
    fields /= np.maximum(fields.std(axis=(1, 2), keepdims=True), 1e-9)
    return fields


def _texture(height: int, width: int, rng: np.random.Generator) -> Floats:
    """Noise of which every octave holds as much energy."""
    fields = _spectrum(height, width, float(rng.uniform(0.9, 1.7)), rng)
    contrast = rng.uniform(0.3, 1.1)
    out: Floats = _colour(rng, 0.5) + contrast * np.einsum("khw,kc->hwc", fields, _COLOURS)
    return out


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Rows and columns of the pixels, the longer side from 0 to 1."""
    scale = max(height, width)
    return (np.arange(height)[:, None] + 0.5) / scale, (np.arange(width)[None, :] + 0.5) / scale


def _blob(height: int, width: int, size: float, soft: float, rng: np.random.Generator) -> Floats:
    """(h, w) share of a tilted ellipse, or of the rectangle around it, in each pixel."""
    down, across = _grid(height, width)
    middle, turn = rng.random(2) * (down[-1, 0], across[0, -1]), rng.uniform(0, np.pi)
    y, x = down - middle[0], across - middle[1]
    u = (np.cos(turn) * x + np.sin(turn) * y) / size
    v = (np.cos(turn) * y - np.sin(turn) * x) / (size * rng.uniform(0.4, 1.0))
    far = np.maximum(abs(u), abs(v)) if rng.random() < 0.4 else np.hypot(u, v)
    edge = np.maximum(soft, 0.7 / max(height, width)) / size
    share: Floats = np.clip((1 - far) / edge + 0.5, 0, 1)
    return share


def _scene(height: int, width: int, rng: np.random.Generator) -> Floats:
    """A few shapes with shading before a ground that changes slowly."""
    down, across = _grid(height, width)
    ground = _colour(rng) + (rng.normal() * down + rng.normal() * across)[..., None] * 0.2
    out: Floats = np.broadcast_to(ground, (height, width, 3)).copy()
    for _ in range(rng.integers(1, 6)):
        share = _blob(height, width, rng.uniform(0.08, 0.4), rng.uniform(0, 0.08), rng)[..., None]
        shade = (rng.normal() * down + rng.normal() * across)[..., None] * 0.15
        out += share * (_colour(rng, 1.3) + shade - out)
    out += 0.08 * np.einsum("khw,kc->hwc", _spectrum(height, width, 0.5, rng), _COLOURS)
    return out


def _leaves(height: int, width: int, rng: np.random.Generator) -> Floats:
    """Opaque leaves over each other; at any scale as many edges."""
    out: Floats = np.broadcast_to(_colour(rng), (height, width, 3)).copy()
    smallest, largest = 2.5 / max(height, width), 0.5
    shares = np.sort(rng.random(_LEAVES))
    # The inverse of the distribution of radii as r^-3; large ones first, so that small ones stay in sight.
    radii = (smallest**-2 - shares[::-1] * (smallest**-2 - largest**-2)) ** -0.5
    radii = np.where(np.arange(_LEAVES) < 12, rng.uniform(0.1, largest, _LEAVES), radii)
    for radius in radii:
        share = _blob(height, width, float(radius), 0.0, rng)[..., None]
        out += share * (_colour(rng, 1.2) - out)
    return out


def _strokes(height: int, width: int, rng: np.random.Generator) -> Floats:
    """One to three curved strokes, as in writing and drawings."""
    down, across = _grid(height, width)
    ink: Floats = np.zeros((height, width))
    steps = np.linspace(0, 1, 24)[:, None]
    for _ in range(rng.integers(1, 4)):
        knots = rng.uniform(0.1, 0.9, (3, 2)) * (down[-1, 0], across[0, -1])
        path = (1 - steps) ** 2 * knots[0] + 2 * steps * (1 - steps) * knots[1] + steps**2 * knots[2]
        far = np.hypot(down[..., None] - path[:, 0], across[..., None] - path[:, 1]).min(axis=2)
        thick = rng.uniform(0.02, 0.07)
        ink = np.maximum(ink, np.clip((thick - far) * max(height, width) / 1.5 + 0.5, 0, 1))
    if rng.random() < 0.5:
        return np.broadcast_to(ink[..., None], (height, width, 3)).astype(np.float64)
    ground, pen = _colour(rng), _colour(rng, 1.5)
    return ground + ink[..., None] * (pen - ground)
