"""Exported programs read as graphs compute what torch computes; nothing pickled is read."""

import functools
import io
import json
import warnings
import zipfile

import numpy as np
import pytest
from tests.models.files.files import item

from mithridate.core.errors import ItemError
from mithridate.models.graph.from_pt2 import graph_of_pt2

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
from tests.models.graph import nets  # noqa: E402
from tests.models.graph.test_from_torchscript import answers, assert_same, truth  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def exported(net, x, free=False, decomposed=False):
    free_axes = ({0: torch.export.Dim.AUTO},) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (x,), dynamic_shapes=free_axes)
        stream = io.BytesIO()
        torch.export.save(program.run_decompositions() if decomposed else program, stream)
    return stream.getvalue()


@functools.cache
def table():
    return exported(*nets.made("table"))


@pytest.mark.parametrize(
    "name",
    [
        "residual",
        "transformer",
        "words",
        "in-place",
        "numbers",
        "reductions",
        "moves",
        "pictures",
        "digits",
        "lstm",
    ],
)
def test_exported_nets_compute_what_torch_computes(name):
    net, x = nets.made(name)
    graph = graph_of_pt2(item(exported(net, x)))
    assert not [node.op for node in graph.nodes if "::" in node.op]
    assert_same(answers(graph, x), truth(net, x))


@pytest.mark.parametrize("name", ["squeeze-excite", "transformer"])
def test_decomposed_programs_too(name):
    net, x = nets.made(name)
    graph = graph_of_pt2(item(exported(net, x, decomposed=True)))
    assert_same(answers(graph, x), truth(net, x))


@pytest.mark.parametrize("name", ["transformer"])
def test_sizes_that_may_vary(name):
    net, x = nets.made(name)
    graph = graph_of_pt2(item(exported(net, x, free=True)))
    twice = torch.cat([x, x + 1])
    assert next(iter(graph.inputs.values())).shape[0] is None
    assert_same(answers(graph, twice), truth(net, twice))


def test_names_are_those_of_the_modules():
    net, _ = nets.made("table")
    graph = graph_of_pt2(item(table()))
    assert {"0/Gemm", "1/BatchNormalization", "5/Gemm", "6/Softmax"} <= {node.name for node in graph.nodes}
    assert np.array_equal(graph.constants["5.weight"].array, net[5].weight.detach().numpy())


class Choice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: self.one(y) * 2, lambda y: self.two(y), (x,)) + 1


def test_branches_become_if():
    net, x = Choice().eval(), torch.rand(3, 4)
    graph = graph_of_pt2(item(exported(net, x)))
    assert "If" in [node.op for node in graph.nodes]
    for shown in (x, -x):
        assert_same(answers(graph, shown), truth(net, shown))


def changed(content, edit):
    source = zipfile.ZipFile(io.BytesIO(content))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            if name.endswith(".json"):
                found = json.loads(part)
                edit(name, found)
                part = json.dumps(found).encode()
            target.writestr(name, part)
    return item(stream.getvalue())


def test_pickled_weights_are_not_read():
    def pickled(name, found):
        if name.endswith("weights_config.json"):
            found["config"]["0.weight"]["use_pickle"] = True

    graph = graph_of_pt2(changed(table(), pickled))
    assert graph.constants["0.weight"].shape == (16, 7)
    with pytest.raises(ItemError, match="pickled"):
        _ = graph.constants["0.weight"].array
    assert graph.constants["0.bias"].array.shape == (16,)


def _shape(found, key, value):
    found["config"]["0.weight"]["tensor_meta"][key] = value


BREAKS = [
    ("weights_config.json", lambda found: _shape(found, "sizes", [{"as_int": 1 << 40}, {"as_int": 7}])),
    ("weights_config.json", lambda found: _shape(found, "strides", [{"as_int": -1}, {"as_int": 1}])),
    ("weights_config.json", lambda found: _shape(found, "dtype", 99)),
    ("weights_config.json", lambda found: found["config"].pop("0.weight")),
    ("weights_config.json", lambda found: found["config"]["0.weight"].update(path_name="../x")),
    ("model.json", lambda found: found.pop("graph_module")),
    ("model.json", lambda found: found["graph_module"]["graph"]["nodes"][0].pop("inputs")),
    ("model.json", lambda found: found["graph_module"]["graph"]["nodes"][0]["inputs"].append({"arg": 1})),
    ("model.json", lambda found: found["graph_module"]["graph"].update(nodes={"a": 1})),
    ("model.json", lambda found: found["graph_module"]["signature"].update(output_specs=[1])),
]


@pytest.mark.parametrize("number", range(len(BREAKS)))
def test_programs_that_contradict_themselves_are_refused(number):
    ending, edit = BREAKS[number]
    broken = changed(table(), lambda name, found: edit(found) if name.endswith(ending) else None)
    with pytest.raises(ItemError):
        graph_of_pt2(broken)


def test_an_operator_without_translation_is_a_node_of_its_own():
    class Rare(torch.nn.Module):
        def forward(self, x):
            return torch.kthvalue(x, 2)[0] + 1

    graph = graph_of_pt2(item(exported(Rare(), torch.randn(3, 4))))
    assert graph.nodes[0].op == "aten::kthvalue"
    assert graph.nodes[1].inputs[0] == graph.nodes[0].outputs[0]


def test_files_of_torch_before_2_8():
    source = zipfile.ZipFile(io.BytesIO(table()))
    net, x = nets.made("table")
    weights, target = io.BytesIO(), io.BytesIO()
    torch.save(net.state_dict(), weights)
    with zipfile.ZipFile(target, "w") as old:
        program = next(name for name in source.namelist() if name.endswith("models/model.json"))
        old.writestr("serialized_exported_program.json", source.read(program))
        old.writestr("serialized_state_dict.pt", weights.getvalue())
        old.writestr("serialized_constants.pt", b"")
    graph = graph_of_pt2(item(target.getvalue()))
    assert_same(answers(graph, x), truth(net, x))
