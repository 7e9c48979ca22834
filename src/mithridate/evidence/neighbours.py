"""The samples that resemble given ones most by content: what a carrier is shown beside. Label-free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.logistic import Features
from mithridate.evidence.store import row_chunks

__all__ = ["MOST", "DenseNearest", "SparseNearest", "nearest_among"]

#: Neighbours that are named for each sample.
MOST = 40
_BLOCK = 8192
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class DenseNearest:
    """By Euclidean distance.

    Attributes:
        vectors: (n, d).
    """

    vectors: NDArray[Any]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(q,) rows → (q, at most `MOST`) other rows, nearest first."""
        return _nearest(self._closeness(self.vectors[rows].astype(np.float32)), rows)

    def _closeness(self, wanted: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        for start in range(0, len(self.vectors), _BLOCK):
            block = self.vectors[start : start + _BLOCK].astype(np.float32)
            yield start, 2.0 * (wanted @ block.T) - np.einsum("ij,ij->i", block, block)


@dataclass(frozen=True, kw_only=True)
class SparseNearest:
    """By the cosine of sparse features.

    Attributes:
        features: of n samples.
        least: smallest weight of a feature that counts; what nearly all samples carry says little and costs most.
    """

    features: Features
    least: float = 0.0

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(q,) rows → (q, at most `MOST`) other rows, nearest first."""
        return _nearest(self._closeness(rows), rows)

    def _closeness(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        from scipy.sparse import csr_matrix

        f = self.features
        carried = [np.asarray(f.index[int(f.indptr[r]) : int(f.indptr[r + 1])]) for r in rows]
        carried = [index[f.weight[index] >= self.least] for index in carried]
        used = np.unique(np.concatenate(carried))
        compact = np.full(len(f.weight), -1, dtype=np.int64)
        compact[used] = np.arange(len(used))
        wanted = np.zeros((len(used), len(rows)), dtype=np.float32)
        for query, index in enumerate(carried):
            wanted[compact[index], query] = f.weight[index]
        for start, stop in row_chunks(f.indptr, _CHUNK):
            index = np.asarray(f.index[int(f.indptr[start]) : int(f.indptr[stop])])
            sample = np.repeat(np.arange(stop - start), np.diff(f.indptr[start : stop + 1]))
            weight = f.weight[index]
            norms = np.sqrt(np.bincount(sample, weight.astype(np.float64) ** 2, minlength=stop - start))
            common = np.flatnonzero(compact[index] >= 0)
            shared = csr_matrix(
                (weight[common], (sample[common], compact[index[common]])), (stop - start, len(used))
            )
            scores = (shared @ wanted) / np.maximum(norms, 1e-9)[:, None]
            scores[scores <= 0.0] = -np.inf
            yield start, np.ascontiguousarray(scores.T, dtype=np.float32)


def nearest_among(
    wanted: NDArray[np.float32], references: NDArray[np.float32], most: int
) -> NDArray[np.int64]:
    """(q, at most `most`) of the nearest references by Euclidean distance, nearest first.

    By faiss where it is installed, else by numpy; both look at all references.

    Args:
        wanted: (q, d).
        references: (r, d).
        most: neighbours for each.
    """
    most = min(most, len(references))
    try:
        import faiss
    except ImportError:
        closeness = 2.0 * (wanted @ references.T) - np.einsum("ij,ij->i", references, references)
        near = np.argpartition(-closeness, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(closeness, near, axis=1), axis=1, kind="stable")
        return np.take_along_axis(near, order, axis=1)
    _, found = faiss.knn(np.ascontiguousarray(wanted), np.ascontiguousarray(references), most)
    return np.asarray(found, dtype=np.int64)


def _nearest(parts: Iterator[tuple[int, NDArray[np.float32]]], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest of the closenesses (q, b) given block by block; a sample is not its own neighbour."""
    best = np.zeros((len(rows), 0), dtype=np.int64)
    value = np.zeros((len(rows), 0), dtype=np.float32)
    for start, closeness in parts:
        closeness[rows[:, None] == np.arange(start, start + closeness.shape[1])] = -np.inf
        top = np.argpartition(-closeness, min(MOST, closeness.shape[1]) - 1, axis=1)[:, :MOST]
        best = np.concatenate([best, start + top], axis=1)
        value = np.concatenate([value, np.take_along_axis(closeness, top, axis=1)], axis=1)
        order = np.lexsort((best, -value))[:, :MOST]
        best, value = np.take_along_axis(best, order, axis=1), np.take_along_axis(value, order, axis=1)
    return np.where(np.isfinite(value), best, -1)
