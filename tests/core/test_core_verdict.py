"""The run grades: 1 % for the whole audit, shared by the checks that ran and can flag."""

import pytest

from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.core.verdict import ALPHA, Verdict, exit_code, grade, verdict


def finding(check="a", severity=Severity.LIKELY, p=1e-9):
    return Finding(
        check=check, severity=severity, message="m", targets=("1",), scores=(1.0,), count=1, p_value=p
    )


def clear(check):
    return Clear(check=check, message="m", limit="l")


NOTHING = NotApplicable(check="d", reason="r")
SKIPPED = Skip(check="c", reason="r", remedy="m")


@pytest.mark.parametrize(("times", "severity"), [(1, Severity.LIKELY), (2, Severity.INFO)])
def test_a_check_that_ran_on_several_views_spends_as_often(times, severity):
    results = [finding(p=ALPHA / 1.5)] + [clear("a")] * (times - 1)
    assert grade(results, ["a"] * times)[0].severity is severity


@pytest.mark.parametrize(
    ("results", "severity"),
    [
        ([finding(p=ALPHA)], Severity.LIKELY),
        ([finding(p=ALPHA * 1.01)], Severity.INFO),
        ([finding(p=ALPHA / 2), clear("b")], Severity.LIKELY),
        ([finding(p=ALPHA / 1.9), clear("b")], Severity.INFO),
        # What did not run, or cannot flag, spends nothing of the budget.
        ([finding(p=ALPHA), clear("not graded")], Severity.LIKELY),
        ([finding(p=ALPHA), SKIPPED, NOTHING], Severity.LIKELY),
        # Two findings of one check are one check.
        ([finding(p=ALPHA / 2), finding(p=ALPHA / 2), clear("b")], Severity.LIKELY),
        ([finding(p=None)], Severity.LIKELY),
        ([finding(check="not graded")], Severity.INFO),
        ([finding(check="not graded", p=None)], Severity.INFO),
        ([finding(severity=Severity.INFO)], Severity.INFO),
    ],
)
def test_grade(results, severity):
    assert grade(results, ["a", "b", "c", "d"])[0].severity is severity


def test_grade_keeps_order_and_everything_else():
    results = (clear("b"), finding(p=1.0), NOTHING)
    graded = grade(results, ["a", "b"])
    assert graded[0] is results[0]
    assert graded[2] is NOTHING
    assert graded[1].p_value == 1.0


@pytest.mark.parametrize(
    ("results", "word", "code"),
    [
        ([], Verdict.CLEAN, 0),
        ([clear("a"), NOTHING, finding(severity=Severity.INFO)], Verdict.CLEAN, 0),
        ([clear("a"), SKIPPED], Verdict.INCOMPLETE, 3),
        ([SKIPPED, finding()], Verdict.FLAGGED, 1),
        ([finding(severity=Severity.SUSPICIOUS)], Verdict.FLAGGED, 1),
    ],
)
def test_verdict(results, word, code):
    assert verdict(results) is word
    assert exit_code(word) == code
