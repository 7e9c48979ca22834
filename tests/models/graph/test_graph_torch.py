"""Graphs with gradients: the same numbers as onnxruntime, for every operator, and honest refusals."""

import numpy as np
import pytest

from mithridate.core.errors import ItemError

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from torch import nn  # noqa: E402

from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx  # noqa: E402
from mithridate.models.graph.to_torch import TorchGraph  # noqa: E402
from mithridate.models.torch_files import save_onnx  # noqa: E402

torch.set_num_threads(1)
PICTURE = (2, 4, 8, 8)


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def whole(*values):
    return np.array(values, dtype=np.int64)


def one(op, constants=(), shape=PICTURE, opset=17, **attributes):
    """A model of one operator on x."""
    names = [f"c{k}" if c is not None else "" for k, c in enumerate(constants)]
    stored = [numpy_helper.from_array(c, n) for c, n in zip(constants, names, strict=True) if n]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [onnx.ValueInfoProto(name="y")],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def both(model, x):
    """What onnxruntime answers, and what torch does."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    mine = TorchGraph(graph_of_model(model), raw=False)(torch.from_numpy(x))
    return session.run(None, {session.get_inputs()[0].name: x})[0], mine.numpy()


W3 = drawn(6, 4, 3, 3)
SINGLE = {
    "conv": one("Conv", [W3, drawn(6)]),
    "conv strided": one("Conv", [W3], strides=[2, 1], pads=[1, 0, 2, 1]),
    "conv holes": one("Conv", [W3], dilations=[2, 2], pads=[2, 2, 2, 2]),
    "conv groups": one("Conv", [drawn(8, 1, 3, 3)], group=4),
    "conv same": one("Conv", [drawn(6, 4, 4, 4)], auto_pad="SAME_UPPER", strides=[3, 3]),
    "conv same lower": one("Conv", [drawn(6, 4, 4, 4)], auto_pad="SAME_LOWER"),
    "conv transposed": one(
        "ConvTranspose", [drawn(4, 5, 3, 3)], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
    ),
    "gemm": one("Gemm", [drawn(5, 8), drawn(5)], (3, 8), transB=1, alpha=0.5, beta=2.0),
    "matmul": one("MatMul", [drawn(8, 3)]),
    "einsum": one("Einsum", [drawn(4, 3)], equation="nchw,cd->ndhw"),
    "batch norm": one("BatchNormalization", [drawn(4), drawn(4), drawn(4), drawn(4) ** 2], epsilon=0.01),
    "instance norm": one("InstanceNormalization", [drawn(4), drawn(4)]),
    "layer norm": one("LayerNormalization", [drawn(8, 8), drawn(8, 8)], axis=2),
    "local norm": one("LRN", size=3, alpha=0.1),
    "max pool": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool up": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "mean pool": one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0]),
    "mean pool all": one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "global mean": one("GlobalAveragePool"),
    "global max": one("GlobalMaxPool"),
    "softmax": one("Softmax", axis=1),
    "softmax old": one("Softmax", opset=11, axis=1),
    "log softmax": one("LogSoftmax", axis=-1),
    "resize nearest": one("Resize", [None, np.array([1, 1, 2, 1.5], np.float32)], mode="nearest"),
    "resize asymmetric": one(
        "Resize",
        [None, None, whole(2, 4, 13, 5)],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "resize linear": one("Resize", [None, None, whole(2, 4, 13, 5)], mode="linear"),
    "resize corners": one(
        "Resize",
        [None, None, whole(2, 4, 5, 20)],
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "pad": one("Pad", [whole(0, 0, 1, 2, 0, 0, 0, 3), np.array(0.5, np.float32)]),
    "pad reflect": one("Pad", [whole(0, 0, 1, 2, 0, 0, 0, 3)], mode="reflect"),
    "pad edge": one("Pad", [whole(0, 0, 1, 2, 0, 0, 0, 3)], mode="edge"),
    "slice": one("Slice", [whole(1, -2), whole(7, -9), whole(2, 3), whole(2, -1)]),
    "slice far": one("Slice", [whole(-100, 3), whole(2**62, 100), whole(3, 2)]),
    "gather": one("Gather", [whole(3, -1, 0)], axis=1),
    "gather one": one("Gather", [np.array(1, np.int64)], axis=2),
    "reshape": one("Reshape", [whole(0, -1, 16)]),
    "flatten": one("Flatten", axis=2),
    "transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "squeeze": one("Squeeze", [whole(1)], (2, 1, 8)),
    "unsqueeze": one("Unsqueeze", [whole(0, -1)]),
    "expand": one("Expand", [whole(2, 1, 4, 1, 1)]),
    "tile": one("Tile", [whole(1, 2, 1, 3)]),
    "concat": one("Concat", [drawn(2, 1, 8, 8)], axis=1),
    "depth to space": one("DepthToSpace", blocksize=2),
    "depth to space crd": one("DepthToSpace", blocksize=2, mode="CRD"),
    "space to depth": one("SpaceToDepth", blocksize=4),
    "clip": one("Clip", [np.array(-0.3, np.float32), np.array(0.4, np.float32)]),
    "clip above": one("Clip", [None, np.array(0.4, np.float32)]),
    "prelu": one("PRelu", [drawn(4, 1, 1)]),
    "hard sigmoid": one("HardSigmoid", alpha=0.3),
    "pow": one("Pow", [np.array(2, np.float32)]),
    "mean": one("Mean", [drawn(8), drawn(8, 8)]),
    "maximum": one("Max", [drawn(8), drawn(8, 8)]),
    "greater": one("Greater", [drawn(8)]),
    "norm": one("ReduceL2", opset=13, axes=[2, 3], keepdims=0),
    "norm new": one("ReduceL2", [whole(1)], opset=18),
    "product": one("ReduceProd", opset=13, axes=[1, -1]),
    "sum all": one("ReduceSum"),
    "log sum exp": one("ReduceLogSumExp", opset=13, axes=[1]),
    "place": one("ArgMax", axis=1, keepdims=0),
    "shape": one("Shape"),
    "lp norm": one("LpNormalization", axis=1, p=1),
    **{
        name: one(name)
        for name in (
            "Relu", "Sigmoid", "Tanh", "Exp", "Erf", "Neg", "Abs", "Round", "Elu", "Selu", "Celu", "LeakyRelu",
            "Softplus", "Softsign", "HardSwish", "ThresholdedRelu", "Sign", "Floor",
        )
    },
    "Gelu": one("Gelu", opset=20, approximate="tanh"),
    "cast": one("Cast", to=TensorProto.INT32),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
def test_operator_as_in_onnxruntime(name):
    model = SINGLE[name]
    shape = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
    theirs, mine = both(model, drawn(*shape))
    assert mine.shape == theirs.shape
    assert np.allclose(mine, theirs, atol=1e-5)


class Small(nn.Module):
    """What small networks for pictures are made of."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.GELU(), nn.MaxPool2d(2))
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        t = self.conv(x).flatten(2).transpose(1, 2)
        t = t + self.mix(t, t, t, need_weights=False)[0]
        t = torch.nn.functional.layer_norm(t, (8,))
        return self.head(t.mean(1)).softmax(1)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("g") / "small.onnx"
    save_onnx(Small(), torch.zeros(2, 3, 16, 16), path)
    return path


