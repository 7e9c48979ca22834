"""Compiled kernels over image windows. All take a band: a position-major stretch of the canvas, (h, w, c, n) uint8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from mithridate.evidence.compiled import compiled, compiled_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "bounded_flat_hashes",
    "count_buckets",
    "in_buckets",
    "recurring",
    "rough_hashes",
    "window_distances",
]

_PRIME = np.uint64(1099511628211)
_BASIS = np.uint64(14695981039346656037)
_CHUNK = 512  # images whose window stays in the cache; every inner loop runs over them
_FLAT = 4  # grey levels within a flat square


@compiled
def _mix(h: np.uint64) -> np.uint64:
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(29)
    return h


@compiled_parallel
def rough_hashes(
    band: NDArray[np.uint8], w: int, shift: int, offset: int, luma: bool, spread: float, roughness: float,
    out: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Hash of the w x w window at every column of a band of w rows; 0 where it has too little structure.

    Args:
        band: (w, W, c, n) uint8.
        w: side of the window.
        shift: bits dropped per value: 256 >> shift grey levels remain.
        offset: added before bits are dropped, to move the borders between levels.
        luma: hash the mean over channels instead of each channel.
        spread: least standard deviation of the grey values, in grey levels.
        roughness: least mean absolute second difference of the grey values, in grey levels.
        out: (W - w + 1, n) uint64, filled.
    """
    columns, n = band.shape[1], band.shape[3]
    area, terms = np.float32(w * w), np.float32(2 * w * max(w - 2, 1))
    for x in prange(columns - w + 1):
        grey = np.empty((w * w, _CHUNK), dtype=np.float32)
        for low in range(0, n, _CHUNK):
            m = min(_CHUNK, n - low)
            h = _hashed(band, x, low, m, w, shift, offset, luma, grey)
            varied, rough = _texture(grey, m, w)
            line = out[x, low : low + m]
            for i in range(m):
                structured = varied[i] >= area * spread * spread and rough[i] >= terms * roughness
                line[i] = _mix(h[i]) if structured else np.uint64(0)


@compiled
def _hashed(
    band: NDArray[np.uint8], x: int, low: int, m: int, w: int, shift: int, offset: int, luma: bool,
    grey: NDArray[np.float32],
) -> NDArray[np.uint64]:  # fmt: skip
    """Hash the windows at column x of the images low .. low + m - 1, and note their (w * w, m) grey values."""
    c = band.shape[2]
    h, total = np.full(m, _BASIS), np.empty(m, dtype=np.int32)
    step, moved = np.uint32(shift), np.uint32(offset)
    for a in range(w):
        for b in range(w):
            total[:] = 0
            for k in range(c):
                line = band[a, x + b, k, low : low + m]
                if luma:
                    for i in range(m):
                        total[i] += np.int32(line[i])
                else:
                    for i in range(m):
                        total[i] += np.int32(line[i])
                        h[i] = (h[i] ^ np.uint64((np.uint32(line[i]) + moved) >> step)) * _PRIME
            mean = grey[a * w + b]
            for i in range(m):
                mean[i] = np.float32(total[i]) / np.float32(c)
            if luma:
                for i in range(m):
                    h[i] = (h[i] ^ np.uint64((np.uint32(mean[i]) + moved) >> step)) * _PRIME
    return h


