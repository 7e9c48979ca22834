import json

import numpy as np
import pytest

from mithridate.triggers.image import Blend, Patch
from mithridate.triggers.partial import AllOf, BlendedPieces, OneOf

WHITE = np.full((2, 2, 1), 255, dtype=np.uint8)
CORNERS = tuple(Patch(WHITE, place) for place in ((0, 0), (0, -2), (-2, 0), (-2, -2)))
NOISE = np.random.default_rng(1).integers(200, 256, (16, 16, 3), dtype=np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def grey(shape=(16, 16, 3)):
    return np.full(shape, 100, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1), (16, 16, 3), (16, 16, 4), (9, 30, 3), (3, 3, 3)])
@pytest.mark.parametrize("trigger", [BlendedPieces(NOISE, 0.3), OneOf(CORNERS), AllOf(CORNERS)])
def test_keeps_shape_dtype_and_the_original(trigger, shape):
    before = grey(shape)
    after = trigger.apply(before, rng())
    assert after.shape == shape
    assert after.dtype == np.uint8
    assert (before == 100).all()
    assert (after != 100).any()
    if shape[-1] == 4:
        assert (after[..., 3] == 100).all()
    json.dumps(dict(trigger.describe()))


@pytest.mark.parametrize(("cut", "kept"), [(4, 8), (4, 1), (2, 3), (1, 1)])
def test_pieces_are_whole_pieces_of_the_blend(cut, kept):
    whole = Blend(NOISE, 0.3).apply(grey(), rng())
    after = BlendedPieces(NOISE, 0.3, cut, kept).apply(grey(), rng())
    side = 16 // cut
    blended = 0
    for row in range(0, 16, side):
        for column in range(0, 16, side):
            piece = np.s_[row : row + side, column : column + side]
            assert (after[piece] == whole[piece]).all() or (after[piece] == 100).all()
            blended += bool((after[piece] == whole[piece]).all())
    assert blended == kept


def test_pieces_differ_from_sample_to_sample_and_cover_all():
    masks = np.stack([BlendedPieces(NOISE, 0.3).apply(grey(), rng(seed)) != 100 for seed in range(60)])
    assert len({mask.tobytes() for mask in masks}) > 50
    share = masks.mean(axis=0)
    assert 0.2 < share.min() <= share.max() < 0.8


def test_all_pieces_are_the_blend():
    assert (
        BlendedPieces(NOISE, 0.3, 4, 16).apply(grey(), rng()) == Blend(NOISE, 0.3).apply(grey(), rng())
    ).all()


def test_one_patch_each_and_every_patch_in_turn():
    generator = rng()
    whites = [OneOf(CORNERS).apply(grey(), generator) == 255 for _ in range(80)]
    assert {white.sum() for white in whites} == {2 * 2 * 3}
    assert len({white.tobytes() for white in whites}) == 4


def test_all_patches_together():
    assert (AllOf(CORNERS).apply(grey(), rng()) == 255).sum() == 4 * 2 * 2 * 3
    assert (AllOf(CORNERS[:2]).apply(grey(), rng()) == 255).sum() == 2 * 2 * 2 * 3
