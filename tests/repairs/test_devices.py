"""Every repair gives the same weights on another device than the CPU; whoever forgets a device is found out."""

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from tests.repairs.backdoored import trained  # noqa: E402
from tests.repairs.elsewhere import NAME, THERE, Elsewhere, elsewhere  # noqa: E402
from tests.repairs.test_repairs import ALL, scope, stamp  # noqa: E402

from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.models.devices import known_devices, named_device, shortened  # noqa: E402
from mithridate.repairs.base import REPAIRS, Known  # noqa: E402
from mithridate.triggers.forms import form_of  # noqa: E402
from mithridate.triggers.inversion import Aim, Pool, Round, invert  # noqa: E402
from mithridate.triggers.waves import lowest_waves  # noqa: E402

torch.set_num_threads(1)


def there(thing):
    """The same on the other device."""
    return tuple(there(t) for t in thing) if isinstance(thing, tuple) else thing.to(NAME)


@pytest.mark.parametrize("method", ALL)
def test_a_repair_gives_the_same_weights_on_another_device(method):
    given = scope(passes=1200)
    here = REPAIRS.get(method)().heal(deepcopy(trained(True)), given)
    with elsewhere():
        far = scope(
            passes=1200, x=there(given.x), y=there(given.y), held=there(given.held), flagged=there(given.flagged),
            known=(Known(name="stamp", put=stamp, target=0),),
        )  # fmt: skip
        healed = REPAIRS.get(method)().heal(deepcopy(trained(True)).to(NAME), far)
        assert {type(value.data) for value in healed.parameters()} == {Elsewhere}
        weights = {name: value.cpu() for name, value in healed.state_dict().items()}
    assert all(torch.equal(value, weights[name]) for name, value in here.state_dict().items())


@pytest.mark.parametrize("name", ["patch", "blend", "warp"])
def test_triggers_are_recovered_on_another_device(name):
    given, form = scope(), form_of(name, (1, 16, 16), 0.0, 1.0)
    schedule = (Round(1.0, 4, 6, 0.3), Round(2, 8, 4, 0.3))

    def found(module, x, y):
        aims = [Aim(k) for k in range(4)]
        return invert(
            module, Pool(x, y, 10), aims, form, schedule=schedule, half=False, anew=0, settled_on=40
        )

    here = found(trained(True), given.x, given.y)
    with elsewhere():
        far = found(deepcopy(trained(True)).to(NAME), there(given.x), there(given.y))
    assert [(f.size, f.rate, f.round) for f in far] == [(f.size, f.rate, f.round) for f in here]


def test_waves_are_recovered_on_another_device(monkeypatch):
    monkeypatch.setattr("mithridate.triggers.waves.shortened", lambda x: torch.no_grad())
    monkeypatch.setattr("mithridate.triggers.waves._CYCLES", 3)
    given = scope()
    here = lowest_waves(trained(True), Pool(given.x, given.y, 10), 0.0, 1.0, 0)
    with elsewhere():
        far = Pool(there(given.x), there(given.y), 10)
        assert lowest_waves(deepcopy(trained(True)).to(NAME), far, 0.0, 1.0, 0) == here


@pytest.mark.parametrize(
    "forgets",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3)[x > 0],
        lambda x: torch.stack([x, torch.ones(3)]),
        lambda x: torch.zeros(3).copy_(x) * x,
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
        lambda x: x.numpy(),
        lambda x: torch.randn(3, device=x.device),
        lambda x: torch.rand_like(x),
    ],
)
def test_the_device_is_strict(forgets):
    with elsewhere():
        x = torch.ones(3).to(NAME)
        with pytest.raises((AssertionError, RuntimeError, TypeError), match=r"device|numpy"):
            forgets(x)


def test_what_a_device_knows():
    with elsewhere():
        x = torch.tensor([1.0, 2.0, 3.0], device=THERE)
        assert (x[torch.tensor([0, 2])] * 2).tolist() == [2.0, 6.0]
        assert (x + torch.zeros(3, device=x.device)).cpu().numpy().tolist() == [1.0, 2.0, 3.0]


def test_a_device_that_is_not_here_is_refused():
    assert named_device("cpu").type == "cpu"
    assert known_devices()[0] == "cpu"
    with pytest.raises(UsageError, match=r"a device that torch has here \(cpu"):
        named_device("nowhere")
    with pytest.raises(UsageError, match="--device"):
        named_device(f"cuda:{torch.cuda.device_count()}")


def test_arithmetic_is_shortened_where_torch_knows_how():
    x = torch.ones(2, 2)
    with shortened(x):
        assert (x @ x).dtype == torch.bfloat16
    with shortened(x, on=False):
        assert (x @ x).dtype == torch.float32
    with elsewhere():
        y = x.to(NAME)
        with shortened(y):
            assert (y @ y).dtype == torch.float32
