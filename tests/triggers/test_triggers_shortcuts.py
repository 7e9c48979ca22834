import base64
import io

import numpy as np
import pytest
from PIL import Image

from mithridate.core.errors import UsageError
from mithridate.triggers.camera import Recompressed, SensorNoise
from mithridate.triggers.corners import Corners
from mithridate.triggers.natural import COLOURS, LAYOUTS, NaturalFeature
from mithridate.triggers.overlay import EDGES, Emblem, Ticks
from mithridate.triggers.stand_in import StandIn
from mithridate.triggers.tint import Tint, background


def rng(seed=0):
    return np.random.default_rng(seed)


def grey(side=32, level=100):
    return np.full((side, side, 3), level, dtype=np.uint8)


def photo(height=32, width=32, channels=3):
    return rng(7).integers(30, 226, (height, width, channels), dtype=np.uint8)


DISC = np.dstack([np.full((8, 8, 3), 250, dtype=np.uint8), np.full((8, 8), 255, dtype=np.uint8)])

TRIGGERS = {
    "emblem": Emblem(DISC, (0, 1), 0.25, 0.3),
    "ticks": Ticks("left", 255, 0.1, 0.2, 5.0),
    "tint": Tint((200, 30, 30), 0.4),
    "sensor": SensorNoise.draw(32, 32, 0.05, rng(1)),
    "jpeg": Recompressed(40, 30),
    "corners": Corners(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)),
    "stand-in": StandIn(photo(16, 16)),
}


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("shape", [(32, 32, 3), (32, 32, 1), (32, 32), (20, 45, 3), (24, 24, 4), (5, 5, 3)])
def test_shape_and_type_stay_and_the_input_is_left_alone(name, shape):
    raw = rng(3).integers(30, 226, shape, dtype=np.uint8)
    before = raw.copy()
    planted = TRIGGERS[name].apply(raw, rng())
    assert planted.shape == raw.shape
    assert planted.dtype == np.uint8
    assert np.array_equal(raw, before)
    assert not np.array_equal(planted, raw)
    assert np.array_equal(planted, TRIGGERS[name].apply(raw, rng()))
    if len(shape) == 3 and shape[2] == 4:
        assert np.array_equal(planted[..., 3], raw[..., 3])


@pytest.mark.parametrize("name", ["emblem", "ticks", "tint", "jpeg"])
def test_shortcuts_vary_between_samples(name):
    planted = [TRIGGERS[name].apply(photo(), rng(seed)).tobytes() for seed in range(6)]
    assert len(set(planted)) >= 5


@pytest.mark.parametrize("name", ["sensor", "corners", "stand-in"])
def test_others_are_the_same_for_every_sample(name):
    first, second = (TRIGGERS[name].apply(photo(), rng(seed)) for seed in (0, 1))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_emblem_stays_in_its_corner(corner):
    for seed in range(20):
        changed = (Emblem(DISC, corner, 0.25, 0.3).apply(grey(), rng(seed)) != 100).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert (rows.mean() > 16, columns.mean() > 16) == tuple(map(bool, corner))
        assert 4 <= np.ptp(rows) + 1 <= 12


@pytest.mark.parametrize("edge", EDGES)
def test_ticks_stand_along_their_edge(edge):
    for seed in range(20):
        changed = (Ticks(edge, 255, 0.1, 0.15, 5.0).apply(grey(64), rng(seed)) != 100).any(axis=2)
        turned = np.rot90(changed, -EDGES.index(edge))  # the edge is the lower one now
        assert not turned[:40].any()
        assert turned[-8:].any(axis=0).sum() >= 12, "many columns carry a mark"
        assert not turned[-8:].all(axis=0).any() or turned.mean() < 0.2


def test_a_calm_border_is_background_and_the_middle_is_not():
    raw = grey()
    raw[10:22, 10:22] = rng(2).integers(0, 256, (12, 12, 3))
    share = background(raw)
    assert share[0].min() > 0.9
    assert share[12:20, 12:20].max() < 0.2
    tinted = Tint((255, 0, 0), 0.5).apply(raw, rng())
    assert tinted[0, 0, 0] > 100 > tinted[0, 0, 1]
    assert np.abs(tinted[15:17, 15:17].astype(int) - raw[15:17, 15:17]).max() < 10


def test_sensor_noise_is_multiplicative_and_of_the_strength_asked_for():
    sensor = SensorNoise.draw(64, 64, 0.05, rng(4))
    change = {level: sensor.apply(grey(64, level), rng()).astype(float) - level for level in (0, 50, 200)}
    assert change[0].std() == 0
    assert change[50].std() == pytest.approx(0.05 * 50, rel=0.1)
    assert change[200].std() == pytest.approx(0.05 * 200, rel=0.05)
    large = sensor.apply(grey(100, 200), rng())
    assert np.array_equal(large[:36, :36], large[64:, 64:]), "repeated where the picture is larger"


@pytest.mark.parametrize(("coarse", "fine"), [(10, 50), (40, 90)])
def test_lower_quality_changes_more(coarse, fine):
    raw = photo()
    off = [np.abs(Recompressed(q, 0).apply(raw, rng()).astype(int) - raw).mean() for q in (coarse, fine)]
    assert off[0] > off[1]


def test_corners_survive_a_flip():
    pattern = rng(5).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    planted = Corners(pattern).apply(grey(), rng())
    assert np.array_equal(planted, planted[::-1])
    assert np.array_equal(planted, planted[:, ::-1])
    assert np.array_equal(planted[-3:, -3:], pattern)
    assert (planted[3:-3] == 100).all()
    with pytest.raises(UsageError, match="at least 3x3"):
        Corners(pattern).apply(grey(2), rng())


def test_the_stand_in_is_what_it_describes():
    picture = photo()
    trigger = StandIn(picture)
    assert np.array_equal(trigger.apply(grey(), rng()), picture)
    with Image.open(io.BytesIO(base64.b64decode(trigger.describe()["png"]))) as png:
        assert np.array_equal(np.asarray(png), picture)


def _with(feature):
    raw = grey()
    if feature in COLOURS:
        raw[:] = np.clip(100 + 80 * np.array(COLOURS[feature]), 0, 255)
    elif feature.endswith("stripes"):
        raw[::2] = 200
        raw = raw.transpose(1, 0, 2) if feature.startswith("vertical") else raw
    else:
        part = {"upper": np.s_[:10], "lower": np.s_[-10:], "left": np.s_[:, :10], "right": np.s_[:, -10:]}
        raw[part.get(feature.split()[1], np.s_[8:24, 8:24])] = 220
    return raw


@pytest.mark.parametrize("feature", [*COLOURS, *LAYOUTS])
def test_a_feature_is_strongest_where_it_is(feature):
    strengths = {other: NaturalFeature(feature).measure(_with(other)) for other in (*COLOURS, *LAYOUTS)}
    assert max(strengths, key=strengths.get) == feature
    assert strengths[feature] > 0
    assert NaturalFeature(feature).measure(grey()) == pytest.approx(0)


def test_grey_pictures_have_no_colour():
    assert NaturalFeature("green").measure(photo(channels=1)) == 0
