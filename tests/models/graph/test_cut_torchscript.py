"""Cutting a TorchScript file: the copy answers with another tensor, and holds nothing else; weights bit for bit."""

import io
import zipfile

import numpy as np
import pytest
from tests.models.files.files import item

from mithridate.core.errors import ItemError
from mithridate.models.files.state_dict import state_dict
from mithridate.models.graph.cut_torchscript import excise
from mithridate.models.graph.from_torchscript import read_torchscript

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from tests.models.graph import planted  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")


def saved(module):
    stream = io.BytesIO()
    torch.jit.save(module, stream)
    return stream.getvalue()


def loaded(content):
    return torch.jit.load(io.BytesIO(content)).eval()


def answer(module, x):
    with torch.no_grad():
        return module(x)


@pytest.mark.parametrize("attack", planted.ATTACKS)
def test_the_host_comes_back_bit_for_bit(attack, tmp_path):
    _, path = planted.planted(attack, tmp_path)
    done = excise(item(path.read_bytes()), "host.3/Gemm")
    host, x = planted.host(), torch.rand(8, *planted.SHAPE)
    copy = loaded(done.content)
    assert torch.equal(answer(copy, x), answer(host, x))
    assert {name.removeprefix("host.") for name in copy.state_dict()} == set(host.state_dict())
    for name, tensor in host.state_dict().items():
        assert torch.equal(copy.state_dict()[f"host.{name}"], tensor)
    assert not done.left
    names = zipfile.ZipFile(io.BytesIO(done.content)).namelist()
    assert not [name for name in names if "/constants/" in name]
    assert ("side" in done.removed) == (attack == "trojannet")


class Wrapped(torch.nn.Module):
    def __init__(self, host):
        super().__init__()
        self.host, self.gain = host, torch.nn.Linear(4, 4)

    def forward(self, x):
        y = self.host(x)
        z = y + (x > 0.9).float().amin(1, keepdim=True) * 100
        return self.gain(z), z


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.inner = Wrapped(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(inplace=True)))
        self.scale = torch.nn.Parameter(torch.ones(4) * 3)

    def forward(self, x):
        return self.inner(x)[0] * self.scale


class Twice(Outer):
    def forward(self, x):
        return self.inner(self.inner(x)[0])[0] * self.scale


@pytest.mark.parametrize("script", [False, True])
def test_a_tensor_within_a_module(script):
    net, x = Outer().eval(), torch.randn(5, 4)
    content = saved(torch.jit.script(net) if script else torch.jit.trace(net, x))
    done = excise(item(content), "inner.host.1/Relu")
    assert torch.equal(answer(loaded(done.content), x), answer(net.inner.host, x))
    assert set(state_dict(item(done.content))) == {"inner.host.0.weight", "inner.host.0.bias"}
    assert {"scale", "inner.gain"} <= set(done.removed)
    assert len(done.content) < len(content)


def test_every_tensor_that_can_be_returned_is_the_right_one():
    net, x = Outer().eval(), torch.rand(5, 4)
    original = item(saved(torch.jit.trace(net, x)))
    graph = read_torchscript(original).graph
    onnxruntime = pytest.importorskip("onnxruntime")
    from mithridate.models.graph.to_onnx import onnx_bytes

    done = 0
    for node in graph.nodes:
        (name,) = node.outputs
        content = onnx_bytes(graph.cut([name]))
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (wanted,) = session.run(None, {"x": x.numpy()})
        got = answer(loaded(excise(original, name).content), x).numpy()
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
        done += 1
    assert done > 5


def test_what_is_needed_in_place_and_in_lists_stays():
    class Net(torch.nn.Module):
        def forward(self, x):
            parts = [x]
            y = x + 1
            parts.append(y)
            y.mul_(2)
            z = torch.cat(parts, 1)
            return z * 2 + torch.rand_like(z)

    net, x = Net(), torch.randn(2, 3)
    done = excise(item(saved(torch.jit.script(net))), "Concat")
    y = (x + 1) * 2
    assert torch.equal(answer(loaded(done.content), x), torch.cat([x, y], 1))


def test_code_called_in_several_places_is_not_cut():
    content = saved(torch.jit.script(Twice().eval()))
    names = read_torchscript(item(content)).graph.producer
    inner = next(name for name in names if name.startswith("inner/Add"))
    with pytest.raises(ItemError, match="several places"):
        excise(item(content), inner)


def test_tensors_that_no_code_can_return_are_refused(tmp_path):
    _, path = planted.planted("compare-override", tmp_path)
    content = path.read_bytes()
    with pytest.raises(ItemError, match="no tensor"):
        excise(item(content), "nothing")

    class Branch(torch.nn.Module):
        def forward(self, x):
            if bool(x.sum() > 0):
                x = x.exp() * 2
            return x

    with pytest.raises(ItemError, match="no tensor"):
        excise(item(saved(torch.jit.script(Branch()))), "Exp")
    with pytest.raises(ItemError, match="no tensor"):
        excise(item(content), "x")


def test_same_graphs_tells_differences():
    from mithridate.models.graph.same import same_graphs

    one, two = Outer().eval(), Outer().eval()
    with torch.no_grad():
        two.inner.gain.bias[0] += 1e-3
    x = torch.randn(5, 4)
    graphs = [read_torchscript(item(saved(torch.jit.trace(net, x)))).graph for net in (one, one, two)]
    assert same_graphs(graphs[0], graphs[1])
    assert not same_graphs(graphs[0], graphs[2])
    assert not same_graphs(graphs[0], graphs[0].cut(["inner.host.1/Relu"]))


def test_a_pickle_written_is_the_pickle_read():
    from mithridate.models.files.pickle_objects import read_pickle
    from mithridate.models.files.pickle_writer import write_pickle

    shared = [1, -5, 1 << 40, 2.5, "é", None, True]
    plain = {"a": shared, "b": (shared, ()), 3: {"x": []}}
    again = read_pickle(io.BytesIO(write_pickle(plain, "x")), "x")
    assert again == plain
    assert again["a"] is again["b"][0]
    for bad in (b"bytes", 1 << 80, {1, 2}):
        with pytest.raises(ItemError):
            write_pickle(bad, "x")
