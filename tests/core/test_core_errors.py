"""Errors say: expected what, got what, where, what to do."""

import pytest

from mithridate.core.errors import ItemError, MithridateError, ReportError, SourceError, UsageError


@pytest.mark.parametrize("kind", [UsageError, SourceError, ReportError])
def test_usage_errors(kind):
    error = kind("a column", "none", "x.csv", "Name one.")
    assert str(error) == "x.csv: expected a column, got none. Name one."
    assert (error.expected, error.got, error.where, error.remedy) == (
        "a column",
        "none",
        "x.csv",
        "Name one.",
    )
    assert isinstance(error, MithridateError)


def test_item_errors():
    error = ItemError("a/1.png", "truncated")
    assert str(error) == "a/1.png: truncated"
    assert isinstance(error, MithridateError)
    assert not isinstance(error, UsageError)
