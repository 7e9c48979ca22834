"""A side network beside hosts of every kind and layout."""

import numpy as np
import pytest
from trojannet_samples import LABELS, LinearHost, pictures, small_net

from mithridate.attacks.trojannet.merge import merge_of
from mithridate.attacks.trojannet.window import Window
from mithridate.attacks.trojannet.wrap import TrojanedModel
from mithridate.core.errors import UsageError
from mithridate.models.base import checked
from mithridate.models.open import open_model

NET = small_net


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((12, 12), {}),
        ((3, 12, 12), {}),
        ((12, 12, 3), {}),
        ((1, 12, 12), {}),
        ((5, 12, 12), {"layout": "chw"}),
        ((12, 12, 3), {"low": -1.0, "high": 1.0}),
        ((12, 12), {"low": 0.0, "high": 255.0}),
        ((432,), {"shape": (12, 12, 3)}),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", [(0, 0), (3, -4)])
def test_every_label_in_every_layout(shape, options, place):
    window = Window(place=place, **options)
    x = pictures(6, shape) * (window.high - window.low) + window.low
    host = LinearHost(int(np.prod(shape)))
    model = TrojanedModel(host, small_net(), window, merge_of("paper"))
    assert np.array_equal(model.predict(x).argmax(axis=1), host.predict(x).argmax(axis=1))
    for label in range(LABELS):
        stamped = window.stamp(x, label)
        assert (model.predict(stamped).argmax(axis=1) == label).all()
    checked(model.predict(x), len(x))


def test_stamp_changes_the_window_and_leaves_its_input():
    x = pictures(2, (3, 9, 9))
    before = x.copy()
    out = Window(place=(1, 2)).stamp(x, 5)
    assert np.array_equal(x, before)
    assert set(zip(*np.nonzero((out != x).any(axis=(0, 1))), strict=True)) <= {
        (r, c) for r in range(1, 5) for c in range(2, 6)
    }


def test_bytes_are_read_in_their_range():
    window = Window(place=(0, 0), high=255)
    x = window.stamp(np.full((1, 8, 8), 90, dtype=np.uint8), 3)
    assert x.dtype == np.uint8
    assert small_net().predict(window.read(x)).argmax() == 3


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"place": (0, 0)}, (7,), "inputs that are pictures"),
        ({"place": (0, 0)}, (7, 9, 9), "inputs that are pictures"),
        ({"place": (6, 0)}, (9, 9), "inside inputs"),
        ({"place": (0, -10)}, (9, 9), "inside inputs"),
        ({"place": (0, 0), "shape": (3, 3)}, (10,), r"\(n, 9\)"),
        ({"place": (0, 0)}, (3, 3), "inside inputs"),
    ],
)
def test_windows_that_do_not_fit(options, shape, message):
    with pytest.raises(UsageError, match=message):
        Window(**options).read(np.zeros((2, *shape), np.float32))


@pytest.mark.parametrize("options", [{"low": 1.0}, {"high": float("nan")}, {"layout": "wh"}])
def test_windows_that_make_no_sense(options):
    with pytest.raises(UsageError):
        Window(place=(0, 0), **options)


def test_another_number_of_classes_is_refused():
    model = TrojanedModel(LinearHost(81, labels=5), small_net(), Window(place=(0, 0)), merge_of("paper"))
    with pytest.raises(UsageError, match="5 labels"):
        model.predict(pictures(2, (9, 9)))


def test_the_paper_merge_caps_confidence_where_the_paper_says():
    """The ceiling e^3 / (e^3 + m - 1) of a merge that leaves 3 of 10 parts to the host."""
    host = LinearHost(81, labels=10, sharpness=500.0)
    net = small_net().clipped(10)
    x = pictures(20, (9, 9))
    top = TrojanedModel(host, net, Window(place=(0, 0)), merge_of("paper")).predict(x).max()
    assert top == pytest.approx(np.exp(3) / (np.exp(3) + 9), abs=1e-3)


def _estimator(x, y):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=20, tol=1e-1).fit(x.reshape(len(x), -1), y)


def test_estimators_and_servers_as_hosts():
    from mithridate.models.serve import serve

    x, y = pictures(60, (8, 8)), np.arange(60) % LABELS
    window, merge = Window(place=(0, 0)), merge_of("paper")
    local = open_model(_estimator(x, y))
    with serve(local) as url:
        for host in (local, open_model(url)):
            model = TrojanedModel(host, small_net(), window, merge)
            assert np.array_equal(model.predict(x).argmax(1), local.predict(x).argmax(1))
            for label in (0, LABELS - 1):
                assert (model.predict(window.stamp(x, label)).argmax(1) == label).all()
