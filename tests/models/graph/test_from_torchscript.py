"""TorchScript read as a graph computes what torch computes, and says what it cannot read."""

import io
import zipfile

import numpy as np
import pytest
from tests.models.files.files import item

from mithridate.core.errors import ItemError
from mithridate.models.graph.from_torchscript import graph_of_torchscript, read_torchscript
from mithridate.models.graph.ir import Value
from mithridate.models.graph.script import reader
from mithridate.models.graph.to_onnx import onnx_bytes

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
from tests.models.graph import nets, planted  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")


def saved(module):
    stream = io.BytesIO()
    torch.jit.save(module, stream)
    return stream.getvalue()


def traced(net, *inputs):
    with torch.no_grad():
        return saved(torch.jit.trace(net, inputs))


def answers(graph, *inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(onnx_bytes(graph), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(graph.inputs, (x.numpy() for x in inputs), strict=True)))


def truth(net, *inputs):
    with torch.no_grad():
        answer = net(*inputs)
    return [part.numpy() for part in (answer if isinstance(answer, tuple) else (answer,))]


def assert_same(got, wanted):
    assert len(got) == len(wanted)
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", nets.NETS)
def test_traced_nets_compute_what_torch_computes(name):
    net, x = nets.made(name)
    graph = graph_of_torchscript(item(traced(net, x)))
    assert not [node.op for node in graph.nodes if "::" in node.op]
    assert_same(answers(graph, x), truth(net, x))


@pytest.mark.parametrize("name", ["squeeze-excite", "residual", "transformer", "lstm", "table", "volumes"])
def test_scripted_nets_say_their_inputs_by_their_layers(name):
    net, x = nets.made(name)
    graph = graph_of_torchscript(item(saved(torch.jit.script(net))))
    assert_same(answers(graph, x), truth(net, x))


@pytest.mark.parametrize("name", ["encoder", "pictures", "waves"])
def test_scripted_nets_with_a_given_shape(name):
    net, x = nets.made(name)
    given = [Value(shape=(None, *x.shape[1:]), dtype="float32")]
    graph = graph_of_torchscript(item(saved(torch.jit.script(net))), inputs=given)
    assert_same(answers(graph, x), truth(net, x))


@pytest.mark.parametrize("name", ["squeeze-excite", "transformer", "lstm", "encoder"])
def test_the_first_axis_may_vary(name):
    net, x = nets.made(name)
    twice = torch.cat([x, x + 1 if x.is_floating_point() else x])
    assert_same(answers(graph_of_torchscript(item(traced(net, x))), twice), truth(net, twice))


@pytest.mark.parametrize("shift", [2.0, -0.3, -5.0])
def test_branches_that_look_at_values_become_if(shift):
    net = nets.Branches().eval()
    graph = graph_of_torchscript(item(saved(torch.jit.script(net))))
    assert "If" in [node.op for node in graph.nodes]
    x = torch.randn(3, 4) * 0.1 + shift
    assert_same(answers(graph, x), truth(net, x))


def test_lists_defaults_and_loops_are_followed():
    net = nets.Options().eval()
    graph = graph_of_torchscript(item(saved(torch.jit.script(net))))
    assert list(graph.inputs) == ["x"]
    x = torch.randn(3, 4)
    assert_same(answers(graph, x), truth(net, x))


def test_a_loop_over_values_is_one_operator_that_says_what_it_reads():
    given = [Value(shape=(2, 3), dtype="float32")]
    graph = graph_of_torchscript(item(saved(torch.jit.script(nets.Turns()))), inputs=given)
    (loop,) = [node for node in graph.nodes if node.op == "aten::Loop"]
    assert "x" in loop.inputs
    assert {"Mul", "Add"} <= {node.op for body in loop.bodies for node in body.nodes}
    with pytest.raises(ItemError, match="aten::Loop"):
        onnx_bytes(graph)


def test_an_operator_without_translation_is_a_node_of_its_own():
    class Rare(torch.nn.Module):
        def forward(self, x):
            values, _ = torch.kthvalue(x, 2)
            return values + 1

    graph = graph_of_torchscript(item(traced(Rare(), torch.randn(3, 4))))
    rare = graph.nodes[0]
    assert (rare.op, rare.inputs, len(rare.outputs)) == ("aten::kthvalue", ("x",), 2)
    assert graph.nodes[1].inputs[0] == rare.outputs[0]


