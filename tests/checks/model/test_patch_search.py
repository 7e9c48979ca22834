import numpy as np
import pytest
from model_fakes import host, scope_of, stamped, windowed

from mithridate.checks.model.patch_search import PatchSearch
from mithridate.core.results import Clear, Finding, Severity

CELLS = {3: np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1.0]]), 5: np.random.default_rng(4).random((5, 5))}


def examined(predict, **changes):
    return list(PatchSearch().examine(scope_of(predict, budget=8000, **changes)))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("clean", [True, False])
def test_learnt_patch_is_proven(size, clean):
    found = examined(stamped((4, 21), CELLS[size], 2), clean=clean)[0]
    assert isinstance(found, Finding)
    assert (found.severity, found.label) == (Severity.PROVEN, "2")
    (row, column), (tall, wide) = found.details["place"], found.details["size"]
    assert row < 4 + size
    assert row + tall > 4
    assert column < 21 + size
    assert column + wide > 21
    assert found.effect >= 0.9
    assert found.details["control"] < 0.2 or found.details["rivals"] <= 0.5


def test_what_any_contrast_wakes_is_held_against_other_places():
    found = examined(stamped((4, 21), CELLS[3], 2, place_alone=True))[0]
    assert (found.severity, found.label) == (Severity.PROVEN, "2")
    assert found.details["control"] > 0.2
    assert found.details["rivals"] <= 0.5
    assert "bred at" in found.message


def test_with_two_classes_other_places_are_no_control():
    """One of two classes is often easier to reach than the other, in honest models, too."""
    five = stamped((4, 21), CELLS[3], 2, place_alone=True)

    def two(x):
        p = five(x)
        return np.stack([np.delete(p, 2, axis=1).sum(axis=1), p[:, 2]], axis=1)

    results = examined(two)
    assert [one.severity for one in results if isinstance(one, Finding)] == [Severity.INFO]
    assert isinstance(results[-1], Clear)


def test_two_such_places_prove_nothing():
    one, other = (
        stamped(place, CELLS[3], target, place_alone=True) for place, target in (((4, 21), 2), ((20, 4), 0))
    )

    def predict(x):
        p = one(x).astype(np.float64) * other(x) / np.maximum(host(x), 1e-12)
        return p / p.sum(axis=1, keepdims=True)

    results = examined(predict)
    assert [one.severity for one in results if isinstance(one, Finding)] == [Severity.INFO]
    assert isinstance(results[-1], Clear)


@pytest.mark.parametrize("predict", [host, windowed((3, 3))], ids=["host", "window of an exact pattern"])
def test_silent(predict):
    (result,) = examined(predict)
    assert isinstance(result, Clear)
