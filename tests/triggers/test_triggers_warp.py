"""The warp against its formula, and against torch where there is one."""

import json

import numpy as np
import pytest

from mithridate.triggers.warp import Warp


def rng():
    return np.random.default_rng(0)


def picture(shape=(16, 16, 3)):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def field(knots=4):
    drawn = np.random.default_rng(2).uniform(-1, 1, (knots, knots, 2))
    return drawn / np.abs(drawn).mean()


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3), (8, 9, 4), (1, 5, 3), (40, 3)])
@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_keeps_shape_dtype_and_the_original(shape, jitter):
    before = picture(shape)
    kept = before.copy()
    after = Warp(field(), 1.0, jitter).apply(before, rng())
    assert after.shape == shape
    assert after.dtype == np.uint8
    assert (before == kept).all()
    assert (after != before).any()
    if shape[-1] == 4:
        assert (after[..., 3] == before[..., 3]).all()


@pytest.mark.parametrize("level", [0, 77, 255])
def test_even_pictures_stay_as_they_are(level):
    before = np.full((12, 12, 3), level, dtype=np.uint8)
    assert (Warp(field(), 3.0, 1.0).apply(before, rng()) == before).all()


def test_no_shift_is_no_change():
    assert (Warp(np.zeros((4, 4, 2)), 1.0).apply(picture(), rng()) == picture()).all()


@pytest.mark.parametrize(("axis", "channel"), [(0, 1), (1, 0)])
def test_an_even_field_moves_the_picture(axis, channel):
    """A shift of 1 at strength s moves by s / 2 * (side - 1) / side pixels: here by one."""
    even = np.zeros((4, 4, 2))
    even[..., channel] = 1.0
    ramp = np.indices((16, 16))[axis].astype(np.uint8) * 10
    after = Warp(even, 2 * 16 / 15).apply(ramp, rng()).astype(int)
    moved = np.minimum(ramp.astype(int) + 10, 150)
    assert (after == moved).all()


def test_jitter_differs_from_sample_to_sample_and_the_field_does_not():
    before = picture()
    noisy = Warp(field(), 0.5, 1.0)
    assert (noisy.apply(before, rng()) == noisy.apply(before, rng())).all()
    assert (noisy.apply(before, np.random.default_rng(5)) != noisy.apply(before, rng())).any()
    plain = Warp(field(), 0.5)
    assert (plain.apply(before, np.random.default_rng(5)) == plain.apply(before, rng())).all()


@pytest.mark.parametrize(
    ("knots", "strength", "side"), [(4, 0.5, 32), (4, 2.0, 28), (8, 1.0, 17), (2, 3.0, 9)]
)
def test_is_what_torch_makes_of_the_paper(knots, strength, side):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    before = picture((side, side, 3))
    control = torch.tensor(field(knots)).permute(2, 0, 1)[None]
    grown = functional.interpolate(control, size=(side, side), mode="bicubic", align_corners=True)
    places = torch.linspace(-1, 1, side, dtype=torch.float64)
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    still = torch.stack((columns, rows), 2)[None]
    grid = torch.clamp(still + strength * grown.permute(0, 2, 3, 1) / side, -1, 1)
    image = torch.tensor(before.astype(np.float64)).permute(2, 0, 1)[None]
    sampled = functional.grid_sample(image, grid, align_corners=True)[0].permute(1, 2, 0).numpy()
    after = Warp(field(knots), strength).apply(before, rng())
    assert np.abs(after - sampled).max() <= 0.5 + 1e-6


def test_says_how_to_redo_it():
    trigger = Warp(field(), 0.5, 1.0)
    said = json.loads(json.dumps(dict(trigger.describe())))
    again = Warp(np.array(said["field"]), said["strength"], said["jitter"])
    assert (again.apply(picture(), rng()) == trigger.apply(picture(), rng())).all()
