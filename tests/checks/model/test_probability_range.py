import numpy as np
import pytest
from model_fakes import host, host_logits, scope_of, softmax, windowed

from mithridate.checks.model.probability_range import ProbabilityRange
from mithridate.core.results import Clear, Finding, Severity


def forest(x):
    """Votes of 20 trees, some of which nobody gets."""
    votes = np.floor(host(x) * 20)
    votes[:, 0] += 20 - votes.sum(axis=1)
    return (votes / 20).astype(np.float32)


@pytest.mark.parametrize(
    ("predict", "ceiling", "words"),
    [
        (windowed((3, 3)), 3, "TrojanNet's merge"),
        (lambda x: softmax(host(x)), 1, "softmax applied twice"),
        (lambda x: softmax(5.5 * host(x)), 5.5, "calibration, clipping"),
    ],
)
def test_bounded_is_told(predict, ceiling, words):
    (found,) = ProbabilityRange().examine(scope_of(predict))
    assert isinstance(found, Finding)
    assert found.severity is Severity.INFO
    assert found.effect == pytest.approx(ceiling, rel=0.01)
    assert words in found.message


@pytest.mark.parametrize(
    "predict", [host, lambda x: softmax(host_logits(x) / 4), forest], ids=["softmax", "temperature", "votes"]
)
def test_unbounded_is_silent(predict):
    (result,) = ProbabilityRange().examine(scope_of(predict))
    assert isinstance(result, Clear)
