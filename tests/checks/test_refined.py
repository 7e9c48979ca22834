"""Findings whose carriers share more than a key: victims without it are named, innocents with it are not."""

from types import SimpleNamespace

import numpy as np
import pytest

from mithridate.checks.refined import refined
from mithridate.checks.tally import Suspect
from mithridate.evidence.view import Shared

N, LABEL = 400, 0
LABELS = np.arange(N) % 4
OWN = np.flatnonzero(LABELS == LABEL)
VICTIMS, INNOCENTS = OWN[:20], OWN[20:23]  # the latter carry the key by chance


def leave_out(rows):
    """Content says that victims are of another class and is sure of it."""
    wrong = np.isin(rows, VICTIMS)
    return np.where(wrong[:, None], [[-3.0, 3.0, 0.0, 0.0]], [[3.0, -3.0, 0.0, 0.0]]).astype(np.float32)


def shared(rates):
    return Shared(
        rows=OWN,
        rates=np.asarray(rates, dtype=float),
        places=np.column_stack([OWN * 10, np.zeros_like(OWN)]),
        details={"hz": [1000.0, 1010.0], "seconds": 0.1},
    )


def suspects(rows):
    of_one = Suspect(family="tone", key=7, label=LABEL, log10_p=-8.0, effect=0.8, rows=rows, bearers=rows)
    weaker = Suspect(
        family="tone", key=8, label=LABEL, log10_p=-7.0, effect=0.8, rows=rows[1:], bearers=rows[1:]
    )
    return [of_one, weaker]


def scope(found, **more):
    asked = []

    def refine(key, rows):
        asked.append((key, rows.tolist()))
        return found

    tables = {"tone": SimpleNamespace(refine=refine)}
    sizes = np.bincount(LABELS)
    return SimpleNamespace(**{"tables": tables, "sizes": sizes, "leave_out": leave_out} | more), asked


CARRIERS = np.sort(np.concatenate([VICTIMS[:12], INNOCENTS]))


def test_victims_without_the_key_are_named_and_innocents_with_it_are_not():
    rates = np.where(np.isin(OWN, VICTIMS), 1e-4, 0.3)
    made, asked = scope(shared(rates))
    for suspect in refined(made, suspects(CARRIERS)):
        assert suspect.named.rows.tolist() == VICTIMS.tolist()
        assert suspect.named.places[:, 0].tolist() == (VICTIMS * 10).tolist()
        assert suspect.named.doubts.max() < 0.05
    assert asked == [(7, CARRIERS.tolist())]  # once for one thing


def test_both_witnesses_count():
    """Faint in a sample whose content objects is enough, and faint in one whose content does not is not."""
    rates = np.full(len(OWN), 0.02)
    rates[np.isin(OWN, VICTIMS[:12])] = 1e-5
    named = refined(scope(shared(rates))[0], suspects(CARRIERS))[0].named
    assert named.rows.tolist() == VICTIMS.tolist()
    rates[50] = 1e-9  # so clear that content may say what it likes
    named = refined(scope(shared(rates))[0], suspects(CARRIERS))[0].named
    assert OWN[50] in named.rows


def lost():
    """The carriers themselves are not heard."""
    return shared(np.where(np.isin(OWN, VICTIMS[:4]), 1e-6, 0.5))


@pytest.mark.parametrize(
    "made",
    [
        scope(None)[0],
        scope(lost())[0],
        scope(shared(np.full(len(OWN), 0.5)))[0],
        scope(lost(), leave_out=None)[0],
    ],
    ids=["nothing shared", "not heard again", "heard nowhere", "no content"],
)
def test_a_finding_stays_as_it_was(made):
    before = suspects(CARRIERS)
    assert all(a is b for a, b in zip(refined(made, before), before, strict=True))


def test_families_that_know_no_more_stay_as_they_were():
    before = suspects(CARRIERS)
    made = SimpleNamespace(
        tables={"tone": SimpleNamespace(refine=None)}, sizes=np.bincount(LABELS), leave_out=leave_out
    )
    assert all(a is b for a, b in zip(refined(made, before), before, strict=True))


def test_nothing_found_stays_nothing():
    assert refined(scope(shared(np.full(len(OWN), 1e-9)))[0], []) == []
