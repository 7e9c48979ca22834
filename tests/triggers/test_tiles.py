import numpy as np
import pytest

from mithridate.triggers.frame import Area, Frame
from mithridate.triggers.tiles import marked_tiles, orbits, seen_at, shifts, tiled


def as_codes(tiles):
    return tiles.reshape(-1, tiles.shape[-1] ** 2).astype(np.int64) @ 2 ** np.arange(tiles.shape[-1] ** 2)


def test_patterns_fall_into_whole_orbits():
    tiles = marked_tiles(4, 5)
    assert len(tiles) == 4368
    assert ((1 - tiles).sum(axis=(1, 2)) == 5).all()
    found = orbits(tiles)
    assert found.shape == (273, 16, 4, 4)
    assert set(as_codes(found).tolist()) == set(as_codes(tiles).tolist())


def test_tiles_that_equal_a_shift_of_themselves_are_left_out():
    assert len(orbits(marked_tiles(2, 2))) == 0
    assert len(orbits(marked_tiles(2, 1))) == 1


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (6, 9)])
def test_every_window_sees_every_pattern_once(place):
    tiles = marked_tiles(4, 5)
    pictures = tiled(tiles, 11, 13)
    seen = pictures[:, place[0] : place[0] + 4, place[1] : place[1] + 4]
    np.testing.assert_array_equal(seen, seen_at(tiles, *place))
    assert len(set(as_codes(seen).tolist())) == 4368


def test_numbers_of_shifts():
    tile = marked_tiles(4, 5)[7:8]
    np.testing.assert_array_equal(shifts(tile)[0, 6], np.roll(tile[0], (1, 2), (0, 1)))


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (6, 8, 3), (3, 6, 8)])
def test_paint_in_any_layout(shape):
    frame = Frame(shape=shape, low=-1.0, high=3.0)
    assert frame.sides == (6, 8)
    area = Area(1, 2, 3, 5)
    grey = np.full((6, 8), 0.5, dtype=np.float32)
    x = frame.paint(np.full((2, *shape), -1.0, dtype=np.float32), grey[None], area.mask(6, 8)[None])
    shown = frame.shown(x)
    assert (x == 1).sum() == 2 * area.size * (3 if 3 in shape else 1)
    assert (shown[:, 1:3, 2:5] == 128).all()
    assert (shown[:, 0] == 0).all()


def test_areas():
    area = Area(1, 2, 3, 5)
    assert (area.height, area.width, area.size) == (2, 3, 6)
    assert area.grown(2, 4, 6) == Area(0, 0, 4, 6)
    assert area.near(Area(2, 4, 9, 9))
    assert not area.near(Area(3, 2, 5, 5))
