from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.models.base import Model, softmax  # noqa: E402
from mithridate.models.jail.confine import available  # noqa: E402
from mithridate.models.jail.errors import JailError  # noqa: E402
from mithridate.models.jail.limits import Limits  # noqa: E402
from mithridate.models.jail.onnx_runner import JailedOnnx, OnnxValue  # noqa: E402

pytestmark = pytest.mark.skipif(bool(available()), reason=f"no jail here: {', '.join(available())} missing")


def _value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def _model(nodes, inputs, outputs, tensors=(), domains=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(tensors))
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def _network(rows="n"):
    """Two outputs: logits (n, 10) and features (n, 8)."""
    rng = np.random.default_rng(0)
    weights = {"w": (8, 3, 3, 3), "v": (8, 10)}
    tensors = [numpy_helper.from_array(rng.normal(size=s).astype("f"), name) for name, s in weights.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["features"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["features", "v"], ["logits"]),
    ]
    outputs = [_value("logits", [rows, 10]), _value("features", [rows, 8])]
    return _model(nodes, [_value("x", [rows, 3, 16, 16])], outputs, tensors)


def _plain(model, x, names=None, optimise=True):
    options = onnxruntime.SessionOptions()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(names, {session.get_inputs()[0].name: x})


def _images(n):
    return np.random.default_rng(1).random((n, 3, 16, 16), dtype=np.float32)


@pytest.fixture(scope="module")
def jailed():
    with JailedOnnx(_network(), name="net.onnx") as model:
        yield model


def test_it_describes_the_graph(jailed):
    assert jailed.inputs == (OnnxValue("x", "tensor(float)", ("n", 3, 16, 16)),)
    assert [v.name for v in jailed.outputs] == ["logits", "features"]
    assert isinstance(jailed, Model)


@pytest.mark.parametrize("threads", [1, 2])
def test_it_answers_as_onnxruntime_does_to_the_bit(threads):
    x = _images(64)
    expected = _plain(_network(), x)
    with JailedOnnx(_network(), threads=threads) as model:
        got = model.run(x)
    assert list(got) == ["logits", "features"]
    assert got["logits"].tobytes() == expected[0].tobytes()
    assert got["features"].tobytes() == expected[1].tobytes()
    assert not model.events


def test_batches_are_put_together(jailed):
    x = _images(300)  # a whole batch and a part of one
    expected = np.concatenate([_plain(_network(), part, ["features"])[0] for part in (x[:256], x[256:])])
    got = jailed.run(x, ["features"])
    assert list(got) == ["features"]
    assert got["features"].tobytes() == expected.tobytes()
    np.testing.assert_allclose(jailed.predict(x), softmax(_plain(_network(), x)[0]), atol=1e-6)


def test_a_fixed_batch_is_filled_up():
    x = _images(6)
    with JailedOnnx(_network(4)) as model:
        got = model.run(x)["logits"]
        assert model.predict(x).shape == (6, 10)
    np.testing.assert_allclose(got, _plain(_network(), x)[0], rtol=1e-5)


def test_wrong_questions_are_answered_in_words(jailed):
    with pytest.raises(UsageError, match="outputs among logits, features"):
        jailed.run(_images(1), ["nothing"])
    with pytest.raises(UsageError, match="float inputs"):
        jailed.run(np.zeros((1, 3, 16, 16), np.uint8))
    with pytest.raises(JailError, match="invalid dimensions") as caught:  # onnxruntime's own words
        jailed.run(np.zeros((1, 3, 8, 16), np.float32))
    assert caught.value.limit is None
    assert jailed.run(_images(1))["logits"].shape == (1, 10)  # it lives on


def test_an_output_without_rows_needs_one_batch():
    constant = numpy_helper.from_array(np.arange(5, dtype="f"), "k")
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["k"], ["z"])]
    model = _model(nodes, [_value("x", ["n", 2])], [_value("y", ["n", 2]), _value("z", [5])], [constant])
    x = np.zeros((8, 2), np.float32)
    with JailedOnnx(model, batch=8) as runner:
        assert runner.run(x)["z"].tolist() == [0, 1, 2, 3, 4]
    with JailedOnnx(model, batch=4) as runner, pytest.raises(UsageError, match="larger batch"):
        runner.run(x)


