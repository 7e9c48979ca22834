"""The class of a strong pattern stands out, at INFO; without it nothing is said."""

import numpy as np
import pytest
from model_fakes import clean_samples, scope_of

from mithridate.checks.model.class_margin import ClassMargin
from mithridate.core.results import Clear, NotApplicable, Severity

torch = pytest.importorskip("torch")


def ask(gain):
    """Five classes: bands of the picture; a checkerboard adds to class 3."""
    board = (torch.arange(28)[:, None] + torch.arange(28)) % 2 * 2.0 - 1

    def logits(x):
        bands = torch.stack([x[:, 0, 5 * k : 5 * k + 5].mean((1, 2)) for k in range(5)], dim=1)
        return 8 * bands + gain * (x[:, 0] * board).mean((1, 2)).clamp_min(0)[:, None] * torch.eye(5)[3]

    return logits


def examined(gain, **changes):
    model = ask(gain)

    def predict(x):
        with torch.no_grad():
            return model(torch.from_numpy(np.ascontiguousarray(x))).softmax(1).numpy()

    return list(ClassMargin().examine(scope_of(predict, differentiable=lambda: model, **changes)))


@pytest.mark.parametrize("clean", [True, False])
def test_pair(clean):
    (found,) = examined(60.0, clean=clean)
    assert (found.severity, found.label) == (Severity.INFO, "3")
    assert found.effect > 2
    (said,) = examined(0.0, clean=clean)
    assert isinstance(said, Clear)


def test_nothing_rests_on_it():
    (said,) = examined(60.0, seconds=1e-6)
    assert isinstance(said, NotApplicable)
    x, _ = clean_samples(40)
    (said,) = ClassMargin().examine(scope_of(lambda x: x, clean=x))
    assert isinstance(said, NotApplicable)
