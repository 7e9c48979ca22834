"""Nearness to the incident: a heap of moved samples stands apart, an even crowd does not, however few they are."""

import numpy as np
import pytest

from mithridate.checks.trace.near_incident import NearIncident
from mithridate.checks.trace_check import Heads, TraceScope
from mithridate.evidence.trait import Level
from mithridate.models.levels import LAST

WIDTH = 16


def groups(same, incidents, content=None):
    """What the check proposes and holds for a group."""
    others = np.random.default_rng(1).standard_normal((50, same.shape[1]))
    level = Level(name=LAST, same=same, others=others, incidents=incidents, content=content)
    head = Heads(
        same=same, incidents=incidents, same_logits=np.zeros((len(same), 3)),
        incident_logits=np.zeros((len(incidents), 3)),
    )  # fmt: skip
    scope = TraceScope(answer=0, levels=(level,), heads=(head,), kinds=np.zeros(50, dtype=np.intp))
    return [split for split in NearIncident().split(scope) if split.apart]


@pytest.mark.parametrize("incidents", [1, 3])
def test_samples_moved_to_an_incident_stand_apart(incidents):
    draw = np.random.default_rng(0)
    same, wrong = draw.standard_normal((100, WIDTH)), 2 * draw.standard_normal((incidents, WIDTH))
    same[:12] = wrong[0] + 0.2 * draw.standard_normal((12, WIDTH))
    (group,) = groups(same, wrong)
    assert sorted(group.members.tolist()) == list(range(12))


@pytest.mark.parametrize("count", [7, 10, 20, 60, 300])
def test_an_even_crowd_has_no_heap(count):
    draw = np.random.default_rng(count)
    found = [
        groups(draw.standard_normal((count, WIDTH)), 1.5 * draw.standard_normal((1, WIDTH)))
        for _ in range(40)
    ]
    assert sum(map(len, found)) <= 1


def test_what_says_nothing_is_no_group():
    assert not groups(np.ones((30, WIDTH)), np.ones((1, WIDTH)))
    rest = (np.zeros((100, 2)), np.zeros((50, 2)))
    same = np.random.default_rng(0).standard_normal((100, WIDTH))
    same[:12] = 5.0
    assert not groups(same, np.full((1, WIDTH), 5.0), content=rest)