def test_names_are_those_of_the_modules():
    net = torch.nn.Sequential()
    net.features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    net.head = torch.nn.Conv2d(4, 2, 1)
    graph = graph_of_torchscript(item(traced(net.eval(), torch.randn(1, 3, 8, 8))))
    assert [node.name for node in graph.nodes] == ["features.0/Conv", "features.1/Relu", "head/Conv"]
    assert {"features.0.weight", "head.bias"} <= set(graph.constants)
    assert np.array_equal(graph.constants["head.bias"].array, net.head.bias.detach().numpy())


def test_half_precision_of_both_kinds():
    for dtype in (torch.bfloat16, torch.float16):
        net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()
        x = torch.randn(5, 4)
        wanted = truth(net, x)
        graph = graph_of_torchscript(item(saved(torch.jit.script(net.to(dtype)))))
        kind = np.float32 if dtype == torch.bfloat16 else np.float16
        assert graph.constants["0.weight"].dtype == kind
        if dtype == torch.bfloat16:
            np.testing.assert_allclose(answers(graph, x)[0], wanted[0], atol=0.05)


def test_hooks_of_the_model_are_part_of_it():
    def double(self, input: tuple[torch.Tensor], output: torch.Tensor):
        return output * 2

    net = torch.nn.Sequential(torch.nn.Linear(4, 3)).eval()
    x = torch.randn(2, 4)
    plain = truth(net, x)
    double.__annotations__ = {"input": tuple[torch.Tensor], "output": torch.Tensor}
    try:
        net.register_forward_hook(double)
        content = saved(torch.jit.script(net))
    except RuntimeError as error:
        pytest.skip(f"this torch scripts no such hook: {error}")
    graph = graph_of_torchscript(item(content))
    assert_same(answers(graph, x), [plain[0] * 2])


@pytest.mark.parametrize("attack", planted.ATTACKS)
def test_planted_models_are_read_exactly(attack, tmp_path):
    module, path = planted.planted(attack, tmp_path)
    reading = read_torchscript(item(path.read_bytes()))
    x = torch.rand(6, *planted.SHAPE)
    assert_same(answers(reading.graph, x), truth(module, x))
    assert "host.3/Gemm" in reading.graph.producer
    assert "host.3/Gemm" in reading.places


def rewritten(content, change):
    source = zipfile.ZipFile(io.BytesIO(content))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            if name.endswith(".py"):
                part = change(part.decode()).encode()
            target.writestr(name, part)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return ", "return import os"), ("return ", "return nothing + "), ("return ", "return open('x') or "),
        ("return ", "return (lambda: 1)() or "), ("return ", "return self.forward(x) or "),
        ("return ", "while True:\n      pass\n    return "), ("input: Tensor", "input: Dict[str, Tensor]"),
        ("def forward", "def backward"), ("return ", "return " + "(" * 300 + "1" + ")" * 300 + " or "),
        ("return ", "for i in range(1000000000):\n      y = torch.add(x, 1)\n    return "),
        ("return ", "y = torch.zeros([1000000, 1000000])\n    return y or "),
        ("forward(self", "forward(self, z: List[Tensor]"),
    ],
)  # fmt: skip
def test_code_that_torch_does_not_write_is_refused_and_never_run(old, new):
    content = traced(torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.randn(1, 3))
    broken = rewritten(content, lambda text: text.replace(old, new) if "Sequential" in text else text)
    assert broken != content
    with pytest.raises(ItemError):
        graph_of_torchscript(item(broken))


def test_calls_that_multiply_are_bounded(monkeypatch):
    monkeypatch.setattr(reader, "_STATEMENTS", 500)
    content = traced(torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.randn(1, 3))
    body = "".join(
        f"  def f{i}(self: __torch__.X, x: Tensor) -> Tensor:\n    return (self).f{i + 1}((self).f{i + 1}(x, ), )\n"
        for i in range(40)
    )
    body += "  def f40(self: __torch__.X, x: Tensor) -> Tensor:\n    return torch.add(x, 1)\n"

    def change(text):
        if "Sequential" not in text:
            return text
        return (
            text.split("  def forward")[0]
            + body
            + ("  def forward(self: __torch__.X,\n    x: Tensor) -> Tensor:\n    return (self).f0(x, )\n")
        )

    with pytest.raises(ItemError, match="more than"):
        graph_of_torchscript(item(rewritten(content, change)))


def test_what_is_no_torchscript_is_refused():
    stream = io.BytesIO()
    torch.save({"a": torch.ones(2)}, stream)
    for content in (b"", stream.getvalue(), saved(torch.jit.script(nets.Turns()))[:200]):
        with pytest.raises(ItemError):
            graph_of_torchscript(item(content))
