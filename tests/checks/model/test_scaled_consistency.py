"""Marked samples among the clean ones are told by answers that do not fade; without them, or the backdoor, silence."""

import numpy as np
import pytest
from digit_models import dotted, marked_ids, predictor, scope_of

from mithridate.checks.model.scaled_consistency import ScaledConsistency, stays
from mithridate.core.results import Clear, Finding, NotApplicable, Severity


def examined(scope):
    (said,) = ScaledConsistency().examine(scope)
    return said


def test_pair():
    found = examined(scope_of(predictor(True), dotted, share=0.08))
    assert isinstance(found, Finding)
    assert (found.severity, found.label) == (Severity.SUSPICIOUS, "7")
    assert found.p_value <= 0.001
    named = set(found.details["samples"])
    assert len(named & marked_ids(0.08)) >= 0.7 * len(named)
    assert found.effect > 0.7
    items = found.exhibits[0].data["items"]
    assert {item["id"] for item in items} <= marked_ids(0.08)
    assert 390 * 11 <= found.details["queries"] <= 400 * 11  # a few are near copies
    for scope in (
        scope_of(predictor(True)),
        scope_of(predictor(False)),
        scope_of(predictor(False), dotted, share=0.08),
    ):
        assert isinstance(examined(scope), Clear)


def test_false_alarms_are_as_rare_as_told():
    """A model that is as sure of wrong answers as of right ones: p-values of 60 such are no smaller than by chance."""
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(60):
        p = rng.dirichlet(np.full(5, 0.3), size=300).astype(np.float32)
        labels = np.where(rng.random(300) < 0.7, p.argmax(axis=1), rng.integers(5, size=300))
        x = rng.random((300, 8, 8), dtype=np.float32)
        scope = scope_of(
            lambda x, p=p: p[: len(x)], clean=x, labels=labels, ids=(), shape=(8, 8), budget=10**6
        )
        said = examined(replaced(scope, p))
        p_values.append(1.0 if said.p_value is None else said.p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def replaced(scope, p):
    """A model that answers with rows of a table, whatever is asked, in order."""
    at = [0]

    def predict(x):
        start = at[0] % len(p)
        at[0] += len(x)
        return p[start : start + len(x)]

    object.__setattr__(scope, "predict", predict)
    return scope


def test_two_classes_whose_names_were_swapped_are_no_trigger():
    scope = scope_of(predictor(False))
    swapped = np.where(scope.labels == 1, 2, np.where(scope.labels == 2, 1, scope.labels))
    assert isinstance(examined(scope_of(predictor(False), labels=swapped)), Clear)


def test_black_and_white_stay_black_and_white():
    asked = []

    def predict(x):
        asked.append((float(x.min()), float(x.max())))
        return np.full((len(x), 2), 0.5, dtype=np.float32)

    x = np.linspace(-1, 3, 40, dtype=np.float32).reshape(10, 2, 2)
    scope = scope_of(predict, clean=x, labels=None, ids=(), shape=(2, 2), low=-1.0, high=3.0)
    said, kept = stays(scope, x)
    assert len(asked) == 11
    assert all(low >= -1.0 and high <= 3.0 for low, high in asked)
    assert set(kept) == {"none", "up", "down"}
    assert (said == 0).all()


@pytest.mark.parametrize("changes", [{"labels": None}, {"budget": 100}, {"clean": None, "labels": None}])
def test_without_labels_samples_or_queries_it_does_not_apply(changes):
    assert isinstance(examined(scope_of(predictor(False), **changes)), NotApplicable)


def test_errors_of_a_model_that_guesses_say_nothing():
    scope = scope_of(predictor(True), dotted, share=0.08)
    labels = np.random.default_rng(0).permutation(scope.labels)
    said = examined(scope_of(predictor(True), dotted, share=0.08, labels=labels))
    assert isinstance(said, NotApplicable)
    assert "right" in said.reason


def views(x, y, said):
    """Clean samples of which one that is taken wrongly and surely comes 15 times, a little brighter each time."""
    wrong = np.flatnonzero(said.argmax(axis=1) != y)
    worst = wrong[np.argmax(said[wrong].max(axis=1))]
    copies = x[[worst] * 15] * np.linspace(0.97, 1, 15, dtype=np.float32)[:, None, None, None]
    return np.concatenate([x, copies]), np.append(y, [y[worst]] * 15)


def test_views_of_one_hard_sample_are_one_error():
    scope = scope_of(predictor(False))
    x, y = views(scope.clean, scope.labels, predictor(False)(scope.clean))
    assert isinstance(examined(scope_of(predictor(False), clean=x, labels=y, ids=())), Clear)


def test_samples_that_are_all_copies_say_nothing():
    scope = scope_of(predictor(False))
    said = examined(scope_of(predictor(False), clean=scope.clean[:20].repeat(20, axis=0)))
    assert isinstance(said, NotApplicable)
    assert "copies" in said.reason
