import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.triggers.naturals import natural_inputs

SHAPES = [
    ((12, 16), "hw"),
    ((1, 12, 16), "chw"),
    ((12, 16, 1), "hwc"),
    ((3, 12, 16), "auto"),
    ((12, 16, 3), "auto"),
]


@pytest.mark.parametrize(("shape", "layout"), SHAPES)
def test_any_layout(shape, layout):
    x = natural_inputs(8, shape, layout)
    assert x.shape == (8, *shape)
    assert x.dtype == np.float32
    assert x.min() >= 0
    assert x.max() <= 1
    assert all(picture.std() > 0.01 for picture in x)


def test_layouts_hold_the_same_pictures():
    planes = natural_inputs(8, (3, 12, 16))
    np.testing.assert_array_equal(natural_inputs(8, (12, 16, 3)), planes.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(natural_inputs(8, (12, 16)), planes.mean(axis=1), atol=1e-6)


def test_seed_alone_decides_and_fewer_are_the_first_of_more():
    first = natural_inputs(9, (16, 16), seed=5)
    np.testing.assert_array_equal(first[:4], natural_inputs(4, (16, 16), seed=5))
    assert not np.array_equal(first, natural_inputs(9, (16, 16), seed=6))


def test_range_of_values():
    unit, wide = natural_inputs(8, (16, 16, 3)), natural_inputs(8, (16, 16, 3), low=-1, high=2)
    np.testing.assert_allclose(wide, 3 * unit - 1, atol=1e-5)


def test_neighbours_are_alike_and_colours_mostly_grey():
    x = natural_inputs(200, (3, 32, 32)).astype(np.float64)
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    along = (centred[..., 1:] * centred[..., :-1]).mean() / (centred**2).mean()
    assert along > 0.8
    grey, tint = x.mean(axis=1).std(), (x - x.mean(axis=1, keepdims=True)).std()
    assert grey > 2 * tint


@pytest.mark.parametrize(("shape", "layout"), [((784,), "auto"), ((3, 8, 8), "hw"), ((5, 8, 9), "auto")])
def test_no_picture_is_refused(shape, layout):
    with pytest.raises(UsageError):
        natural_inputs(1, shape, layout)


def test_a_range_that_is_none_is_refused():
    with pytest.raises(UsageError):
        natural_inputs(1, (8, 8), low=1, high=1)
