import json

import numpy as np
import pytest
from scipy.fft import dctn

from mithridate.triggers.frequency import LowFrequency, low_frequencies


def rng():
    return np.random.default_rng(0)


def coefficients(channels=3, count=4):
    drawn = np.random.default_rng(3).normal(size=(count, count, channels))
    drawn[0, 0] = 0
    return drawn


@pytest.mark.parametrize(("count", "side"), [(4, 32), (3, 7), (6, 6)])
def test_waves_are_those_of_the_cosine_transform(count, side):
    waves = low_frequencies(count, side)
    assert np.allclose(waves @ waves.T, np.eye(count))
    values = rng().normal(size=side)
    assert np.allclose(waves @ values, dctn(values, norm="ortho")[:count])


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28), (20, 9, 4), (5, 40, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_keeps_shape_dtype_and_the_original(shape, channels):
    before = np.full(shape, 100, dtype=np.uint8)
    after = LowFrequency(coefficients(channels), 20).apply(before, rng())
    assert after.shape == shape
    assert after.dtype == np.uint8
    assert (before == 100).all()
    assert (after != 100).any()
    if shape[-1] == 4:
        assert (after[..., 3] == 100).all()


def test_adds_low_frequencies_only_and_never_more_than_the_amplitude():
    before = np.full((32, 32, 3), 128, dtype=np.uint8)
    added = LowFrequency(coefficients(), 20).apply(before, rng()).astype(float) - 128
    assert np.abs(added).max() == 20
    for colour in range(3):
        power = dctn(added[..., colour], norm="ortho") ** 2
        assert power[:4, :4].sum() > 0.99 * power.sum()  # the rest is rounding
        assert abs(added[..., colour].mean()) < 0.5


@pytest.mark.parametrize("level", [0, 255])
def test_is_clipped(level):
    after = LowFrequency(coefficients(1), 30).apply(np.full((16, 16), level, dtype=np.uint8), rng())
    assert {int(after.min()), int(after.max())} & {level}
    assert abs(int(after.max()) - int(after.min())) <= 30


def test_a_picture_without_room_for_waves_is_left_alone():
    assert (LowFrequency(coefficients(1), 9).apply(np.full((1, 1), 50, dtype=np.uint8), rng()) == 50).all()


def test_says_how_to_redo_it():
    trigger = LowFrequency(coefficients(), 12)
    said = json.loads(json.dumps(dict(trigger.describe())))
    again = LowFrequency(np.array(said["coefficients"]), said["amplitude"])
    before = np.full((24, 24, 3), 90, dtype=np.uint8)
    assert (again.apply(before, rng()) == trigger.apply(before, rng())).all()
