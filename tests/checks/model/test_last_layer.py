"""A row that was edited stands out, at INFO; a trained layer is silent."""

from dataclasses import replace

import numpy as np
import pytest
from model_fakes import host, scope_of
from tests.models.digits import export, network

from mithridate.checks.heads import head_sizes, indicators
from mithridate.checks.model.last_layer import LastLayer
from mithridate.core.results import Clear, Finding, NotApplicable, Severity
from mithridate.models.graph.head import Head, head_of

pytest.importorskip("torch")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx

    path = export(network(), tmp_path_factory.mktemp("head") / "m.onnx")
    return head_of(graph_of_model(parse_onnx(path.read_bytes(), path.name)))


def examined(head):
    (said,) = LastLayer().examine(scope_of(host, head=lambda: head))
    return said


def flipped(head):
    """One weight with a high bit of its exponent set."""
    weights = head.weights.astype(np.float32)
    weights[4, np.argmax(weights[4])] *= np.float32(2.0**16)
    return replace(head, weights=weights.astype(np.float64))


def raised(head):
    """A row whose weights on some features were written anew."""
    weights = head.weights.copy()
    weights[4, :64] = 1.0
    return replace(head, weights=weights)


@pytest.mark.parametrize("plant", [flipped, raised])
def test_pair(head, plant):
    found = examined(plant(head))
    assert isinstance(found, Finding)
    assert (found.severity, found.label) == (Severity.INFO, "4")
    assert found.effect >= 2
    assert next(iter(found.details["classes"])) == "4"
    assert isinstance(examined(head), Clear)


def test_where_there_is_nothing_to_compare(head):
    two = Head(weights=head.weights[:2], bias=head.bias[:2])
    assert isinstance(examined(None), NotApplicable)
    assert isinstance(examined(two), NotApplicable)
    (said,) = LastLayer().examine(scope_of(host))
    assert isinstance(said, NotApplicable)


def test_a_layer_of_zeros_says_nothing():
    assert isinstance(examined(Head(weights=np.zeros((5, 4)), bias=np.zeros(5))), Clear)


def test_indicators(head):
    told, more = indicators(head), indicators(replace(head, weights=head.weights + 3.0, bias=head.bias + 5.0))
    for name in ("norm", "bias", "positive", "peak", "cosine", "leading"):
        assert np.allclose(
            getattr(told, name), getattr(more, name), atol=1e-6
        )  # a softmax cannot see the difference
    rows = head.weights - head.weights.mean(axis=0)
    left = np.linalg.svd(rows)[0][:, 0]
    assert np.allclose(told.leading, left**2, atol=0.05)
    assert told.leading.sum() == pytest.approx(1)
    sizes = head_sizes(flipped(head))
    assert sizes.argmin() == 4
    assert sizes.min() < 0.1
    assert 0.5 < head_sizes(head).min() <= head_sizes(head).max() < 2
