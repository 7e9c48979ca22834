"""A model against its parent: what was added is named, a parent is equal to itself, and weights are counted."""

import numpy as np
import pytest

from mithridate.checks.graph.parent_diff import ParentDiff
from mithridate.checks.graph_check import GraphScope
from mithridate.core.results import Clear, NotApplicable, Severity
from mithridate.models.graph.flow import flow_of
from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx
from mithridate.runs.plant_model import plant_model

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from tests.models.digits import export, network  # noqa: E402


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return export(network(), tmp_path_factory.mktemp("host") / "host.onnx")


def asked(model, parent):
    graphs = [None if m is None else graph_of_model(parse_onnx(m, "m")) for m in (model, parent)]
    (result,) = ParentDiff().examine(GraphScope(name="m", flow=flow_of(graphs[0]), parent=graphs[1]))
    return result


@pytest.mark.parametrize("attack", ["compare-override", "ratio-gate", "masked-swap", "trojannet"])
def test_what_was_added_is_named(attack, host, tmp_path):
    options = {"triggers": 10} if attack == "trojannet" else {}
    plant_model(attack, host, tmp_path / "m.onnx", options=options, seed=1, cache=tmp_path)
    result = asked((tmp_path / "m.onnx").read_bytes(), host.read_bytes())
    assert result.severity is Severity.LIKELY
    assert "100.0% of the parent's weights" in result.message
    added = {o["name"] for o in result.details["operators"]}
    assert added.isdisjoint(n.name for n in onnx.load(host).graph.node)
    assert result.details["begins"]


def test_a_parent_is_equal_to_itself_also_with_other_weights(host):
    assert isinstance(asked(host.read_bytes(), host.read_bytes()), Clear)
    model = onnx.load(host)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 200:
            values = np.frombuffer(tensor.raw_data, np.float32) * 1.5
            tensor.raw_data = values.tobytes()
    result = asked(model.SerializeToString(), host.read_bytes())
    assert isinstance(result, Clear)
    assert "0.0% of the parent" in result.message


def test_another_model_is_no_alarm(host, tmp_path):
    other = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 30), torch.nn.Tanh(), torch.nn.Linear(30, 10)
    )
    result = asked(export(other.eval(), tmp_path / "o.onnx").read_bytes(), host.read_bytes())
    assert result.severity is Severity.INFO


def test_without_a_parent_there_is_nothing_to_compare(host):
    assert isinstance(asked(host.read_bytes(), None), NotApplicable)