def test_network_and_gradient(small):
    graph = graph_of_model(parse_onnx(small.read_bytes(), "small"))
    x = drawn(5, 3, 16, 16)
    session = ort.InferenceSession(small.read_bytes(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"input": x})[0]
    assert np.allclose(TorchGraph(graph, raw=False)(torch.from_numpy(x)).numpy(), theirs, atol=1e-4)
    logits = TorchGraph(graph)(torch.from_numpy(x).requires_grad_())
    assert np.allclose(logits.softmax(1).detach().numpy(), theirs, atol=1e-4)

    ask, step = TorchGraph(graph, raw=False), torch.zeros(1, 3, 16, 16)
    step[0, 1, 4, 5] = 1e-2
    at = torch.from_numpy(x[:1]).requires_grad_()
    (slope,) = torch.autograd.grad(ask(at)[0, 2], at)
    with torch.no_grad():
        moved = (ask(at + step) - ask(at - step))[0, 2] / 2e-2
    assert moved.item() == pytest.approx(slope[0, 1, 4, 5].item(), abs=1e-4)


def test_export_for_one_input_takes_many():
    nodes = [helper.make_node("Reshape", ["x", "to"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    w = drawn(12, 3)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(whole(1, 12), "to"), numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = drawn(7, 3, 4)
    mine = TorchGraph(graph_of_model(model))(torch.from_numpy(x)).numpy()
    assert np.allclose(mine, x.reshape(7, 12) @ w, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (one("Hardmax"), "Hardmax"),
        (one("Resize", [None, None, whole(2, 4, 13, 5)], mode="cubic"), "cubic"),
        (one("Expand", [whole(1 << 20, 1 << 10, 2, 4, 8, 8)]), "numbers"),
    ],
)
def test_refused_by_name(model, words):
    with pytest.raises(ItemError, match=words):
        TorchGraph(graph_of_model(model))(torch.from_numpy(drawn(*PICTURE)))
