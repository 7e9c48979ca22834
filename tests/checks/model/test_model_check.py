import numpy as np
import pytest
from model_fakes import host, scope_of

from mithridate.checks.model_check import MODEL_CHECKS, BudgetError
from mithridate.core.errors import UsageError


def test_queries_are_counted_and_bounded():
    scope = scope_of(host, budget=100)
    assert scope.ask(scope.clean[:60]).shape == (60, 5)
    assert (scope.meter.spent, scope.left) == (60, 40)
    with pytest.raises(BudgetError, match="41 queries wanted, 40 of 100 left"):
        scope.ask(scope.clean[:41])
    assert scope.meter.spent == 60


def test_what_is_no_probability_is_refused():
    scope = scope_of(lambda x: np.ones((len(x), 3)))
    with pytest.raises(UsageError, match="rows that sum to 1"):
        scope.ask(scope.clean[:2])


def test_samples_must_fit():
    with pytest.raises(UsageError, match="clean samples of shape"):
        scope_of(host, shape=(3, 8, 8))
    with pytest.raises(UsageError, match="a label for every clean sample"):
        scope_of(host, labels=np.zeros(3, dtype=np.int64))


def test_names_of_classes():
    scope = scope_of(host, classes=("a", "b"))
    assert [scope.class_name(k) for k in (1, 2)] == ["b", "2"]


def test_cards_are_of_this_stage():
    assert all(check.card.stage == "model" and check.card.modalities == ("model",) for check in MODEL_CHECKS)


@pytest.mark.parametrize("name", ["patch-search", "patch-tiling", "probability-range"])
def test_flat_inputs_are_not_for_these(name):
    check = MODEL_CHECKS.get(name)
    (result,) = check().examine(scope_of(host, shape=(784,), clean=False))
    assert type(result).__name__ == "NotApplicable"


@pytest.mark.parametrize("name", ["patch-search", "patch-tiling", "probability-range"])
def test_too_few_queries_are_a_skip(name):
    (result,) = MODEL_CHECKS.get(name)().examine(scope_of(host, budget=150))
    assert type(result).__name__ == "Skip"
    assert result.items == ("fake",)
