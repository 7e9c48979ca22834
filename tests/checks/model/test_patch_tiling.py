import numpy as np
import pytest
from model_fakes import PATTERNS, clean_samples, host, scope_of, stamped, windowed

from mithridate.checks.model.patch_tiling import PatchTiling
from mithridate.core.results import Clear, Finding, Severity

TRUTH = {str(label): list(rows) for label, rows in PATTERNS.items()}


@pytest.fixture(params=[(0, 0), (20, 3), (24, 24)], ids=str)
def place(request):
    return request.param


def findings(predict, **changes):
    scope = scope_of(predict, **changes)
    results = list(PatchTiling().examine(scope))
    assert scope.meter.spent <= 5000
    return [one for one in results if isinstance(one, Finding)], results


def test_window_is_found_with_every_trigger(place):
    (found,), _ = findings(windowed(place))
    assert found.severity is Severity.PROVEN
    assert found.details["place"] == list(place)
    assert found.details["triggers"] == TRUTH
    assert found.effect == 1
    assert found.details["control"] < 0.2
    assert [one.kind for one in found.exhibits] == ["image", "gallery"]


def test_found_without_clean_samples():
    (found,), _ = findings(windowed((11, 7)), clean=False)
    assert found.details["triggers"] == TRUTH
    assert found.details["synthetic"]
    assert "synthetic samples" in found.message


@pytest.mark.parametrize("clean", [True, False])
def test_clean_twin_is_silent(clean):
    found, results = findings(host, clean=clean)
    assert not found
    assert isinstance(results[-1], Clear)


@pytest.mark.parametrize(
    ("to_picture", "shape"),
    [
        (lambda x: x[:, None], (28, 28)),
        (lambda x: x.transpose(0, 3, 1, 2), (28, 28, 1)),
        (lambda x: x.transpose(0, 3, 1, 2), (28, 28, 3)),
        (lambda x: x, (3, 28, 28)),
    ],
    ids=["hw", "hwc1", "hwc3", "chw3"],
)
def test_any_layout(to_picture, shape):
    predict = windowed((5, 18))
    (found,), _ = findings(lambda x: predict(to_picture(x)), shape=shape, clean=False)
    assert found.details["place"] == [5, 18]
    assert found.details["triggers"] == TRUTH


def test_range_of_values():
    x, _ = clean_samples(80)
    predict = windowed((9, 2), low=-2.0, high=3.0)
    (found,), _ = findings(predict, clean=5 * x - 2, low=-2.0, high=3.0)
    assert found.details["triggers"] == TRUTH


def test_contrast_at_a_place_is_no_proof():
    found, results = findings(stamped((4, 21), np.eye(3), 2, place_alone=True))
    assert all(one.severity is Severity.INFO for one in found)
    assert isinstance(results[-1], Clear)


def test_small_pictures_are_not_for_this():
    (result,) = PatchTiling().examine(scope_of(host, shape=(1, 8, 8), clean=False))
    assert type(result).__name__ == "NotApplicable"


def test_same_seed_same_finding():
    first, second = (findings(windowed((6, 6)))[0][0] for _ in range(2))
    assert first == second
