"""What counts as gone, and as sure, beside the mistakes that a model makes anyway."""

import pytest

from mithridate.core.verdict import Verdict
from mithridate.runs.forget.measuring import verdict_of
from mithridate.runs.forget.removed import Removed


def removed(named, held, usual=0.0, unlike=1000, **more):
    told = {"accuracy": 0.9, "classes": {}, "finite": True, "answers": ()} | more
    return Removed(named=named, held=held, usual=usual, unlike=unlike, **told)


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (removed(0.0, 60), Verdict.HEALED),
        (removed(0.0, 10), Verdict.NOT_PROVEN),  # too few
        (removed(0.14, 250, usual=0.14), Verdict.HEALED),  # such mistakes are made anyway
        (removed(0.14, 250, usual=0.02), Verdict.NOT_PROVEN),
        (removed(0.14, 250, usual=0.14, unlike=10), Verdict.NOT_PROVEN),  # or not
        (removed(0.14, 250, usual=0.0, unlike=0), Verdict.NOT_PROVEN),
        (removed(0.07, 5000, usual=0.05, unlike=9000), Verdict.NOT_PROVEN),  # little, but beyond chance
        (removed(0.9, 250, usual=0.14), Verdict.NOT_PROVEN),
        (removed(0.0, 60, accuracy=0.8), Verdict.WORSE),
        (removed(0.0, 60, finite=False), Verdict.WORSE),
    ],
)
def test_verdicts(after, verdict):
    assert verdict_of(removed(1.0, after.held, after.usual, 1000), after, 0.02) is verdict


def test_nothing_was_taught():
    assert (
        verdict_of(removed(0.14, 250, usual=0.14), removed(0.1, 250, usual=0.14), 0.02) is Verdict.NOT_PROVEN
    )


def test_the_limit_is_that_of_newcombe(monkeypatch):
    """His example (a), method 10: 56/70 less 48/80, limits 0.0524 and 0.3339 at 95 % from both sides."""
    monkeypatch.setattr("mithridate.runs.forget.removed._QUANTILE", 1.96)
    assert removed(56 / 70, 70, usual=48 / 80, unlike=80).above == pytest.approx(0.3339, abs=1e-4)
