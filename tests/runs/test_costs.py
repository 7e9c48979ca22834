"""Costs: passes, seconds and money of a run, beside the forecast for training again."""

import pytest

from mithridate.core.errors import UsageError
from mithridate.runs.costs import Costs, refuse_numbers


def test_the_forecast_goes_at_the_pace_of_the_run():
    costs = Costs(passes=1000, busy=10.0, whole=18.0, again=50_000, price=7.2)
    assert costs.forecast == 500.0
    assert costs.told() == {
        "seconds": 18.0, "money": pytest.approx(0.036), "price_per_hour": 7.2,
        "retraining": {"passes": 50_000, "seconds": 500.0, "money": pytest.approx(1.0), "each_epoch": False},
    }  # fmt: skip
    table = costs.exhibit().data
    assert table["columns"][-1] == "money, at 7.2 an hour"
    assert [row[1:] for row in table["rows"]] == [
        ["1,000", "10 s", "0.02"],
        ["", "18 s", "0.036"],
        ["50,000", "500 s", "1"],
    ]
    assert table["rows"][2][0] == "training again on the rest (forecast)"


def test_without_a_price_nothing_is_said_of_money():
    costs = Costs(passes=1000, busy=1.0, whole=1.5, again=2000.0, each=True)
    assert costs.money(100.0) is None
    assert costs.told()["money"] is None
    table = costs.exhibit().data
    assert all(len(row) == len(table["columns"]) == 3 for row in table["rows"])
    assert table["rows"][2][0].endswith(", each epoch (forecast)")


@pytest.mark.parametrize(
    "costs", [Costs(passes=10, busy=1.0, whole=1.0, price=1.0), Costs(passes=0, busy=0.0, whole=1.0)]
)
def test_an_unknown_training_has_no_forecast(costs):
    assert costs.forecast is None
    assert costs.told()["retraining"]["money"] is None
    assert len(costs.exhibit().data["rows"]) == 2


def test_what_is_training_again_itself_has_no_forecast_but_its_figures():
    costs = Costs(passes=100, busy=2.0, whole=9.0, again=100, exact=True, price=3600.0)
    assert len(costs.exhibit().data["rows"]) == 2
    assert costs.told()["retraining"]["money"] == 2.0


@pytest.mark.parametrize(
    ("trained", "price", "says"),
    [
        (None, 0.0, "--price-per-hour"),
        (None, -1.0, "--price-per-hour"),
        (None, float("nan"), "--price-per-hour"),
        (None, float("inf"), "--price-per-hour"),
        (float("inf"), 1.0, "--trained"),
        (float("nan"), None, "--trained"),
        (0.0, None, "--trained"),
    ],
)
def test_what_is_no_number_of_these(trained, price, says):
    with pytest.raises(UsageError, match=says):
        refuse_numbers(trained, price)
    refuse_numbers(None, None)
    refuse_numbers(1, 0.01)


def test_a_repair_by_candidates_counts_what_belongs_together():
    from mithridate.repairs.base import Passes
    from mithridate.runs.heal.candidates import Candidate
    from mithridate.runs.heal.page import _costs

    one = Candidate(method="a", module=object(), passes=Passes(forward=400, backward=400), seconds=2.0)
    two = Candidate(method="b", module=object(), passes=Passes(forward=300, backward=0), seconds=1.0)
    failed = Candidate(method="c", why="it failed", passes=Passes(forward=900, backward=900))
    costs = _costs([one, two, failed], Passes(forward=2100, backward=1900), 5000.0, 3600.0, 30.0)
    assert costs.passes == 500.0
    assert costs.exhibit().data["rows"][1][1] == "1,967"
    assert costs.forecast == 30.0
    assert costs.told()["retraining"]["money"] == pytest.approx(30.0)
    assert costs.told()["money"] == pytest.approx(30.0)


def test_a_method_that_was_not_used_tells_why_in_full():
    from mithridate.repairs.base import Passes
    from mithridate.runs.heal.candidates import Candidate
    from mithridate.runs.heal.page import _unused

    why = "it needs layers of normalisation over a batch, of which this model has none; " * 3
    used = Candidate(method="a", module=object(), passes=Passes())
    (exhibit,) = _unused([used, Candidate(method="b", why=why, passes=Passes())])
    assert [(item["id"], item["text"]) for item in exhibit.data["items"]] == [("b", why)]
    assert _unused([used]) == []
