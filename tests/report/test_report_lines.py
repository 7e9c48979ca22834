"""Plots of shares: coordinates, legend, and what cannot be drawn is left out."""

import pytest

from mithridate.core.results import Exhibit
from mithridate.report.lines import lines
from mithridate.report.page import environment, sound

DATA = {
    "across": "t <b>",
    "places": [0, 0.5, 1],
    "lines": [{"name": "error", "values": [0, 0.5, 1]}, {"name": "success <i>", "values": [1, 0, 2]}],
}


def test_coordinates():
    plot = lines(DATA)
    assert plot.lines[0].points == "44.0,124.0 175.0,69.0 306.0,14.0"
    assert plot.lines[1].points.endswith("306.0,14.0")  # cut to 100 %
    assert [label for _, label in plot.ticks] == ["0", "0.5", "1"]
    assert plot.lines[1].told == "0: 100%, 0.5: 0%, 1: 100%"


def test_drawn_and_escaped():
    template = environment().from_string('{% import "macros.html.j2" as m with context %}{{ m.exhibit(e) }}')
    drawn = template.render(e=Exhibit(kind="lines", title="Along <x>", data=DATA))
    assert drawn.count("<polyline") == 4
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    assert "Along <x>" not in drawn


@pytest.mark.parametrize(
    "change",
    [
        {"places": [0, 1]}, {"places": [0]}, {"places": [0, 0, 1]}, {"places": [1, 0.5, 0]},
        {"places": [0, float("nan"), 1]}, {"lines": []}, {"lines": [{"name": "a", "values": [0, None, 1]}]},
        {"lines": [{"values": [0, 0, 0]}]}, {"lines": 3}, {"places": list(range(1000))},
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_left_out(change):
    assert sound(Exhibit(kind="lines", title="x", data=DATA))
    assert not sound(Exhibit(kind="lines", title="x", data={**DATA, **change}))