def test_several_inputs_can_be_seen_but_not_fed():
    model = _model(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        [_value("a", ["n", 2]), _value("b", ["n", 2])],
        [_value("y", ["n", 2])],
    )
    with JailedOnnx(model) as runner:
        assert [v.name for v in runner.inputs] == ["a", "b"]
        with pytest.raises(UsageError, match="one input, got 2: a, b"):
            runner.predict(np.zeros((1, 2), np.float32))


def _external(location):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return _model([node], [_value("x", ["n", 2])], [_value("y", ["n", 2])], [tensor])


def test_weights_in_other_files_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "w.bin").write_bytes(np.float32([1, 2]).tobytes())
    monkeypatch.chdir(tmp_path)
    zeros = np.zeros((1, 2), np.float32)
    assert _plain(_external("w.bin"), zeros, optimise=False)[0].tolist() == [[1, 2]]  # outside, they are
    for location in ("w.bin", str(tmp_path / "w.bin"), str(tmp_path / "w.bin")[1:]):  # the child is in /
        with pytest.raises(JailError) as caught:
            JailedOnnx(_external(location)).__enter__()
        assert caught.value.limit is None


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"no model",
        _network()[:-100],
        _model(
            [helper.make_node("Evil", ["x"], ["y"], domain="evil.ops")],
            [_value("x", ["n", 2])],
            [_value("y", ["n", 2])],
            domains=["evil.ops"],
        ),
    ],
    ids=["empty", "text", "cut", "custom operator"],
)
def test_what_cannot_be_loaded_says_why(model):
    with pytest.raises(JailError, match="a model that can be run") as caught:
        JailedOnnx(model).__enter__()
    assert caught.value.limit is None


def test_a_graph_that_asks_for_too_much_memory():
    shape = numpy_helper.from_array(np.array([1 << 34], np.int64), "s")
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["i"], to=TensorProto.INT64),  # so that it is not computed on loading
        helper.make_node("Mul", ["s", "i"], ["t"]),
        helper.make_node("ConstantOfShape", ["t"], ["y"]),
    ]
    model = _model(nodes, [_value("x", ["n", 2])], [_value("y", ["k"])], [shape])
    with JailedOnnx(model, limits=Limits(memory=256 << 20)) as runner:
        with pytest.raises(JailError, match="256 MiB of memory") as caught:
            runner.run(np.ones((1, 2), np.float32))
        assert caught.value.limit == "memory"


def test_a_graph_that_never_ends():
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [_value("k", [], TensorProto.INT64), _value("go", [], TensorProto.BOOL), _value("a", ["n", 2])],
        [_value("on", [], TensorProto.BOOL), _value("b", ["n", 2])],
    )
    tensors = [
        numpy_helper.from_array(np.array(1 << 60, np.int64), "times"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    node = helper.make_node("Loop", ["times", "yes", "x"], ["y"], body=body)
    model = _model([node], [_value("x", ["n", 2])], [_value("y", ["n", 2])], tensors)
    with JailedOnnx(model, limits=Limits(seconds=0.5)) as runner:
        with pytest.raises(JailError, match=r"within 0\.5 s") as caught:
            runner.run(np.zeros((1, 2), np.float32))
        assert caught.value.limit == "seconds"


def test_text_does_not_cross():
    model = _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [_value("x", ["n", 2])],
        [_value("y", ["n", 2])],
    )
    words = _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [_value("x", ["n"], TensorProto.STRING)],
        [_value("y", ["n"], TensorProto.STRING)],
    )
    with JailedOnnx(model) as runner, pytest.raises(UsageError, match="float inputs"):
        runner.run(np.array([["a", "b"]]))
    with JailedOnnx(words) as runner, pytest.raises(UsageError, match="arrays of numbers"):
        runner.run(np.array(["a", "b"]))


def test_nothing_is_open_but_pipes(jailed):
    descriptors = Path(f"/proc/{jailed.jail._process.pid}/fd").iterdir()
    targets = {str(d.readlink()).partition(":")[0] for d in descriptors}
    assert targets == {"pipe", "/dev/null"}
