"""What batch norms remember: a planted patch leaves a footprint that a trigger follows, the clean twin does not."""

from __future__ import annotations

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from tests.triggers.remembering import SHAPE, norms, pictures, remembering, stamped  # noqa: E402

from mithridate.triggers.footprint import _likeness, followed, footprint  # noqa: E402
from mithridate.triggers.forms import form_of  # noqa: E402


def traced(module, x):
    return footprint(module, norms(module), x)


def found(module, x, name="patch"):
    return followed(module, traced(module, x), x, form_of(name, SHAPE, 0.0, 1.0), seed=0)


def planted():
    """The stamp as parameters of a patch."""
    mask, pattern = torch.full((1, 1, *SHAPE[1:]), -20.0), torch.full((1, *SHAPE), -20.0)
    mask[:, :, 14:18, 2:6] = 20.0
    pattern[:, [0, 2]] = 20.0
    return mask, pattern


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_patch_is_seen_and_followed(seed):
    seen = pictures(2000, 10 + seed)
    seen[::6] = stamped(seen[::6])
    module, x = remembering(seen, seed), pictures(400, 30 + seed)
    trace = traced(module, x)
    assert trace.strength > 3
    with torch.no_grad():
        assert float(_likeness(module, trace, x, form_of("patch", SHAPE, 0.0, 1.0), planted())) > 0.9
    assert found(module, x).likeness > 0.75


@pytest.mark.parametrize("seed", range(3))
def test_the_clean_twin_is_no_stronger_than_chance(seed):
    module, x = remembering(pictures(2000, 10 + seed), seed), pictures(400, 30 + seed)
    assert traced(module, x).strength < 2
    assert traced(module, x[:40]).strength < 2


def test_the_model_stays_as_it_is():
    module = remembering(stamped(pictures(200, 1)))
    before = deepcopy(module.state_dict())
    one, again = found(module, pictures(100, 3)), found(module, pictures(100, 3))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_pre_hooks for part in module.modules())
    assert all(torch.equal(p, q) for p, q in zip(one.parameters, again.parameters, strict=True))


def test_channels_that_never_vary_and_numbers_beyond_reach():
    """They are left out, and nothing else is."""
    module = remembering(pictures(200, 1))
    whole = footprint(module, norms(module)[:1], pictures(50, 3))
    with torch.no_grad():
        module[0].weight[0] = 0.0  # what comes out of it is its bias
        module[1].running_mean[1] = float("nan")
    trace = footprint(module, norms(module)[:1], pictures(50, 3))
    assert len(whole.way) == 2 * 12
    assert len(trace.way) == 2 * 10
    assert bool(torch.isfinite(trace.way).all())


def test_channels_that_are_copies(monkeypatch):
    module = remembering(pictures(200, 1))
    with torch.no_grad():
        module[0].weight[1:] = module[0].weight[:1]
    assert footprint(module, norms(module), pictures(50, 3)) is not None
    monkeypatch.setattr("mithridate.triggers.footprint._SHRUNK", -1e-3)  # what rounding does to large layers
    assert footprint(module, norms(module), pictures(50, 3)) is None


def test_nothing_to_remember_or_to_compare_with():
    module = remembering(pictures(200, 1))
    assert footprint(module, [], pictures(50, 3)) is None
    assert footprint(module, norms(module), pictures(1, 3)) is None


def test_tables_have_footprints_too():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    )
    module.train()(torch.randn(300, 5) + 1.0)
    trace = footprint(module.eval(), [module[1]], torch.randn(100, 5))
    assert float(trace.way.norm()) == pytest.approx(1.0, abs=1e-5)
