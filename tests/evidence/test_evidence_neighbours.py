"""Neighbours: those that a plain computation finds, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from mithridate.evidence import neighbours
from mithridate.evidence.content.logistic import Features
from mithridate.evidence.neighbours import DenseNearest, SparseNearest
from mithridate.evidence.store import DiskArray


@pytest.mark.parametrize("block", [7, 10_000])
def test_dense(monkeypatch, block):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    vectors = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    found = DenseNearest(vectors=vectors)(np.array([5, 40]))
    for row, near in zip((5, 40), found, strict=True):
        distances = np.linalg.norm(vectors - vectors[row], axis=1)
        assert near.tolist() == np.argsort(distances)[1 : neighbours.MOST + 1].tolist()


@pytest.mark.parametrize("chunk", [5, 10_000])
def test_sparse(monkeypatch, tmp_path, chunk):
    monkeypatch.setattr(neighbours, "_CHUNK", chunk)
    rng = np.random.default_rng(1)
    x = rng.random((60, 9)) < 0.3
    weight = rng.uniform(1, 2, 9).astype(np.float32)
    index = np.nonzero(x)[1].astype(np.int32)
    index.tofile(tmp_path / "index")
    indptr = np.concatenate([[0], np.cumsum(x.sum(axis=1))]).astype(np.int64)
    features = Features(
        indptr=indptr, index=DiskArray(tmp_path / "index", np.int32, len(index)), weight=weight
    )
    dense = x * weight
    dense = dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9)
    near = SparseNearest(features=features)(np.array([3]))[0]
    near = near[near >= 0]
    cosine = dense @ dense[3]
    assert 3 not in near
    assert np.allclose(cosine[near], np.sort(np.delete(cosine, 3))[::-1][: len(near)])


def test_fewer_samples_than_neighbours():
    assert DenseNearest(vectors=np.zeros((3, 2), np.float32))(np.array([0])).tolist() == [[1, 2, -1]]
