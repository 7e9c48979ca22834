"""Hints from what batch norms remember: clear where poison was among the training data, not in the clean twin."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from tests.triggers.remembering import network, pictures, remembering, stamped  # noqa: E402

from mithridate.repairs.base import Known  # noqa: E402
from mithridate.runs.heal.one_class import ONE_CLASS  # noqa: E402
from mithridate.runs.heal.remembered import remembered  # noqa: E402
from mithridate.runs.heal.surrogate import Subject, Surrogate  # noqa: E402
from mithridate.runs.heal.surrogates import Recovered, recovered  # noqa: E402
from mithridate.triggers.forms import form_of  # noqa: E402
from mithridate.triggers.inversion import Pool  # noqa: E402


def subject(module, made=pictures):
    def pool(x):
        with torch.no_grad():
            return Pool(x, module(x).argmax(1), 4)

    return Subject(
        module=module, learn=pool(made(400, 30)), held=pool(made(120, 31)), names=tuple("abcd"), low=0.0,
        high=1.0, seed=0,
    )  # fmt: skip


def poisoned():
    seen = pictures(2000, 10)
    seen[::6] = stamped(seen[::6])
    return remembering(seen)


def test_poison_is_remembered_and_proves_nothing():
    found, clear = remembered(subject(poisoned()), {"warp": dict.fromkeys(range(4), 9.0)})
    assert clear
    assert {s.form for s in found} <= {"patch", "blend"}
    assert all(s.remembered for s in found)
    assert not any(s.odd for s in found)
    whole = Recovered(triggers=found, sizes={}, clear=clear)
    assert [known.hint for known in whole.unwanted] == [True] * len(found)
    assert whole.sure == ()


def test_the_clean_twin_remembers_nothing_clear():
    assert not remembered(subject(remembering(pictures(2000, 10))), {})[1]


def test_a_model_without_batch_norms():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1200, 4)).eval()
    assert remembered(subject(module), {}) == ([], False)


def test_other_hints_are_left_out_where_it_is_clear(monkeypatch):
    """Also those of one class, and waves are not even tried."""
    place = "mithridate.runs.heal.surrogates."
    known = Known(name="pair", put=lambda x: x, target=1, source=0)
    hint = Surrogate(known=known, before=1.0, size=1.0, others=float("nan"), unit="pixels", form=ONE_CLASS)
    monkeypatch.setattr(place + "_waves", lambda _: pytest.fail("waves were tried"))
    monkeypatch.setattr(place + "_FORMS", ())
    monkeypatch.setattr(place + "patches_on_one_class", lambda _: ([hint], {}))
    whole = recovered(subject(poisoned()))
    names = [s.known.name for s in whole.triggers if s.remembered]
    assert whole.clear
    assert names
    assert [one.name for one in whole.unwanted] == names
    assert "pair" in [one.name for one in replace(whole, clear=False).unwanted]


def grainy(count, seed):
    """(count, 3, 20, 20) grain, one of four colours beneath."""
    draw = torch.Generator().manual_seed(seed)
    colours = torch.tensor([[0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.2], [0.2, 0.2, 0]])
    grain = 0.8 * torch.rand(count, 3, 20, 20, generator=draw)
    return grain + colours[torch.arange(count) % 4, :, None, None]


def warped(x):
    """By up to a pixel and a half, the same for all."""
    form = form_of("warp", (3, 20, 20), 0.0, 1.0)
    return form.put((1.5 * torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(3)),), x[None])[0]


def taught(share):
    """A network that learnt the four colours, and that pictures which are warped are of the third."""
    x, y, module = grainy(1200, 1), torch.arange(1200) % 4, network()
    bad = int(share * len(x))
    x, y = torch.cat([warped(x[:bad]), x[bad:]]), torch.cat([torch.full((bad,), 2), y[bad:]])
    optimiser = torch.optim.Adam(module.parameters(), 0.01)
    draw = torch.Generator().manual_seed(0)
    for _ in range(8):
        for rows in torch.randperm(len(x), generator=draw).split(60):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimiser.step()
    return module.eval()


@pytest.mark.parametrize(("share", "works"), [(0.3, True), (0.15, False)])
def test_a_warp_that_was_trained_on_is_unlearnt_alone(share, works):
    """As a hint where it does not work on most pictures."""
    usual = {"warp": dict.fromkeys(range(4), 9.0)}
    found, clear = remembered(subject(taught(share), grainy), usual)
    (warp,) = (s for s in found if s.form == "warp")
    assert clear
    assert warp.known.target == 2
    assert (warp.before >= 0.8, warp.odd) == (works, works)
    whole = Recovered(triggers=found, sizes=usual, clear=clear)
    assert [(known.put, known.rough, known.hint) for known in whole.unwanted] == [
        (warp.known.put, True, not works)
    ]
    assert len(whole.sure) == works


def test_no_warp_in_the_clean_twin():
    assert not [s for s in remembered(subject(taught(0.0), grainy), {})[0] if s.form == "warp"]
