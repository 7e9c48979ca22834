"""Branches beside a model: every kind of plant is found with what wakes it, and cut out exactly; honest graphs stay."""

from contextlib import contextmanager

import numpy as np
import pytest

from mithridate.checks.graph.side_branch import SideBranch
from mithridate.checks.graph_check import GraphScope
from mithridate.core.results import Severity
from mithridate.evidence.graph.branches import side_branches
from mithridate.evidence.graph.probe import Probe
from mithridate.models.graph.flow import flow_of
from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx
from mithridate.repairs.excise import excise_onnx
from mithridate.runs.plant_model import plant_model

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from tests.models.digits import digits, export, network  # noqa: E402

PLANTS = {
    "compare": ("compare-override", {}),
    "compare, arithmetic": ("compare-override", {"form": "arithmetic"}),
    "compare, dark": ("compare-override", {"look": "dark", "size": 3}),
    "compare, behind a convolution": ("compare-override", {"tap": "convolution", "size": 6}),
    "ratio": ("ratio-gate", {}),
    "ratio, arithmetic": ("ratio-gate", {"form": "arithmetic"}),
    "swap": ("masked-swap", {}),
    "swap, arithmetic": ("masked-swap", {"form": "arithmetic"}),
    "swap of two": ("masked-swap", {"source": "drawn"}),
    "side network": ("trojannet", {"triggers": 10}),
    "side network, released": ("trojannet", {"triggers": 10, "form": "released"}),
}


class Session:
    def __init__(self, content):
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        self.session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(self, feeds, outputs):
        return dict(zip(outputs, self.session.run(list(outputs), dict(feeds)), strict=True))


@contextmanager
def quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module", params=[False, True], ids=["logits", "probabilities"])
def host(request, tmp_path_factory):
    module = torch.nn.Sequential(network(), torch.nn.Softmax(dim=1)).eval() if request.param else network()
    with quiet():
        return export(module, tmp_path_factory.mktemp("host") / "host.onnx")


def examined(content, run=True):
    graph = graph_of_model(parse_onnx(content, "m"))
    given = {"probe": Probe(graph, Session), "x": digits()[2]} if run else {"why": "no runtime"}
    return list(SideBranch().examine(GraphScope(name="m.onnx", flow=flow_of(graph), **given)))


def answers(content, x):
    return Session(content).run({"x": x}, ["y"])["y"]


@pytest.mark.parametrize("plant", PLANTS)
def test_plants_are_found_and_cut_out(plant, host, tmp_path):
    attack, options = PLANTS[plant]
    made = plant_model(attack, host, tmp_path / "m.onnx", options=options, seed=1, cache=tmp_path)
    content = (tmp_path / "m.onnx").read_bytes()
    (finding,) = examined(content)
    assert finding.severity is Severity.PROVEN
    found = {str(t["target"]) for t in finding.details["triggers"]}
    assert found == set(made.ledger.triggers)
    assert all(t["flips"] >= 0.9 for t in finding.details["triggers"])
    cut = excise_onnx(content, finding.details["excise"])
    x = digits()[2]
    assert np.array_equal(answers(cut.content, x), answers(host.read_bytes(), x))
    own, healed = onnx.load(host), onnx.ModelProto.FromString(cut.content)
    assert [n.SerializeToString() for n in healed.graph.node] == [
        n.SerializeToString() for n in own.graph.node
    ]
    assert {t.name: t.SerializeToString() for t in healed.graph.initializer} == {
        t.name: t.SerializeToString() for t in own.graph.initializer
    }
    assert examined(cut.content) == []


def test_the_host_is_left_alone(host):
    assert examined(host.read_bytes()) == []


def test_without_a_runtime_the_operators_speak(host, tmp_path):
    plant_model("compare-override", host, tmp_path / "m.onnx", seed=1)
    (finding,) = examined((tmp_path / "m.onnx").read_bytes(), run=False)
    assert finding.severity is Severity.SUSPICIOUS
    assert {"crop", "compare", "exact"} <= set(finding.details["patterns"])
    assert "excise" not in finding.details


def honest(kind):
    """Ways around the layers that designs have."""
    from torch import nn

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.deep, self.wide = network(), nn.Linear(64, 10)

        def forward(self, x):
            return self.deep(x) + self.wide(x.flatten(1))

    class Late(nn.Module):
        """The mean brightness of the upper rows joins the last layer's inputs."""

        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(
                nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 20), nn.ReLU()
            )
            self.last = nn.Linear(21, 10)

        def forward(self, x):
            return self.last(torch.cat([self.first(x), x[:, :, :2].mean(dim=(2, 3))], dim=1))

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
            self.head = nn.Linear(384, 10)

        def forward(self, x):
            x = self.a(x)
            return self.head(torch.relu(self.b(x) + x).flatten(1))

    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.ask, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.Linear(6, 6), nn.Linear(384, 10)

        def forward(self, x):
            x = self.a(x)
            gate = torch.sigmoid(self.ask(x.mean(dim=(2, 3))))
            return self.head((x * gate[:, :, None, None]).flatten(1))

    torch.manual_seed(3)
    return {"wide": Wide, "late": Late, "residual": Residual, "gate": Gate}[kind]().eval()


@pytest.mark.parametrize("kind", ["wide", "late", "residual", "gate"])
def test_honest_ways_around_are_no_alarm(kind, tmp_path):
    with quiet():
        content = export(honest(kind), tmp_path / "m.onnx").read_bytes()
    results = examined(content)
    assert all(r.severity is Severity.INFO for r in results), [r.message for r in results]
    assert len(results) == (kind in ("wide", "late"))


def test_a_branch_is_named_with_its_operators(host, tmp_path):
    plant_model("trojannet", host, tmp_path / "m.onnx", options={"triggers": 10}, seed=1, cache=tmp_path)
    graph = graph_of_model(parse_onnx((tmp_path / "m.onnx").read_bytes(), "m"))
    branch = side_branches(flow_of(graph))[0]
    assert branch.parameters == 352 + 9 * 10
    assert branch.late
    assert branch.common == 0
