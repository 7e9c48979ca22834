"""What several parts of a class have in common at the same pixels: the energy of their sum beyond that of each.

Noise of its own adds nothing to the products of different parts; what all parts share adds to each of them. So all
pairs of parts are used at once, not two halves alone (a U-statistic; Hoeffding, Annals of Mathematical Statistics
19(3), 1948).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["agreement", "finest", "places", "skew"]

_FINE = 0.1  # cycles per pixel from which on frequencies are kept
_AT_ONCE = 32  # classes whose spectra are held


def finest(sums: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """What each class has of its own in each of its parts, the finer frequencies, each in units of its noise.

    Args:
        sums: (a, parts, h, w) summed over the pictures of a class and part.
        counts: (a, parts) how many these are.

    Returns:
        (a, parts, h, w) sums without what the classes share (the median of their means; of two classes nothing,
        as neither says which of them has what), so that shapes that every picture has are gone.
    """
    members = counts.sum(axis=1)
    means = sums.sum(axis=1) / np.maximum(members, 1)[:, None, None]
    shared = np.median(means, axis=0) if len(means) > 2 else np.zeros_like(means[0])
    share = counts / np.maximum(members, 1)[:, None]
    degrees = np.maximum(members * (1 - (share**2).sum(axis=1)), 1)
    blocks = [slice(start, start + _AT_ONCE) for start in range(0, len(sums), _AT_ONCE)]

    def spectrum(some: slice) -> NDArray[np.complex128]:
        return np.fft.fft2(sums[some] - counts[some, :, None, None] * shared, axes=(2, 3))

    noise = np.zeros(shared.shape)
    for some in blocks:
        own = spectrum(some)
        apart = own - share[some, :, None, None] * own.sum(axis=1, keepdims=True)
        noise += ((np.abs(apart) ** 2).sum(axis=1) / degrees[some, None, None]).sum(axis=0) / len(sums)
    h, w = shared.shape
    frequency = np.maximum(np.abs(np.fft.fftfreq(h))[:, None], np.abs(np.fft.fftfreq(w))[None, :])
    kept = (frequency > _FINE) / np.sqrt(noise + 1e-9 * noise.max() + 1e-12)
    fine = np.empty(sums.shape, dtype=np.float32)
    for some in blocks:
        fine[some] = np.fft.ifft2(spectrum(some) * kept, axes=(2, 3)).real
    return fine


def agreement(parts: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Correlation to be expected between two halves of each class, as all pairs of its parts tell.

    Args:
        parts: (a, parts, ..., m) sums; the last axis is what is compared.
        counts: (a, parts) samples of each.

    Returns:
        (a, ...) at most 1, about 0 where nothing is shared.
    """
    total = (parts.sum(axis=1) ** 2).sum(axis=-1, dtype=np.float64)
    alone = (parts**2).sum(axis=(1, -1), dtype=np.float64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pairs = np.maximum(1 - (share**2).sum(axis=1), 1e-9).reshape(-1, *[1] * (total.ndim - 1))
    common = (total - alone) / pairs
    noise = np.maximum(total - common, 1e-12)
    return np.asarray(common / np.maximum(common + 2 * noise, 1e-12))


def skew(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """(a, parts, h * w) without what is the same in the mirror image.

    Things face left as often as right, so what a class shows by nature is much the same in the mirror; noise is not.
    """
    return ((parts - parts[..., ::-1]) / np.float32(2)).reshape(*parts.shape[:2], -1)


def places(parts: NDArray[np.float32], grid: int) -> NDArray[np.float32]:
    """(a, parts, grid * grid, m) cut into places, each filled up with zeros to the largest."""
    bands = [
        band for rows in np.array_split(parts, grid, axis=2) for band in np.array_split(rows, grid, axis=3)
    ]
    largest = max(band.shape[2] * band.shape[3] for band in bands)
    out = np.zeros((*parts.shape[:2], len(bands), largest), dtype=np.float32)
    for number, band in enumerate(bands):
        flat = band.reshape(*parts.shape[:2], -1)
        out[:, :, number, : flat.shape[2]] = flat
    return out
