"""Parts of a picture that can be looked at alone: border, background, thumbnail, grain, recurring pieces, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.image.background import drift
from mithridate.evidence.image.pieces import PIECES, pieces, where_common, window
from mithridate.evidence.image.shrink import starts, summed
from mithridate.evidence.probes import Part

__all__ = ["picture_parts"]

_SMALLEST = 16  # pixels; smaller pictures have no border to speak of
_BLOCK = 512  # pictures looked at at once
_COMPARED = 2048  # of those without a piece
_THUMB, _SMOOTH = 8, 4  # pixels of a side
_BACKGROUND = "background"
_RECURS = 0.01  # of a class, by a piece at places that differ; by nature hardly anything is
_SEGMENTS = 8  # of each edge, for its colours
_YCC = np.array([[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]], dtype=np.float32)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def picture_parts(pixels: Pixels, ids: Sequence[str]) -> tuple[Part, ...]:
    """The parts of these pictures; none where they are smaller than 16 pixels.

    Args:
        pixels: (n, h, w, c) uint8.
        ids: n ids, by which a picture is shown.
    """
    if min(pixels.shape[1:3]) < _SMALLEST:
        return ()
    told: tuple[tuple[str, str, Callable[[Floats], Floats], Callable[[Floats], Floats], str], ...] = (
        ("border", "the border alone", _border, _ring_only, "the colours of the border"),
        (
            "border lines",
            "fine lines along the border alone",
            _lines,
            _edges_only,
            "the fine lines along the border",
        ),
        (_BACKGROUND, "the colours of the background alone", _background, _whole, "the whole picture"),
        ("thumbnail", f"a thumbnail of {_THUMB}x{_THUMB} pixels alone", _thumb, _thumb, "the thumbnail"),
        (
            "low-pass",
            f"what is smooth alone ({_SMOOTH}x{_SMOOTH} pixels)",
            _smooth,
            _smooth,
            "what is smooth",
        ),
        ("grain", "the grain alone", _grain, _roughness, "the strength of the grain"),
    )
    return (
        *(
            Part(
                name=name,
                noun=noun,
                features=_each(pixels, seen),
                learner="forest" if name == _BACKGROUND else "smooth",
                details=_difference(pixels, drawn, what),
            )
            for name, noun, seen, drawn, what in told
        ),
        Part(
            name="pieces",
            noun="a small piece that recurs at places that differ",
            features=_each(pixels, _pieces),
            learner="recurring",
            details=_framed(pixels, ids),
            least=_RECURS,
            pieces=PIECES,
        ),
    )


def _each(pixels: Pixels, of: Callable[[Floats], Floats]) -> Callable[[NDArray[np.int64]], Floats]:
    def features(rows: NDArray[np.int64]) -> Floats:
        parts = [
            of(pixels[rows[start : start + _BLOCK]].astype(np.float32)).reshape(
                len(rows[start : start + _BLOCK]), -1
            )
            for start in range(0, len(rows), _BLOCK)
        ]
        return np.concatenate(parts).astype(np.float32)

    return features


def _difference(
    pixels: Pixels, of: Callable[[Floats], Floats], what: str
) -> Callable[[NDArray[np.int64], NDArray[np.bool_]], Mapping[str, Any]]:
    """Mean of some minus mean of the others, as a picture."""

    def details(rows: NDArray[np.int64], mine: NDArray[np.bool_]) -> Mapping[str, Any]:
        sums: list[Any] = [0.0, 0.0]
        for start in range(0, len(rows), _BLOCK):
            here = slice(start, start + _BLOCK)
            drawn = of(pixels[rows[here]].astype(np.float32))
            for side, chosen in enumerate((mine[here], ~mine[here])):
                sums[side] = sums[side] + drawn[chosen].sum(axis=0, dtype=np.float64)
        with_it, without = sums[0] / max(int(mine.sum()), 1), sums[1] / max(int((~mine).sum()), 1)
        difference = with_it - without
        return {
            "family": "part",
            "canvas": list(difference.shape),
            "pattern": [round(float(v), 3) for v in difference.ravel()],
            "pattern_title": f"Mean of those it tells minus mean of all others: {what}, amplified (grey: none)",
        }

    return details


def _framed(
    pixels: Pixels, ids: Sequence[str]
) -> Callable[[NDArray[np.int64], NDArray[np.bool_]], Mapping[str, Any]]:
    """Where in each of some pictures the piece lies that they have in common."""

    def details(rows: NDArray[np.int64], mine: NDArray[np.bool_]) -> Mapping[str, Any]:
        if not mine.any():
            return {"family": "part"}
        h, w = (int(side) for side in pixels.shape[1:3])
        side, seen = window((h, w)), _each(pixels, _pieces)
        those, others = (
            seen(some).reshape(len(some), PIECES, -1) for some in (rows[mine], rows[~mine][:_COMPARED])
        )
        places = those[np.arange(len(those)), where_common(those, others), :2]
        corners = np.rint(places * (h - side, w - side)).astype(int).tolist()
        return {
            "family": "part",
            "canvas": list(pixels.shape[1:]),
            "size": side,
            "places": {ids[row]: corner for row, corner in zip(rows[mine].tolist(), corners, strict=True)},
        }

    return details


# --- what is seen of each part: (b, h, w, c) → (b, ...) ------------------------------------------------------


def _width(x: Floats, share: int) -> int:
    return max(1, int(min(x.shape[1:3])) // share)


def _edges(x: Floats, width: int) -> tuple[Floats, ...]:
    """Four strips (b, width, length, c), outermost row first."""
    turned = x.transpose(0, 2, 1, 3)
    return x[:, :width], x[:, : -width - 1 : -1], turned[:, :width], turned[:, : -width - 1 : -1]


def _ycc(x: Floats) -> Floats:
    """Brightness first, then what differs from it."""
    return x @ _YCC if x.shape[3] == 3 else x


def _pieces(x: Floats) -> Floats:
    return pieces(_ycc(x))


def _border(x: Floats) -> Floats:
    """Colours of the outermost pixels in segments, their quantiles, and how they differ from the middle."""
    b, h, w, _ = x.shape
    colour = _ycc(x)
    strips = [strip.mean(axis=1) for strip in _edges(colour, _width(x, 16))]
    cuts = [np.arange(_SEGMENTS) * strip.shape[1] // _SEGMENTS for strip in strips]
    pieces = [
        np.add.reduceat(strip, cut, axis=1) / (strip.shape[1] / _SEGMENTS)
        for strip, cut in zip(strips, cuts, strict=True)
    ]
    ring = np.concatenate(strips, axis=1)
    middle = colour[:, h // 4 : h - h // 4, w // 4 : w - w // 4].mean(axis=(1, 2))
    quantiles = np.quantile(ring, [0.1, 0.25, 0.5, 0.75, 0.9], axis=1)
    parts = [*(piece.reshape(b, -1) for piece in pieces), *quantiles, ring.mean(axis=1) - middle]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _background(x: Floats) -> Floats:
    """Colours of the border, and how they come about."""
    return np.concatenate([_border(x), drift(_ycc(x))], axis=1)


def _lines(x: Floats) -> Floats:
    """Of each edge: strength of what alternates along it and is the same across it, and its share of the whole."""
    grey = x.mean(axis=3, keepdims=True)
    found = []
    for strip in _edges(grey, max(3, _width(x, 8))):
        s = strip[..., 0]
        fine = s[:, :, 1:-1] - 0.5 * (s[:, :, :-2] + s[:, :, 2:])
        same = (fine[:, 1:] * fine[:, :-1]).mean(axis=(1, 2))
        along = s.mean(axis=1)
        along = (along - along.mean(axis=1, keepdims=True)) * np.hanning(along.shape[1]).astype(np.float32)
        power = np.abs(np.fft.rfft(along, axis=1)) ** 2
        peak = power[:, power.shape[1] // 2 :].max(axis=1)
        found += [np.log(np.maximum(same, 0) + 4), np.log(peak + 20) - np.log(power[:, 1:].sum(axis=1) + 100)]
    return np.stack(found, axis=1).astype(np.float32)


def _small(x: Floats, side: int) -> Floats:
    heights, widths = (np.diff([*starts(size, side), size]) for size in x.shape[1:3])
    counts = np.outer(heights, widths).astype(np.float32)
    return np.asarray(summed(x, side) / counts[:, :, None])


def _thumb(x: Floats) -> Floats:
    return _small(x, _THUMB)


def _smooth(x: Floats) -> Floats:
    return _small(x, _SMOOTH)


def _grain(x: Floats) -> Floats:
    """Log strength of each frequency of 8x8 blocks, on average, and in the calmest and the busiest blocks."""
    from scipy.fft import dctn

    b, h, w, c = x.shape
    colour = _ycc(x)
    down, across = h // 8, w // 8
    blocks = colour[:, : down * 8, : across * 8].reshape(b, down, 8, across, 8, c).transpose(0, 1, 3, 5, 2, 4)
    strength = np.log(np.abs(dctn(blocks, axes=(4, 5), norm="ortho")) + 1.0).reshape(b, down * across, c, 64)
    order = np.add.outer(np.arange(8), np.arange(8)).ravel()
    bands = np.stack(
        [
            strength[..., (order >= low) & (order < high)].mean(axis=3)
            for low, high in ((1, 3), (3, 5), (5, 8), (8, 15))
        ],
        axis=3,
    )
    ranked = np.sort(bands, axis=1)[:, [0, 3 * down * across // 4 - 1, -2, -1]]
    return np.concatenate([strength[..., 1:].mean(axis=1).reshape(b, -1), ranked.reshape(b, -1)], axis=1)


# --- what is drawn of each part: (b, h, w, c) → (b, h', w', c') ----------------------------------------------


def _ring_only(x: Floats) -> Floats:
    out = np.zeros_like(x)
    width = _width(x, 8)
    for place in (np.s_[:, :width], np.s_[:, -width:], np.s_[:, :, :width], np.s_[:, :, -width:]):
        out[place] = x[place]
    return out


def _whole(x: Floats) -> Floats:
    return x


def _roughness(x: Floats) -> Floats:
    """How much each pixel differs from its neighbours, in grey."""
    grey = x.mean(axis=3)
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = (padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]) / 4
    return np.asarray(np.abs(grey - around)[..., None])


def _edges_only(x: Floats) -> Floats:
    return _ring_only(_roughness(x))
