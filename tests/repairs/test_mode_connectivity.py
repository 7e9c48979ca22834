"""The path: its ends are the models, batch norms see the clean samples and nothing else."""

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from tests.repairs.backdoored import stamp, trained  # noqa: E402
from tests.repairs.test_repairs import scope  # noqa: E402

from mithridate.repairs.base import Known  # noqa: E402
from mithridate.repairs.fine_tuning import fine_tuned  # noqa: E402
from mithridate.repairs.layers import norms, reset_norms  # noqa: E402
from mithridate.repairs.mode_connectivity import connected  # noqa: E402
from mithridate.runs.heal.candidates import tried  # noqa: E402
from mithridate.runs.heal.surrogate import Surrogate  # noqa: E402
from mithridate.triggers.inversion import Pool  # noqa: E402


@pytest.fixture(scope="module")
def curve():
    asked = scope(passes=1500)
    one = trained(True)
    return connected(one, fine_tuned(deepcopy(one), asked, epochs=3), asked, epochs=3), one


def test_ends(curve):
    path, one = curve
    assert all(torch.allclose(path.weights(0.0)[n], p) for n, p in one.named_parameters())
    assert not all(torch.allclose(path.weights(1.0)[n], p) for n, p in one.named_parameters())


def test_norms_see_the_clean_samples_only(curve):
    path, _ = curve
    middle = path.at(0.5)
    other = deepcopy(middle)
    for norm in norms(other):  # whatever they knew before
        norm.running_mean.fill_(7.0)
        norm.running_var.fill_(9.0)
    reset_norms(other, scope().x)
    for one, two in zip(norms(middle), norms(other), strict=True):
        assert torch.allclose(one.running_mean, two.running_mean)
        assert torch.allclose(one.running_var, two.running_var)
    seen = []
    handle = middle[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    reset_norms(middle, scope().x)
    handle.remove()
    assert sum(len(part) for part in seen) == len(scope().x)


def test_the_path_is_judged_by_triggers_that_stand_out():
    asked = scope(passes=1500)
    odd, usual = (
        Surrogate(
            known=Known(name=name, put=put, target=0), before=1.0, size=1.0, unit="pixels", others=others
        )
        for name, put, others in (("nothing", torch.clone, 9.0), ("stamp", stamp, 1.0))
    )
    held = Pool(*asked.held, 10)
    one = tried("mode-connectivity", trained(True), asked, [odd, usual], held)
    assert [t for t, _, _ in one.path] == [k / 10 for k in range(11)]
    assert one.path[0][2] < 0.1  # the stamp, which the model follows, does not stand out here
    alone = tried("mode-connectivity", trained(True), asked, [usual], held)
    assert alone.path[0][2] > 0.9
    assert min(right for _, right, _ in alone.path) > 0.8
    assert tried("fine-tuning", trained(True), asked, [usual], held).path == ()
