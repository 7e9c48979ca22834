"""Hints from what batch norms remember: clear where poison was among the training data, not in the clean twin."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from tests.triggers.remembering import pictures, remembering, stamped  # noqa: E402

from mithridate.repairs.base import Known  # noqa: E402
from mithridate.runs.heal.one_class import ONE_CLASS  # noqa: E402
from mithridate.runs.heal.remembered import REMEMBERED, remembered  # noqa: E402
from mithridate.runs.heal.surrogate import Subject, Surrogate  # noqa: E402
from mithridate.runs.heal.surrogates import Recovered, recovered  # noqa: E402
from mithridate.triggers.inversion import Pool  # noqa: E402


def subject(module):
    def pool(x):
        with torch.no_grad():
            return Pool(x, module(x).argmax(1), 4)

    return Subject(
        module=module, learn=pool(pictures(400, 30)), held=pool(pictures(120, 31)), names=tuple("abcd"), low=0.0,
        high=1.0, seed=0,
    )  # fmt: skip


def poisoned():
    seen = pictures(2000, 10)
    seen[::6] = stamped(seen[::6])
    return remembering(seen)


def test_poison_is_remembered_and_proves_nothing():
    found, clear = remembered(subject(poisoned()))
    assert clear
    assert {s.form for s in found} == {REMEMBERED}
    assert not any(s.odd for s in found)
    whole = Recovered(triggers=found, sizes={}, clear=clear)
    assert [known.hint for known in whole.unwanted] == [True] * len(found)
    assert whole.sure == ()


def test_the_clean_twin_remembers_nothing_clear():
    assert not remembered(subject(remembering(pictures(2000, 10))))[1]


def test_a_model_without_batch_norms():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1200, 4)).eval()
    assert remembered(subject(module)) == ([], False)


def test_other_hints_are_left_out_where_it_is_clear(monkeypatch):
    """Also those of one class, and waves are not even tried."""
    place = "mithridate.runs.heal.surrogates."
    known = Known(name="pair", put=lambda x: x, target=1, source=0)
    hint = Surrogate(known=known, before=1.0, size=1.0, others=float("nan"), unit="pixels", form=ONE_CLASS)
    monkeypatch.setattr(place + "_waves", lambda _: pytest.fail("waves were tried"))
    monkeypatch.setattr(place + "_FORMS", ())
    monkeypatch.setattr(place + "patches_on_one_class", lambda _: ([hint], {}))
    whole = recovered(subject(poisoned()))
    names = [s.known.name for s in whole.triggers if s.form == REMEMBERED]
    assert whole.clear
    assert names
    assert [one.name for one in whole.unwanted] == names
    assert "pair" in [one.name for one in replace(whole, clear=False).unwanted]
