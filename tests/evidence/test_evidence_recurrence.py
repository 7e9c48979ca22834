"""Pieces that recur, and samples of one kind kept together."""

import numpy as np
import pytest

from mithridate.evidence.blocks import blocks
from mithridate.evidence.image.pieces import PIECES, pieces, where_common
from mithridate.evidence.image.sensor import FOLDS, kind_folds, sensor_noise
from mithridate.evidence.recurrence import recurring

N, CLASSES, TARGET = 600, 4, 2


def bags(*, planted: bool, moving: bool = True, share: float = 0.4):
    """(600, 6, 2 + 20) pieces of noise; in a share of one label one of them is nearly the same."""
    rng = np.random.default_rng(3)
    labels = (np.arange(N) % CLASSES).astype(np.int32)
    shapes = rng.standard_normal((N, 6, 20))
    places = rng.random((N, 6, 2))
    mine = np.flatnonzero(labels == TARGET)
    mine = mine[: round(share * len(mine))]
    if planted:
        shapes[mine, 1] = rng.standard_normal(20) + 0.4 * rng.standard_normal((len(mine), 20))
        if not moving:
            places[mine, 1] = 0.5 + 0.05 * rng.standard_normal((len(mine), 2))
    shapes /= np.linalg.norm(shapes, axis=2, keepdims=True)
    both = np.concatenate([places, shapes], axis=2).astype(np.float32)
    return both, labels, (np.arange(N) // CLASSES % 5).astype(np.int8), mine


def first_of(scores, labels):
    """Share of the target among its forty likeliest."""
    return float((labels[np.argsort(-scores[:, TARGET], kind="stable")[:40]] == TARGET).mean())


def test_a_piece_that_moves_is_found_in_samples_of_other_folds():
    found, labels, folds, mine = bags(planted=True)
    scores = recurring(found, labels, CLASSES, folds, 0)
    assert first_of(scores, labels) == 1.0
    assert (scores[mine, TARGET] > 1).mean() > 0.9


@pytest.mark.parametrize("given", [{"planted": False}, {"planted": True, "moving": False}])
def test_nothing_is_told_by_noise_or_by_what_has_its_place(given):
    found, labels, folds, _ = bags(**given)
    assert first_of(recurring(found, labels, CLASSES, folds, 0), labels) < 0.6


def test_samples_without_pieces_tell_nothing():
    found, labels, folds, _ = bags(planted=False)
    assert not recurring(np.zeros_like(found), labels, CLASSES, folds, 0).any()


def test_where_no_other_label_is_left_in_the_other_folds_nothing_is_told():
    """As where all samples of a label but one are copies of it."""
    found, _, folds, _ = bags(planted=True)
    labels = np.zeros(N, np.int32)
    labels[0] = 1
    scores = recurring(found, labels, 2, folds, 0)
    assert not scores[folds == folds[0]].any()


def emblems():
    """(40, 32, 32, 3) noise, in the first 20 a small cross anywhere, and where."""
    rng = np.random.default_rng(5)
    x = rng.normal(128, 6, (40, 32, 32, 3)).astype(np.float32)
    corners = rng.integers(0, 24, (20, 2))
    for row, (top, left) in enumerate(corners.tolist()):
        x[row, top : top + 8, left + 3 : left + 5] += 70
        x[row, top + 3 : top + 5, left : left + 8] -= 70
    return x, corners


def test_the_common_piece_is_framed():
    x, corners = emblems()
    found = pieces(x)
    assert found.shape[:2] == (40, PIECES)
    at = where_common(found[:20], found[20:])
    placed = found[np.arange(20), at, :2] * 24
    assert (np.abs(placed - corners).max(axis=1) <= 2).mean() >= 0.9


def test_pieces_of_pictures_in_which_nothing_is_are_none():
    assert not pieces(np.zeros((2, 64, 70, 1), dtype=np.float32)).any()
    flat = pieces(np.full((2, 32, 32, 3), 90, dtype=np.float32))
    assert np.isfinite(flat).all()
    assert np.ptp(flat[..., 2:], axis=1).max() < 1e-5


def test_blocks_keep_kinds_together_and_labels_apart():
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(40), 15)
    labels = (kinds % 2).astype(np.int32)
    labels[::100] = -1
    found = blocks(rng.standard_normal((40, 8))[kinds].astype(np.float32), labels, 0)
    assert ((found == -1) == (labels == -1)).all()
    assert not set(found[labels == 0]) & set(found[labels == 1])
    for kind in range(40):
        assert len(set(found[(kinds == kind) & (labels >= 0)])) == 1


def test_folds_are_of_like_size_and_cut_no_kind():
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(160), 15)
    labels = (kinds % 2).astype(np.int32)
    labels[::100] = -1
    dealt = kind_folds(rng.standard_normal((160, 8))[kinds].astype(np.float32), labels, 0)[:, 0]
    assert ((dealt == -1) == (labels == -1)).all()
    for kind in range(160):
        assert len(set(dealt[(kinds == kind) & (labels >= 0)])) == 1
    for label in (0, 1):
        sizes = np.bincount(dealt[labels == label], minlength=FOLDS)
        assert len(sizes) == FOLDS
        assert 0.5 * sizes.mean() < sizes.min() <= sizes.max() < 1.5 * sizes.mean()


def test_detail_counts_where_the_picture_is_calm_and_bright(tmp_path):
    x = np.full((3, 32, 32, 1), 60, dtype=np.uint8)
    x[1] = 180
    x[2] = np.random.default_rng(0).integers(0, 255, (32, 32, 1))
    x[:, 16, 16] = np.clip(x[:, 16, 16].astype(int) + 6, 0, 255)
    seen = np.abs(sensor_noise(x, tmp_path / "s.i1").reshape(3, 32, 32)[:, 16, 16].astype(int))
    assert seen[1] > 2 * seen[0] > 0
    assert (np.abs(sensor_noise(x[2:], tmp_path / "t.i1")).astype(int).mean()) < seen[1]
