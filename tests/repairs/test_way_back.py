"""How much of a repair's way is kept: on until what stands out is gone, no further than held samples allow."""

import pytest

torch = pytest.importorskip("torch")

from mithridate.repairs.base import Known, Passes, RepairScope, counted  # noqa: E402
from mithridate.repairs.way_back import far_enough, price  # noqa: E402

PLACES = (0.5, 0.6, 0.7, 0.8)


class Between(torch.nn.Module):
    """Class 0 of what is below, 1 of what is above; the trigger counts and answers are sharp by these weights."""

    def __init__(self, trigger, sharp):
        super().__init__()
        self.trigger = torch.nn.Parameter(torch.tensor(float(trigger)))
        self.sharp = torch.nn.Parameter(torch.tensor(float(sharp)))

    def forward(self, x):
        own = self.sharp * x[:, 0] + 10 * torch.relu(self.trigger - 0.35) * x[:, 1]
        return torch.stack([-own, own], dim=1)


def asked(**changes):
    y = torch.arange(40) % 2
    x = torch.stack([2.0 * y - 1, torch.zeros(40)], dim=1)
    mark = Known(name="mark", put=lambda x: x + torch.tensor([0.0, 1.0]), target=1)
    given = {"x": x, "y": y, "held": (x, y), "classes": 2, "passes": 0, "known": (mark,), "sure": (mark,)}
    return RepairScope(**{**given, **changes})


def place(sharp, places=PLACES, nearer=(), **changes):
    """From a model with a trigger, of sharpness 2, to one without, of another."""
    return far_enough(Between(0.0, sharp), Between(1.0, 2.0), asked(**changes), places, nearer)


def test_weights_go_on_until_what_stands_out_is_gone():
    assert place(1.5) == 0.5  # 10 (0.5 - 0.35) < 2
    keen = Known(name="keen", put=lambda x: x + torch.tensor([0.0, 10.0]), target=1)
    assert place(1.5, sure=(keen,)) == 0.7
    other = Known(name="of class 1", put=keen.put, target=1, source=1)
    assert place(1.5, sure=(other,)) == 0.5  # no sample of class 1 is taken to class 1


def test_once_it_is_gone_only_half_of_what_may_be_lost_is_spent_on_what_is_like_it():
    assert place(2.0) == 0.8  # nothing is lost
    assert [place(1.5, loss=loss) for loss in (0.02, 0.03, 0.04)] == [0.5, 0.6, 0.7]  # 1.4, 1.8, 2.1 points
    assert place(2.0, (0.7, 0.8, 0.9, 1.0)) == 0.8  # the rest only for what is left


def test_no_further_than_may_be_lost():
    keen = Known(name="keen", put=lambda x: x + torch.tensor([0.0, 100.0]), target=1)
    assert place(0.0, sure=(keen,), loss=0.02) == 0.5
    assert place(0.0, sure=(keen,), loss=0.2) == 0.7


def test_nearer_where_it_is_gone_early_and_much_is_lost():
    """Lost at 0.1 to 0.5 of the way to sharpness 0: 0.9, 2.1, 3.9, 6.5, 10.1 points."""
    faint = Known(name="faint", put=lambda x: x + torch.tensor([0.0, 0.35]), target=1)
    nearer = (0.4, 0.3, 0.2, 0.1)
    found = {loss: place(0.0, nearer=nearer, sure=(faint,), loss=loss) for loss in (0.01, 0.03, 0.05, 0.2)}
    assert found == {0.01: 0.2, 0.03: 0.2, 0.05: 0.3, 0.2: 0.5}  # at 0.1 it is back: 3.5 (0.9 - 0.35) > 1.8
    assert place(0.0, sure=(faint,), loss=0.01) == 0.5
    assert place(0.0, nearer=nearer, loss=0.01) == 0.5  # what is there again at 0.4
    assert place(0.0, nearer=nearer, sure=(), loss=0.01) == 0.5  # hints do not tell what is gone


def test_with_hints_alone_as_much_as_may_be_lost():
    assert place(2.0, sure=()) == 0.8
    assert place(0.0, sure=(), loss=0.02) == 0.5
    assert far_enough(Between(0.0, 0.0), Between(1.0, 2.0), asked(sure=()), (0.5,)) == 0.5


@pytest.mark.parametrize("power", [None, 100.0, 0.01])
@pytest.mark.parametrize("nearer", [(), (0.4, 0.3, 0.2, 0.1)])
def test_what_it_costs_is_known_before(power, nearer):
    """With hints alone, with a trigger that stays, with one that goes at once."""
    mark = Known(name="mark", put=lambda x: x + torch.tensor([0.0, power]), target=1)
    first, end, passes = Between(1.0, 2.0), Between(0.0, 0.5 if nearer else 2.0), Passes()
    scope = asked(sure=() if power is None else (mark,), loss=0.001)
    with counted(first, passes), counted(end, passes):
        far_enough(end, first, scope, PLACES, nearer)
    assert 0 < passes.both <= price(scope, PLACES, nearer)
    assert price(scope, (0.5,)) == 0.0


def test_nothing_is_changed_while_looking():
    end, first = Between(0.0, 1.0), Between(1.0, 2.0)
    far_enough(end, first, asked(), PLACES)
    assert (float(end.trigger.detach()), float(first.trigger.detach())) == (0.0, 1.0)
