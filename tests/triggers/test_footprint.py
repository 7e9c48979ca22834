"""What batch norms remember: a planted patch leaves a footprint that a trigger follows, the clean twin does not."""

from __future__ import annotations

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from mithridate.triggers.footprint import followed, footprint  # noqa: E402
from mithridate.triggers.forms import form_of  # noqa: E402

_SHAPE, _PLACE = (3, 20, 20), (slice(None), slice(None), slice(14, 18), slice(2, 6))


def pictures(count, seed):
    """(count, 3, 20, 20) soft blobs in [0, 1]."""
    draw = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 5, 5, generator=draw)
    return torch.nn.functional.interpolate(small, size=_SHAPE[1:], mode="bilinear")


def stamped(x):
    x = x.clone()
    x[_PLACE] = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)
    return x


def network(seed=0):
    torch.manual_seed(seed)
    layers = []
    for inside, outside in ((3, 12), (12, 16), (16, 16)):
        layers += [
            torch.nn.Conv2d(inside, outside, 3, padding=1),
            torch.nn.BatchNorm2d(outside),
            torch.nn.ReLU(),
        ]
    return torch.nn.Sequential(
        *layers, torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 4)
    )


def remembering(seen, seed=0):
    """A network whose batch norms have seen these samples, and nothing else."""
    module = network(seed)
    for part in norms(module):
        part.momentum = None  # an average over all batches
    module.train()
    with torch.no_grad():
        for _ in range(4):  # what deeper layers see settles with the statistics of those before them
            for part in norms(module):
                part.reset_running_stats()
            for some in seen.split(200):
                module(some)
    return module.eval()


def norms(module):
    return [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]


def found(module, x, name="patch"):
    trace = footprint(module, norms(module), x)
    return followed(module, trace, x, form_of(name, _SHAPE, 0.0, 1.0), seed=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_patch_is_followed_to_its_place(seed):
    seen = pictures(2000, 1)
    seen[:100] = stamped(seen[:100])
    seen = seen[torch.randperm(2000, generator=torch.Generator().manual_seed(2))]
    one = found(remembering(seen, seed), pictures(400, 3))
    mask = one.parameters[0].sigmoid()
    assert one.likeness > 0.85
    assert float(mask[_PLACE].mean()) > 4 * float(mask.mean())


@pytest.mark.parametrize("name", ["patch", "blend"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_clean_twin_leaves_nothing_to_follow(seed, name):
    assert found(remembering(pictures(2000, 1), seed), pictures(400, 3), name).likeness < 0.75


def test_the_model_stays_as_it_is():
    module = remembering(stamped(pictures(200, 1)))
    before = deepcopy(module.state_dict())
    one, again = found(module, pictures(100, 3)), found(module, pictures(100, 3))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_pre_hooks for part in module.modules())
    assert all(torch.equal(p, q) for p, q in zip(one.parameters, again.parameters, strict=True))


def test_channels_that_never_vary_and_numbers_beyond_reach():
    module = remembering(pictures(200, 1))
    with torch.no_grad():
        module[0].weight[0] = 0.0  # what comes out of it is its bias
        module[1].running_mean[1] = float("nan")
    trace = footprint(module, norms(module), pictures(50, 3))
    assert trace is None or bool(torch.isfinite(trace.way).all())


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
