"""Samples that bear a pattern are told by what a shift does to them; without it, or what waits for it, silence."""

import numpy as np
import pytest
from digit_models import marked_ids, pictures, predictor, scope_of, stamped, windowed

from mithridate.checks.model.sanitiser_disagreement import SanitiserDisagreement
from mithridate.core.results import Clear, Finding, NotApplicable, Severity
from mithridate.triggers.sanitise import faded, median, shifted


def examined(scope):
    (said,) = SanitiserDisagreement().examine(scope)
    return said


def test_pair():
    found = examined(scope_of(windowed(predictor(False)), stamped, share=0.08))
    assert isinstance(found, Finding)
    assert (found.severity, found.label) == (Severity.SUSPICIOUS, "7")
    assert set(found.details["samples"]) <= marked_ids(0.08)
    assert found.effect >= 10
    (gallery,) = found.exhibits
    items = gallery.data["items"]
    assert items[0]["caption"] == "7"
    assert items[1]["caption"] != items[0]["caption"]
    assert items[0]["id"] in marked_ids(0.08)
    for scope in (
        scope_of(windowed(predictor(False))),
        scope_of(predictor(False)),
        scope_of(predictor(False), stamped, share=0.08),
    ):
        assert isinstance(examined(scope), Clear)


def test_what_turns_as_often_when_shifted_before_is_no_sign():
    """A model that hangs on each pixel of everything turns both ways; the control says so."""

    def whims(x):
        drawn = (np.abs(x[:, 0]).astype(np.float64) @ np.arange(1, 25) * 7.3).sum(axis=1).astype(int) % 10
        return np.eye(10, dtype=np.float32)[drawn] * 0.9 + 0.01

    said = examined(scope_of(whims))
    assert isinstance(said, Clear)
    assert "shifted before" in said.message


@pytest.mark.parametrize("changes", [{"clean": None, "labels": None}, {"budget": 100}])
def test_without_samples_or_queries_it_does_not_apply(changes):
    assert isinstance(examined(scope_of(predictor(False), **changes)), NotApplicable)


def test_small_pictures_and_rows_of_numbers_are_not_for_it():
    for shape in ((1, 8, 8), (64,)):
        x = np.zeros((50, *shape), dtype=np.float32)
        assert isinstance(
            examined(scope_of(predictor(False), clean=x, labels=None, shape=shape)), NotApplicable
        )


def test_changes_in_every_layout():
    x = pictures()[2][:3]
    for change in (
        median,
        lambda x, layout: faded(x, 0.9, layout),
        lambda x, layout: shifted(x, 1, 0, layout),
    ):
        one = change(x, "chw")
        assert np.array_equal(one[:, 0], change(x[:, 0], "hw"))
        assert np.array_equal(one.transpose(0, 2, 3, 1), change(x.transpose(0, 2, 3, 1), "hwc"))
    assert np.array_equal(shifted(x, 1, 0)[:, :, 1:], x[:, :, :-1])
    assert np.array_equal(shifted(x, 0, -1)[..., :-1], x[..., 1:])
    lone = np.zeros((1, 5, 5), dtype=np.float32)
    lone[0, 2, 2] = 1
    assert median(lone).max() == 0
    assert faded(lone, 0.5).mean() == pytest.approx(lone.mean())
