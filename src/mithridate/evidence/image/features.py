"""Features of the content model: whitened k-means patches, rectified, pooled, square-rooted.

Coates, Lee & Ng, "An analysis of single-layer networks in unsupervised feature learning", AISTATS 2011; spherical
k-means as in Coates & Ng, "Learning feature representations with k-means", 2012, section 2. No labels, no training
by gradient, no pretrained weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["PatchFeatures"]

_SAMPLED = 50_000
_ITERATIONS = 8
_CONTRAST = 10.0  # variance, in squared grey levels, below which a patch counts as flat
_THRESHOLD = 1.0
_BLOCK = 32  # images whose patches stay in the cache


@dataclass(frozen=True, kw_only=True)
class PatchFeatures:
    """Learnt filters and how to apply them.

    Attributes:
        side: of a patch, pixels.
        stride: between patches, pixels.
        grid: pooling cells per side.
        filters: (side * side * c, k) whitening and centroids in one matrix.
        offset: (k,) response of the mean patch.
    """

    side: int
    stride: int
    grid: int
    filters: NDArray[np.float32]
    offset: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Features per image."""
        return self.grid * self.grid * int(self.filters.shape[1])

    @classmethod
    def learn(cls, canvas: NDArray[np.uint8], seed: int) -> Self:
        """Learn filters from a bounded random sample of patches.

        Args:
            canvas: (n, h, w, c) uint8.
            seed: decides which patches.
        """
        n, h, w, c = canvas.shape
        side = max(2, min(6, min(h, w) // 3))
        grid = 3 if min(h, w) >= 3 * side else 1
        k = int(np.clip(n // 16, 32, 320))
        rng = np.random.default_rng([seed, 1])
        sampled = min(_SAMPLED, 4 * n * (h - side + 1) * (w - side + 1))
        rows = np.sort(rng.integers(0, n, sampled))
        ys, xs = rng.integers(0, h - side + 1, sampled), rng.integers(0, w - side + 1, sampled)
        patches = np.empty((sampled, side * side * c), dtype=np.float32)
        for j, (i, y, x) in enumerate(zip(rows, ys, xs, strict=True)):
            patches[j] = canvas[i, y : y + side, x : x + side].ravel()
        patches -= patches.mean(axis=1, keepdims=True)
        patches /= np.sqrt(patches.var(axis=1, keepdims=True) + _CONTRAST)
        mean = patches.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov((patches - mean).T))
        whiten = ((vectors / np.sqrt(np.maximum(values, 0.0) + 0.1)) @ vectors.T).astype(np.float32)
        filters = whiten @ _spherical_kmeans((patches - mean) @ whiten, k, rng)
        return cls(
            side=side, stride=2 if min(h, w) > 16 else 1, grid=grid, filters=filters, offset=mean @ filters
        )

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(b, h, w, c) uint8 → (b, width) float32."""
        from mithridate.evidence.image.pooling import normalised_patches, rectify_and_pool

        b, h, w, c = images.shape
        rows, columns = (h - self.side) // self.stride + 1, (w - self.side) // self.stride + 1
        pooled = np.zeros((b, self.width), dtype=np.float32)
        floor = (self.offset + _THRESHOLD).astype(np.float32)
        patches = np.empty((_BLOCK * rows * columns, self.side * self.side * c), dtype=np.float32)
        response = np.empty((len(patches), len(floor)), dtype=np.float32)
        for start in range(0, b, _BLOCK):
            block = np.ascontiguousarray(images[start : start + _BLOCK]).reshape(-1, h, w * c)
            used = len(block) * rows * columns
            normalised_patches(block, c, self.side, self.stride, _CONTRAST, patches[:used])
            np.matmul(patches[:used], self.filters, out=response[:used])
            rectify_and_pool(
                response[:used], floor, rows, columns, self.grid, pooled[start : start + len(block)]
            )
        return np.sqrt(pooled)


def _spherical_kmeans(x: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(d, k) unit centroids: assign by absolute inner product, damped update."""
    from scipy.sparse import csc_array

    centroids = rng.standard_normal((x.shape[1], k)).astype(np.float32)
    centroids /= np.linalg.norm(centroids, axis=0)
    for _ in range(_ITERATIONS):
        z = x @ centroids
        best = np.abs(z).argmax(axis=1)
        own = z[np.arange(len(z)), best]
        code = csc_array((own, best, np.arange(len(z) + 1)), shape=(k, len(z)))
        centroids += (code @ x).T
        centroids /= np.linalg.norm(centroids, axis=0) + 1e-9
    return centroids
