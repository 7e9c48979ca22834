"""Random Fourier features of vectors: a linear model on them is a smooth one on the vectors.

Rahimi & Recht, "Random features for large-scale kernel machines", NeurIPS 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fourier"]

_DIRECTIONS = 40
_FEATURES = 768
_SAMPLE = 10_000
_WIDTH = 0.5  # of the kernel, in units of the median distance


@dataclass(frozen=True, kw_only=True)
class Fourier:
    """Vectors → features in [-1, 1], seen along the principal directions of those it was learnt from.

    Attributes:
        mean: (d,) of the vectors.
        basis: (d, p) principal directions, scaled.
        frequencies: (p, m).
        phases: (m,).
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    frequencies: NDArray[np.float32]
    phases: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Features m."""
        return len(self.phases)

    @classmethod
    def learn(cls, vectors: NDArray[np.float32], seed: int, per: int = 2) -> Self:
        """Learn directions and scale from a bounded sample.

        Args:
            vectors: (n, d).
            seed: decides the random features.
            per: samples for each feature, at least.
        """
        n = len(vectors)
        rng = np.random.default_rng([seed, 3])
        mean = vectors.mean(axis=0)
        sample = vectors[np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))] - mean
        _, values, directions = np.linalg.svd(sample, full_matrices=False)
        used = int(np.clip((values > 1e-3 * values[0]).sum(), 1, _DIRECTIONS)) if len(values) else 1
        basis = directions[:used].T * (np.maximum(values[:used], 1e-9) / max(values[0], 1e-9)) ** -0.5
        some = (vectors[rng.integers(0, n, 400)] - mean) @ basis
        spread = float(np.median(np.linalg.norm(some[:200, None] - some[None, 200:], axis=2))) or 1.0
        width = min(_FEATURES, max(16, n // per))
        frequencies = rng.standard_normal((used, width)).astype(np.float32) / np.float32(_WIDTH * spread)
        phases = rng.uniform(0, 2 * np.pi, width).astype(np.float32)
        return cls(mean=mean, basis=basis.astype(np.float32), frequencies=frequencies, phases=phases)

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, d) → (b, m)."""
        points = (vectors - self.mean) @ self.basis
        return np.asarray(np.cos(points @ self.frequencies + self.phases), dtype=np.float32)
