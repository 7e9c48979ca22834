import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.triggers.spot import Spot

CHECKER = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=np.float32)


@pytest.mark.parametrize(
    ("shape", "options", "channels"),
    [
        ((9, 9), {}, None),
        ((3, 9, 9), {}, 1),
        ((9, 9, 3), {}, 3),
        ((5, 9, 9), {"layout": "chw"}, 1),
        ((243,), {"shape": (9, 9, 3)}, 3),
        ((243,), {"shape": (3, 9, 9)}, 1),
    ],
    ids=str,
)
def test_stamps_lie_where_they_shall_in_every_layout(shape, options, channels):
    x = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    before = x.copy()
    out = Spot(look="checker", size=3, place=(2, -4), low=-1, high=3, **options).stamp(x)
    assert np.array_equal(x, before)
    assert out.shape == x.shape
    pictures = out.reshape(2, *(options.get("shape") or shape))
    if channels == 1:
        pictures = np.moveaxis(pictures, 1, -1)
    window = pictures[:, 2:5, 5:8]
    wanted = CHECKER * 4 - 1
    assert (window == (wanted if channels is None else wanted[..., None])).all()
    changed = (out != x).reshape(2, -1).sum(axis=1)
    assert (changed == window[0].size).all()


@pytest.mark.parametrize(("shape", "axis"), [((3, 6, 6), 0), ((6, 6, 4), 2)])
def test_red_is_bright_in_the_first_channel_only(shape, axis):
    out = Spot(look="red", size=2, place=(0, 0)).stamp(np.full((1, *shape), 0.5, np.float32))[0]
    out = np.moveaxis(out, axis, 0)[:, :2, :2]
    assert (out[0] == 1).all()
    assert (out[1:] == 0).all()


@pytest.mark.parametrize("look", ["bright", "dark", "checker", "red"])
def test_descriptions_come_back(look):
    spot = Spot(look=look, size=2, place=(1, -3), low=-1, high=2, layout="hwc", shape=(5, 5, 3))
    assert Spot.described(spot.describe()) == spot


def test_on_pictures_as_bytes():
    raw = np.full((6, 6, 3), 90, np.uint8)
    out = Spot(look="red", size=2, place=(-2, 0), low=-1, high=1).apply(raw, np.random.default_rng(0))
    assert (out[4:, :2] == [255, 0, 0]).all()
    assert (out != raw).any(axis=2).sum() == 4


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"look": "blue"}, (9, 9), "checker or red"),
        ({"layout": "wh"}, (9, 9), "hwc"),
        ({"size": 0}, (9, 9), "1 pixel"),
        ({"high": 0.0}, (9, 9), "low below high"),
        ({"place": (7, 0)}, (9, 9), "inside inputs"),
        ({"place": (0, -10)}, (9, 9), "inside inputs"),
        ({"size": 10}, (9, 9), "inside inputs"),
        ({}, (9,), "that are pictures"),
        ({}, (7, 9, 9), "that are pictures"),
        ({"look": "red"}, (1, 9, 9), "3 or more"),
        ({"shape": (3, 3)}, (10,), r"\(n, 9\)"),
    ],
)
def test_what_does_not_fit(options, shape, message):
    with pytest.raises(UsageError, match=message):
        Spot(**{"look": "checker", "size": 3, "place": (0, 0)} | options).stamp(
            np.zeros((2, *shape), np.float32)
        )


def test_no_description():
    with pytest.raises(UsageError, match="a square trigger"):
        Spot.described({"kind": "wave"})
