from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.models.digits import digits, network  # noqa: E402
from torch import nn  # noqa: E402

from mithridate.attacks.evasion.fgsm import fgsm  # noqa: E402
from mithridate.attacks.evasion.noise import sign_noise  # noqa: E402
from mithridate.attacks.evasion.pgd import pgd  # noqa: E402
from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.models.open import open_model  # noqa: E402

EPSILON = 0.2


def _noise(module, x, y, epsilon, **more):
    return sign_noise(open_model(module), x, y, epsilon, **more)


ARMS = {"fgsm": fgsm, "pgd": pgd, "noise": _noise}


def _held():
    return digits()[2][:250], digits()[3][:250]


def _line(weights):
    """A linear model: its gradient is known."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(weights[0]), len(weights), bias=False))
    with torch.no_grad():
        module[1].weight[:] = torch.tensor(weights)
    return module


@pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS)
def test_changes_stay_small_and_within_bounds_and_the_record_says_what_happened(arm):
    x, y = _held()
    kept = x.copy()
    changed, result = arm(network(), x, y, EPSILON)
    np.testing.assert_array_equal(x, kept)
    assert changed.dtype == np.float32
    assert changed.shape == x.shape
    assert np.abs(changed - x).max() <= EPSILON + 1e-6
    assert changed.min() >= 0
    assert changed.max() <= 1
    predict = open_model(network()).predict
    before, after = predict(x).argmax(axis=1) == y, predict(changed).argmax(axis=1) == y
    size = (changed - x).reshape(len(x), -1)
    assert result.samples == 250
    assert result.clean_accuracy == pytest.approx(before.mean())
    assert result.adversarial_accuracy == pytest.approx(after.mean())
    assert result.success_rate == pytest.approx((before & ~after).sum() / before.sum())
    assert result.mean_linf == pytest.approx(np.abs(size).max(axis=1).mean(), rel=1e-4)
    assert result.mean_l2 == pytest.approx(np.linalg.norm(size, axis=1).mean(), rel=1e-4)
    assert "arXiv" in result.cites


def test_gradients_lead_a_model_astray_and_noise_of_the_same_size_does_not():
    x, y = _held()
    one, many, random = (arm(network(), x, y, EPSILON)[1] for arm in ARMS.values())
    assert one.clean_accuracy > 0.94
    assert one.adversarial_accuracy < 0.2
    assert many.adversarial_accuracy < 0.06
    assert many.adversarial_accuracy <= one.adversarial_accuracy
    assert random.adversarial_accuracy > 0.6


def test_one_step_on_a_linear_model_is_the_formula():
    module = _line([[1.0, -2.0, 0.5], [0.0, 1.0, 0.5]])
    x = np.float32([[0.5, 0.5, 0.5], [0.05, 0.5, 1.0]])
    # of class 0 the loss rises with w1 - w0 = (-1, 3, 0), of class 1 with the opposite
    expected = [[0.4, 0.6, 0.5], [0.15, 0.4, 1.0]]
    np.testing.assert_allclose(fgsm(module, x, np.array([0, 1]), 0.1)[0], expected, atol=1e-6)
    expected = np.float32([[0.0, 1.0, 0.5], [0.95, 0.0, 1.0]])
    np.testing.assert_allclose(fgsm(module, x, np.array([0, 1]), 0.9)[0], expected, atol=1e-6)


def test_many_steps_reach_the_corner_of_the_ball_and_stay_in_it():
    module = _line([[1.0, -2.0], [0.0, 1.0]])
    changed, result = pgd(module, np.float32([[0.5, 0.5]]), np.array([0]), 0.1, step=0.05, iterations=9)
    np.testing.assert_allclose(changed, [[0.4, 0.6]], atol=1e-6)
    assert result.parameters == {"step": 0.05, "iterations": 9, "restarts": 1, "seed": 0}


def test_same_seed_same_inputs_for_any_batch_size():
    x, y = _held()
    x, y = x[:60], y[:60]
    for batch in (7, 60):
        a = pgd(network(), x, y, 0.1, iterations=3, restarts=2, seed=4, batch=batch)[0]
        np.testing.assert_allclose(
            a, pgd(network(), x, y, 0.1, iterations=3, restarts=2, seed=4)[0], atol=1e-6
        )
    assert np.abs(a - pgd(network(), x, y, 0.1, iterations=3, restarts=2, seed=5)[0]).max() > 0.01


def _few_steps(x, y, count):
    return pgd(network(), x, y, EPSILON, step=0.01, iterations=1, restarts=count)[0]


def _noise_alone(x, y, count):
    return _noise(network(), x, y, EPSILON, tries=count)[0]


@pytest.mark.parametrize("arm", [_few_steps, _noise_alone])
def test_what_one_try_leads_astray_stays_astray_with_more_of_them(arm):
    x, y = _held()
    predict = open_model(network()).predict
    misread = [predict(arm(x, y, count)).argmax(axis=1) != y for count in (1, 2, 5)]
    assert misread[0].sum() < misread[2].sum()
    for fewer, more in pairwise(misread):
        assert not (fewer & ~more).any()


def test_a_module_that_ends_in_softmax_is_attacked_too_and_left_as_it_was():
    x, y = _held()
    module = nn.Sequential(network(), nn.Softmax(dim=1)).train()
    module[0].eval()
    result = fgsm(module, x, y, EPSILON)[1]
    assert result.adversarial_accuracy < 0.2
    assert module.training
    assert not module[0].training
    assert all(p.grad is None for p in module.parameters())


def test_inputs_on_another_scale():
    module, (x, y) = nn.Sequential(_Scaled(), network()), _held()
    changed, result = fgsm(module, x * 4 - 2, y, EPSILON * 4, bounds=(-2.0, 2.0))
    usual = fgsm(network(), x, y, EPSILON)[1]
    assert changed.min() >= -2
    assert changed.max() <= 2
    assert result.adversarial_accuracy == pytest.approx(usual.adversarial_accuracy, abs=0.01)


class _Scaled(nn.Module):
    def forward(self, x):
        return (x + 2) / 4


class _Stepped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, x):
        return self.inner(x.detach()).detach()


X = np.full((4, 1, 8, 8), 0.5, np.float32)
Y = np.zeros(4, int)


@pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS)
@pytest.mark.parametrize(
    ("x", "y", "epsilon", "says"),
    [
        (X, Y, 0, "epsilon"),
        (X, Y, np.nan, "epsilon"),
        (X * 255, Y, 0.1, "Scale"),
        (X * np.nan, Y, 0.1, "finite"),
        (X.astype(np.uint8), Y, 0.1, "floating"),
        (X[:0], Y[:0], 0.1, "one or more"),
        (X, Y[:3], 0.1, "whole numbers"),
        (X, Y - 1, 0.1, "whole numbers"),
        (X, Y + 0.5, 0.1, "whole numbers"),
        (X, Y + 10, 0.1, "classes below 10"),
        (X[:, :, :3], Y, 0.1, "these inputs"),
    ],
)
def test_what_cannot_be_attacked_is_refused_with_a_reason(arm, x, y, epsilon, says):
    with pytest.raises(UsageError, match=says):
        arm(network(), x, y, epsilon)


@pytest.mark.parametrize("arm", [fgsm, pgd])
def test_a_module_without_gradients(arm):
    with pytest.raises(UsageError, match="sign_noise"):
        arm(_Stepped(), X, Y, 0.1)


@pytest.mark.parametrize("more", [{"iterations": 0}, {"restarts": 0}, {"step": 0.0}, {"step": -1.0}])
def test_settings_of_pgd(more):
    with pytest.raises(UsageError, match="pgd"):
        pgd(network(), X, Y, 0.1, **more)
