"""Compiled kernels over image windows. All take a band: a position-major stretch of the canvas, (h, w, c, n) uint8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from mithridate.evidence.compiled import compiled, compiled_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bounded_flat_hashes", "recurring", "rough_hashes", "window_distances"]

_PRIME = np.uint64(1099511628211)
_BASIS = np.uint64(14695981039346656037)
_CHUNK = 1024


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
    columns, c, n = band.shape[1], band.shape[2], band.shape[3]
    area, terms = np.float32(w * w), np.float32(2 * w * max(w - 2, 1))
    for x in prange(columns - w + 1):
        h = np.empty(_CHUNK, dtype=np.uint64)
        g = np.empty((w * w, _CHUNK), dtype=np.float32)
        total = np.empty(_CHUNK, dtype=np.float32)
        for low in range(0, n, _CHUNK):
            m = min(_CHUNK, n - low)
            h[:] = _BASIS
            for a in range(w):
                for b in range(w):
                    total[:] = 0
                    for k in range(c):
                        for i in range(m):
                            v = np.uint64(band[a, x + b, k, low + i])
                            total[i] += np.float32(v)
                            if not luma:
                                h[i] = (h[i] ^ ((v + np.uint64(offset)) >> np.uint64(shift))) * _PRIME
                    for i in range(m):
                        grey = total[i] / np.float32(c)
                        g[a * w + b, i] = grey
                        if luma:
                            h[i] = (
                                h[i] ^ ((np.uint64(grey) + np.uint64(offset)) >> np.uint64(shift))
                            ) * _PRIME
            for i in range(m):
                s, s2, r = np.float32(0), np.float32(0), np.float32(0)
                for a in range(w * w):
                    s += g[a, i]
                    s2 += g[a, i] * g[a, i]
                mean = s / area
                if s2 / area - mean * mean < spread * spread:
                    out[x, low + i] = np.uint64(0)
                    continue
                for a in range(w):
                    for b in range(1, w - 1):
                        r += abs(g[a * w + b - 1, i] - 2 * g[a * w + b, i] + g[a * w + b + 1, i])
                        r += abs(g[(b - 1) * w + a, i] - 2 * g[b * w + a, i] + g[(b + 1) * w + a, i])
                out[x, low + i] = _mix(h[i]) if r / terms >= roughness else np.uint64(0)


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
    first = 1 if top else 0
    for x in prange(columns - w + 1):
        for i in range(n):
            out[x, i] = np.uint64(0)
            h = _BASIS
            flat = True
            distance = np.zeros(4, dtype=np.float32)
            for k in range(c):
                v = band[first, x, k, i]
                h = (h ^ np.uint64(v >> shift)) * _PRIME
                low, high = v, v
                for a in range(w):
                    for b in range(w):
                        u = band[first + a, x + b, k, i]
                        low, high = min(low, u), max(high, u)
                if high - low > 4:
                    flat = False
                    break
                for b in range(w):
                    if top:
                        distance[0] += abs(np.float32(band[0, x + b, k, i]) - v)
                    if bottom:
                        distance[1] += abs(np.float32(band[first + w, x + b, k, i]) - v)
                    if x > 0:
                        distance[2] += abs(np.float32(band[first + b, x - 1, k, i]) - v)
                    if x + w < columns:
                        distance[3] += abs(np.float32(band[first + b, x + w, k, i]) - v)
            if not flat:
                continue
            bound = np.float32(edge * w * c)
            closed = (
                (not top or distance[0] >= bound)
                and (not bottom or distance[1] >= bound)
                and (x == 0 or distance[2] >= bound)
                and (x + w == columns or distance[3] >= bound)
            )
            if closed:
                out[x, i] = _mix(h)


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
    for i in prange(pixels.shape[1]):
        total = np.float32(0)
        for j in range(pixels.shape[0]):
            delta = np.float32(pixels[j, i]) - template[j]
            total += weight[j] * delta * delta
        out[i] = np.sqrt(total)