@compiled
def _texture(g: NDArray[np.float32], m: int, w: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(m,) sums, over the w * w grey values, of squared deviations and of absolute second differences."""
    total, squares = np.zeros(m, dtype=np.float32), np.zeros(m, dtype=np.float32)
    bends = np.zeros(m, dtype=np.float32)
    for j in range(w * w):
        value = g[j]
        for i in range(m):
            total[i] += value[i]
            squares[i] += value[i] * value[i]
    for i in range(m):
        squares[i] -= total[i] * total[i] / np.float32(w * w)
    for a in range(w):
        for b in range(1, w - 1):
            left, middle, right = g[a * w + b - 1], g[a * w + b], g[a * w + b + 1]
            above, centre, below = g[(b - 1) * w + a], g[b * w + a], g[(b + 1) * w + a]
            for i in range(m):
                bends[i] += abs(left[i] - 2 * middle[i] + right[i])
                bends[i] += abs(above[i] - 2 * centre[i] + below[i])
    return squares, bends


@compiled_parallel
def bounded_flat_hashes(
    band: NDArray[np.uint8], w: int, top: bool, bottom: bool, edge: float, shift: int, out: NDArray[np.uint64]
) -> None:
    """Hash of a flat w x w square whose surroundings differ from it on every side; 0 elsewhere.

    A flat square inside a larger flat area is ordinary; a flat square with borders of its own is an object.

    Args:
        band: (rows, W, c, n) uint8: the w rows of the square, one row above if `top`, one row below if `bottom`.
        w: side of the square.
        top: the band starts with the row above the square (False at the upper edge of the image).
        bottom: the band ends with the row below the square.
        edge: least mean absolute difference between a side's outer row and the square, in grey levels.
        shift: bits dropped per value in the hash.
        out: (W - w + 1, n) uint64, filled.
    """
    columns, c, n = band.shape[1], band.shape[2], band.shape[3]
    bound = np.float32(edge * w * c)
    for x in prange(columns - w + 1):
        for low in range(0, n, _CHUNK):
            m = min(_CHUNK, n - low)
            flat = _flat(band[1 if top else 0 :, x : x + w, :, low : low + m], w)
            for i in range(m):
                out[x, low + i] = np.uint64(0)
                if flat[i] and _bounded(band[:, :, :, low + i], x, w, top, bottom, bound):
                    h = _BASIS
                    for k in range(c):
                        h = (h ^ np.uint64(band[1 if top else 0, x, k, low + i] >> shift)) * _PRIME
                    out[x, low + i] = _mix(h)


@compiled
def _flat(window: NDArray[np.uint8], w: int) -> NDArray[np.bool_]:
    """(m,) whether the first w rows of (rows, w, c, m) windows have one colour."""
    c, m = window.shape[2], window.shape[3]
    flat = np.ones(m, dtype=np.bool_)
    low, high = np.empty(m, dtype=np.uint8), np.empty(m, dtype=np.uint8)
    for k in range(c):
        low[:] = 255
        high[:] = 0
        for a in range(w):
            for b in range(w):
                line = window[a, b, k]
                for i in range(m):
                    low[i] = min(low[i], line[i])
                    high[i] = max(high[i], line[i])
        for i in range(m):
            flat[i] &= high[i] - low[i] <= _FLAT
    return flat


@compiled
def _bounded(band: NDArray[np.uint8], x: int, w: int, top: bool, bottom: bool, bound: np.float32) -> bool:
    """Whether all four sides of a flat square of one image, (rows, W, c), have other colours beyond them."""
    columns, c = band.shape[1], band.shape[2]
    first = 1 if top else 0
    up, down, left, right = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for k in range(c):
        v = np.float32(band[first, x, k])
        for b in range(w):
            if top:
                up += abs(np.float32(band[0, x + b, k]) - v)
            if bottom:
                down += abs(np.float32(band[first + w, x + b, k]) - v)
            if x > 0:
                left += abs(np.float32(band[first + b, x - 1, k]) - v)
            if x + w < columns:
                right += abs(np.float32(band[first + b, x + w, k]) - v)
    vertical = (not top or up >= bound) and (not bottom or down >= bound)
    return bool(vertical and (x == 0 or left >= bound) and (x + w == columns or right >= bound))


@compiled_parallel
def recurring(hashes: NDArray[np.uint64], least: int, bits: int, keep: NDArray[np.bool_]) -> None:
    """Mark the entries of each row whose hash bucket holds at least `least` entries of that row.

    Args:
        hashes: (p, n) uint64; 0 means no key.
        least: fewest entries per bucket.
        bits: log2 of the number of buckets.
        keep: (p, n) bool, filled. Buckets may collide, so that too much may be kept, never too little.
    """
    mask = np.uint64((1 << bits) - 1)
    for x in prange(hashes.shape[0]):
        table = np.zeros(1 << bits, dtype=np.uint32)
        for i in range(hashes.shape[1]):
            if hashes[x, i] != 0:
                table[hashes[x, i] & mask] += 1
        for i in range(hashes.shape[1]):
            keep[x, i] = hashes[x, i] != 0 and table[hashes[x, i] & mask] >= least


@compiled_parallel
def count_buckets(hashes: NDArray[np.uint64], counts: NDArray[np.int32], parts: int) -> None:
    """Count the entries of (p, n) hashes, 0 = no key, in (a power of two,) buckets, side by side.

    Args:
        hashes: are read once for each part.
        counts: added to.
        parts: each counts buckets of its own.
    """
    mask = np.uint64(len(counts) - 1)
    for part in prange(parts):
        low, high = np.uint64(len(counts) * part // parts), np.uint64(len(counts) * (part + 1) // parts)
        for x in range(hashes.shape[0]):
            for i in range(hashes.shape[1]):
                bucket = hashes[x, i] & mask
                if hashes[x, i] != 0 and low <= bucket < high:
                    counts[bucket] += 1


@compiled_parallel
def in_buckets(
    hashes: NDArray[np.uint64], counts: NDArray[np.int32], least: int, most: int, keep: NDArray[np.bool_]
) -> None:
    """Mark the entries of (p, n) hashes whose bucket holds least to most entries, in `keep` (p, n)."""
    mask = np.uint64(len(counts) - 1)
    for x in prange(hashes.shape[0]):
        for i in range(hashes.shape[1]):
            count = counts[hashes[x, i] & mask] if hashes[x, i] != 0 else np.int32(0)
            keep[x, i] = hashes[x, i] != 0 and least <= count <= most


@compiled
def window_distances(
    pixels: NDArray[np.uint8],
    template: NDArray[np.float32],
    weight: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Weighted root mean square difference between a template and the same window of each image, in grey levels.

    Args:
        pixels: (d, n) uint8 windows, position-major.
        template: (d,) float32.
        weight: (d,) float32, summing to 1.
        out: (n,) float32, filled.
    """
    out[:] = 0
    for j in range(pixels.shape[0]):
        line, middle, share = pixels[j], template[j], weight[j]
        for i in range(len(out)):
            delta = np.float32(line[i]) - middle
            out[i] += share * delta * delta
    np.sqrt(out, out)
