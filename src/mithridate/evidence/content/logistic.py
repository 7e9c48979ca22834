"""Sparse features, and a linear content model on them.

Every feature's own share of a logit stays known, so that a key can be taken out of the prediction exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.hashing import uniform
from mithridate.evidence.store import DiskArray, row_chunks

__all__ = ["FOLDS", "Features", "LinearContent", "assign_folds", "both"]

FOLDS = 5
_CHUNK = 1 << 20
_AT_ONCE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Features:
    """Sparse features: sample i has x_ij = weight_j / norm_i for each j it carries.

    Attributes:
        indptr: (n + 1,) start of each sample's features.
        index: (nnz,) feature numbers.
        weight: (v,) weight of each feature, before each sample is brought to unit length.
    """

    indptr: NDArray[np.int64]
    index: DiskArray
    weight: NDArray[np.float32]

    def norms(self) -> NDArray[np.float32]:
        """(n,) length of each sample's vector; 1 where it is empty."""
        squares = np.zeros(len(self.indptr) - 1)
        for start, stop in row_chunks(self.indptr, _CHUNK):
            low, high = self.indptr[start], self.indptr[stop]
            rows = np.repeat(np.arange(stop - start), np.diff(self.indptr[start : stop + 1]))
            squares[start:stop] = np.bincount(
                rows, self.weight[self.index[low:high]] ** 2, minlength=stop - start
            )
        return np.where(squares > 0, np.sqrt(squares), 1.0).astype(np.float32)


@dataclass(kw_only=True)
class LinearContent:
    """A fitted model; implements `ContentModel`.

    Attributes:
        logits: (n, k) float32, out of fold and calibrated.
        accuracy: share of labelled samples predicted right.
        folds: (n,) fold of each sample.
        norms: (n,) length of each sample's feature vector.
        weights: (v, folds, c) calibrated weight of each feature in each fold's model; c = 1 for two classes.
    """

    logits: NDArray[np.float32]
    accuracy: float
    folds: NDArray[np.int8]
    norms: NDArray[np.float32]
    weights: NDArray[np.float32]

    def offsets(
        self,
        indptr: NDArray[np.int64],
        keys: DiskArray,
        parts: NDArray[np.int64],
        usual: NDArray[np.float32] | None = None,
    ) -> Callable[[int, int], NDArray[np.float32]]:
        """What keys add to their carriers' logits.

        Args:
            indptr: (n + 1,) start of each sample's entries.
            keys: (nnz,) key of each entry.
            parts: (m, s) features of each key, -1 = none; a feature named twice counts once.
            usual: (m, folds, c) weight that stands in for the key's own when it is taken out; None = 0, which
                is right where most samples lack the feature.

        Returns:
            (start, stop) → (entries, k).
        """
        own = np.zeros((len(parts), *self.weights.shape[1:]), dtype=np.float32)
        if usual is not None:
            own -= usual
        ordered = np.sort(parts, axis=1)
        for column in range(parts.shape[1]):
            part = ordered[:, column]
            new = (part >= 0) & (np.ones(len(part), bool) if column == 0 else part != ordered[:, column - 1])
            own[new] += self.weights[part[new]]

        def contribution(start: int, stop: int) -> NDArray[np.float32]:
            from mithridate.evidence.content.shares import shares

            here = slice(start, stop)
            entries, counts = keys[indptr[start] : indptr[stop]], np.diff(indptr[start : stop + 1])
            return both(shares(counts, entries, self.folds[here], self.norms[here], own))

        return contribution


def assign_folds(ids: Sequence[str], groups: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
    """(n,) fold of each sample: by hash of the smallest id of its near-duplicate group."""
    folds = np.empty(len(ids), dtype=np.int8)
    for start in range(0, len(ids), _AT_ONCE):
        folds[start : start + _AT_ONCE] = _drawn(ids[start : start + _AT_ONCE], seed)
    shared = np.flatnonzero(np.bincount(groups, minlength=len(groups))[groups] > 1)
    smallest: dict[int, str] = {}
    for row, group in zip(shared.tolist(), groups[shared].tolist(), strict=True):
        smallest[group] = min(smallest.get(group, ids[row]), ids[row])
    together = np.full(int(groups.max(initial=-1)) + 1, -1, dtype=np.int8)  # fold of each group of several
    together[list(smallest)] = _drawn(list(smallest.values()), seed)
    folds[shared] = together[groups[shared]]
    return folds


def _drawn(ids: Sequence[str], seed: int) -> NDArray[np.int8]:
    return (uniform(ids, seed, "fold") * FOLDS).astype(np.int8)


def both(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(r, 1) score of the second of two classes → (r, 2); (r, k) stays."""
    return np.concatenate([-scores / 2, scores / 2], axis=1) if scores.shape[1] == 1 else scores
