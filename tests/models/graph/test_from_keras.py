"""Files of Keras, written by hand, become graphs that answer as their network does; what is odd about them is said."""

import io
import json
import time
import zipfile

import numpy as np
import pytest

from mithridate.core.errors import ItemError, UsageError
from mithridate.models.files.item import Item
from mithridate.models.graph.from_keras import graph_of_keras, read_keras_graph
from mithridate.models.graph.read import has_graph, read_graph
from mithridate.models.graph.same import same_graphs
from mithridate.models.graph.to_onnx import onnx_bytes
from mithridate.models.graph.to_torch import TorchGraph

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
h5py = pytest.importorskip("h5py")
ort = pytest.importorskip("onnxruntime")

from tests.models.digits import digits, network  # noqa: E402
from tests.models.graph.keras_files import (  # noqa: E402
    functional,
    host,
    item,
    layer,
    nested,
    tensor,
    trojaned,
    write_h5,
    write_keras,
)

WRITERS = {"keras": write_keras, "h5": write_h5}


def run(graph, x):
    session = ort.InferenceSession(onnx_bytes(graph), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def old_format(model):
    """The description as Keras 2 writes it."""

    def node(call, layers):
        given = call["args"][0]
        refs = [ref["config"]["keras_history"] for ref in (given if isinstance(given, list) else [given])]
        return [[name, at + (name in layers), out, {}] for name, at, out in refs]

    config = json.loads(json.dumps(model["entry"]["config"]))

    def older(config):
        inner = {e["name"] for e in config["layers"] if e["class_name"] == "Functional"}
        for entry in config["layers"]:
            entry.pop("module")
            entry.pop("registered_name", None)
            entry["inbound_nodes"] = [node(call, inner) for call in entry["inbound_nodes"]]
            if entry["class_name"] == "InputLayer":
                entry["config"]["batch_input_shape"] = entry["config"].pop("batch_shape")
            if entry["class_name"] == "Functional":
                older(entry["config"])
        config["output_layers"] = [[n, at + (n in inner), out] for n, at, out in config["output_layers"]]

    older(config)
    return {"entry": {"class_name": "Functional", "config": config}, "layers": model["layers"]}


@pytest.mark.parametrize("kind", ["keras", "h5", "old"])
def test_the_network_of_digits(kind, tmp_path):
    model = old_format(host()) if kind == "old" else host()
    path = WRITERS.get(kind, write_h5)(tmp_path / f"host.{kind if kind != 'old' else 'h5'}", model)
    assert has_graph(item(path))
    graph = read_graph(item(path))
    x = digits()[2][:50]
    with torch.no_grad():
        wanted = network()(torch.tensor(x)).numpy()
    last = x.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(run(graph, last), wanted, atol=1e-4)
    np.testing.assert_allclose(TorchGraph(graph)(torch.tensor(last)).numpy(), wanted, atol=1e-4)
    assert [node.op for node in graph.nodes].count("Transpose") == 2


@pytest.mark.parametrize("old", [False, True])
def test_both_formats_are_one_graph(old, tmp_path):
    model = trojaned()
    one = graph_of_keras(item(write_keras(tmp_path / "m.keras", model)))
    two = graph_of_keras(item(write_h5(tmp_path / "m.h5", old_format(model) if old else model)))
    assert same_graphs(one, two)


def dense(name, *inputs, size=(3, 3)):
    rng = np.random.default_rng(len(name) + ord(name[0]))
    held = {"kernel": rng.normal(size=size).astype("f4"), "bias": rng.normal(size=size[1]).astype("f4")}
    return layer("Dense", name, *inputs, weights=held, units=size[1], activation="linear")


def twice():
    """A shared layer, and a model used twice whose calls are told apart."""
    inner = functional("inner", [_input("i"), dense("a", "i")], [["a", 0, 0]])
    use = nested(inner, "x", ("inner", 0, 0))
    shared = dense("b", "x")
    shared["entry"]["inbound_nodes"].append({"args": [tensor("inner", 1)], "kwargs": {}})
    layers = [
        _input("x"),
        use,
        shared,
        layer("Add", "sum", ("b", 0, 0), ("b", 1, 0), ("inner", 0, 0), many=True),
    ]
    return functional("twice", layers, [["sum", 0, 0]]), inner["layers"][1]["weights"], shared["weights"]


def _input(name):
    return layer("InputLayer", name, batch_shape=[None, 3], dtype="float32")


@pytest.mark.parametrize("kind", WRITERS)
def test_shared_layers_and_models(kind, tmp_path):
    model, a, b = twice()
    x = np.random.default_rng(1).random((4, 3), dtype="f4")

    def one(x):
        return x @ a["kernel"] + a["bias"]

    def other(x):
        return x @ b["kernel"] + b["bias"]

    got = run(graph_of_keras(item(WRITERS[kind](tmp_path / f"m.{kind}", model))), x)
    np.testing.assert_allclose(got, other(x) + other(one(one(x))) + one(x), rtol=1e-5)


@pytest.mark.parametrize("kind", WRITERS)
def test_weights_follow_the_order_that_keras_sorts_by(kind, tmp_path):
    layers = [_input("x"), dense("one", "x"), dense("two", "one")]
    model = functional("m", layers, [["two", 0, 0]])
    usual = graph_of_keras(item(WRITERS[kind](tmp_path / f"usual.{kind}", model)))
    model["entry"]["config"]["layers"] = model["entry"]["config"]["layers"][::-1]
    assert same_graphs(usual, graph_of_keras(item(WRITERS[kind](tmp_path / f"turned.{kind}", model))))


def test_weights_under_the_wrong_name(tmp_path):
    def rename(file):
        file["layers/dense/vars"].attrs["name"] = "two"

    model = functional("m", [_input("x"), dense("one", "x"), dense("two", "one")], [["two", 0, 0]])
    with pytest.raises(ItemError, match="contradicts itself"):
        graph_of_keras(item(write_keras(tmp_path / "m.keras", model, change=rename)))

    def turn(file):
        file["model_weights"].attrs["layer_names"] = [b"x", b"two", b"one"]

    with pytest.raises(ItemError, match="contradicts itself"):
        graph_of_keras(item(write_h5(tmp_path / "m.h5", model, change=turn)))


@pytest.mark.parametrize(
    "names", [{"class_name": "Lambda"}, {"class_name": "ReLU", "registered_name": "my>ReLU"}]
)
def test_unknown_layers_are_named(names, tmp_path):
    model = host()
    model["layers"][3]["entry"].update(names)
    flat = model["layers"][4]["entry"]["inbound_nodes"][0]["args"][0]["config"]
    kind = names.get("registered_name", "Lambda")
    with pytest.raises(ItemError, match=f"comes after 'relu' .{kind}"):
        graph_of_keras(item(write_keras(tmp_path / "unknown.keras", model)))
    flat["shape"] = [None, 8, 8, 8]
    graph = graph_of_keras(item(write_keras(tmp_path / "told.keras", model)))
    assert f"keras::{kind}" in {node.op for node in graph.nodes}
    with pytest.raises(ItemError, match=f"only their maker knows: keras::{kind}"):
        onnx_bytes(graph)


def test_weights_alone_have_no_graph(tmp_path):
    path = write_h5(tmp_path / "w.h5", host(), change=lambda file: file.attrs.__delitem__("model_config"))
    assert not has_graph(item(path))


def test_tensors_know_their_layers(tmp_path):
    reading = read_keras_graph(item(write_keras(tmp_path / "m.keras", trojaned())))
    assert reading.places["host/head/Softmax"].layer == "host"
    assert reading.places["both/Add"].layer == "both"
    assert "host/head/Gemm" not in reading.places


def changed(model, name, **config):
    (part,) = (part for part in model["layers"] if part["entry"]["name"] == name)
    part["entry"]["config"].update(config)
    return model


def moved(model, name, ref):
    (part,) = (part for part in model["layers"] if part["entry"]["name"] == name)
    part["entry"]["inbound_nodes"][0]["args"] = [ref]
    return model


def called(model, name, *args, **kwargs):
    (part,) = (part for part in model["layers"] if part["entry"]["name"] == name)
    part["entry"]["inbound_nodes"][0]["args"] += args
    part["entry"]["inbound_nodes"][0]["kwargs"] = kwargs
    return model


def reweighted(model, name, change):
    (part,) = (part for part in model["layers"] if part["entry"]["name"] == name)
    part["weights"] = {key: change(value) for key, value in part["weights"].items()}
    return model


ODD = {
    "a cycle through": lambda: moved(host(), "conv", tensor("relu")),
    "a call of the layer 'relu' that is not": lambda: moved(host(), "flat", tensor("relu", 3)),
    "is given what no layer gives": lambda: moved(host(), "flat", tensor("relu", 0, 2)),
    "a call of the layer 'nobody'": lambda: moved(host(), "flat", tensor("nobody")),
    "kernel of the layer 'conv' is of shape": lambda: reweighted(host(), "conv", lambda a: a[:2]),
    "'conv' has 0 weights where": lambda: without_weights("conv"),
    "numbers that no size can be": lambda: changed(host(), "conv", strides=[10**30, 1]),
    "division by zero": lambda: changed(host(), "conv", strides=[0, 1]),
    "padding 'odd'": lambda: changed(host(), "conv", padding="odd"),
    "it needs .64000000000000, 10": lambda: changed(host(), "pixels", batch_shape=[None, 10**12, 8, 1]),
    "called with training": lambda: called(host(), "norm", training=True),
    "called with mask": lambda: called(host(), "relu", mask=tensor("pixels")),
    "called with a further argument": lambda: called(host(), "drop", True),
    "is not of numbers": lambda: changed(host(), "pixels", dtype="string"),
    "the shape of its input": lambda: changed(host(), "pixels", batch_shape=None),
}


def without_weights(name):
    model = host()
    (part,) = (part for part in model["layers"] if part["entry"]["name"] == name)
    part["weights"] = {}
    return model


@pytest.mark.parametrize("why", ODD)
def test_odd_descriptions(why, tmp_path):
    path = write_keras(tmp_path / "odd.keras", ODD[why]())
    with pytest.raises(ItemError, match=why):
        graph_of_keras(item(path))


def archive(**members):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, content in members.items():
            file.writestr({"config": "config.json", "weights": "model.weights.h5"}.get(name, name), content)
    return whole.getvalue()


def deep(levels):
    text = '{"class_name": "Dense", "config": {"name": "d", "units": 1}}'
    for _ in range(levels):
        text = '{"class_name": "Sequential", "config": {"name": "s", "layers": [' + text + "]}}"
    return text


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = write_keras(tmp_path_factory.mktemp("sound") / "m.keras", host())
    with zipfile.ZipFile(path) as file:
        return path.read_bytes(), file.read("config.json"), file.read("model.weights.h5")


def test_broken_files(sound):
    whole, config, weights = sound
    broken = {
        "no zip": whole[: len(whole) // 2],
        "no member 'config.json'": archive(weights=weights),
        "no model.weights.h5": archive(config=config),
        "'model.weights.npz', which is not read": archive(config=config, **{"model.weights.npz": b"x"}),
        "no HDF5": archive(config=config, weights=b"nothing"),
        "truncated": archive(config=config, weights=weights[:3000]),
        "no sound JSON": archive(config=config[:-9], weights=weights),
        "a description without a model": archive(config=b"[1]", weights=weights),
        "not sound": archive(
            config=b'{"class_name": "Functional", "config": {"layers": [5]}}', weights=weights
        ),
        "written in Python": archive(config=b'{"class_name": "My", "config": {}}', weights=weights),
        "twice": archive(
            config=b'{"class_name": "My", "class_name": "Functional", "config": {}}', weights=weights
        ),
        "nested more than 32 deep": archive(config=deep(60), weights=weights),
        "nested (too|more)": archive(config=deep(1000), weights=weights),
    }
    for why, content in broken.items():
        odd = Item(name="m.keras", kind="keras", size=len(content), opener=lambda c=content: io.BytesIO(c))
        with pytest.raises(ItemError, match=why):
            graph_of_keras(odd)


def test_models_that_double_at_every_level(tmp_path):
    model = functional("m0", [_input("i"), layer("ReLU", "r", "i")], [["r", 0, 0]])
    for level in range(25):
        model = functional(
            f"m{level + 1}", [_input("i"), nested(model, "i", (f"m{level}", 0, 0))], [[f"m{level}", 2, 0]]
        )
    start = time.perf_counter()
    with pytest.raises(ItemError, match="more than 50,000 calls"):
        graph_of_keras(item(write_keras(tmp_path / "m.keras", model)))
    assert time.perf_counter() - start < 30


def test_weights_that_lie_elsewhere_or_are_too_many(tmp_path):
    kernel = "model_weights/conv/conv/kernel:0"

    def outside(file):
        del file[kernel]
        file[kernel] = h5py.ExternalLink("/etc/passwd", "/x")

    def bomb(file):
        file.create_dataset(
            "model_weights/z", shape=(1 << 40,), dtype="f4", chunks=(1 << 20,), compression="gzip"
        )

    for change, why in ((outside, "are missing"), (bomb, "weights of more than")):
        with pytest.raises(ItemError, match=why):
            graph_of_keras(item(write_h5(tmp_path / "m.h5", host(), change=change)))


def function(name, called, *node):
    """A function of TensorFlow as Keras 2 writes it."""
    kind = "SlicingOpLambda" if "getitem" in called else "TFOpLambda"
    entry = {
        "class_name": kind,
        "config": {"name": name, "function": called},
        "name": name,
        "inbound_nodes": [*node],
    }
    return {"entry": entry, "weights": {}}


def arithmetic():
    """softmax(2 a + b)[:, :2] and 1 - that, side by side."""
    layers = [_input("x"), dense("a", "x"), dense("b", "x")]
    model = old_format(functional("m", layers, [["x", 0, 0]]))
    span = {"start": None, "stop": None, "step": None}
    more = [
        function("twice", "math.multiply", ["a", 0, 0, {"y": 2.0, "name": None}]),
        function("sum", "__operators__.add", ["twice", 0, 0, {"y": ["b", 0, 0], "name": None}]),
        function("soft", "nn.softmax", ["sum", 0, 0, {"axis": -1}]),
        function(
            "part", "__operators__.getitem", ["soft", 0, 0, {"slice_spec": [span, {**span, "stop": 2}]}]
        ),
        function("rest", "math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["part", 0, 0], "name": None}]),
        function("both", "concat", [["part", 0, 0, {"axis": -1}], ["rest", 0, 0, {"axis": -1}]]),
    ]
    config = model["entry"]["config"]
    config["layers"] += [part["entry"] for part in more]
    config["output_layers"] = [["both", 0, 0]]
    return {**model, "layers": [*layers, *more]}, layers[1]["weights"], layers[2]["weights"]


def test_functions_of_tensorflow(tmp_path):
    model, a, b = arithmetic()
    x = np.random.default_rng(1).random((4, 3), dtype="f4")
    graph = graph_of_keras(item(write_h5(tmp_path / "m.h5", model)))
    score = 2 * (x @ a["kernel"] + a["bias"]) + x @ b["kernel"] + b["bias"]
    part = (np.exp(score) / np.exp(score).sum(axis=1, keepdims=True))[:, :2]
    np.testing.assert_allclose(run(graph, x), np.hstack([part, 1 - part]), rtol=1e-5)


def test_a_function_of_tensorflow_that_is_not_known(tmp_path):
    model, _, _ = arithmetic()
    model["entry"]["config"]["layers"][-1]["config"]["function"] = "io.read_file"
    with pytest.raises(ItemError, match=r"the function tf\.io\.read_file"):
        graph_of_keras(item(write_h5(tmp_path / "m.h5", model)))


def test_the_first_versions_of_the_format(tmp_path):
    """Those of Keras 2.13 kept layers under another name."""

    def rename(file):
        file.move("layers", "_layer_checkpoint_dependencies")

    usual = graph_of_keras(item(write_keras(tmp_path / "m.keras", host())))
    older = graph_of_keras(item(write_keras(tmp_path / "o.keras", host(), change=rename)))
    assert same_graphs(usual, older)


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr("mithridate.models.graph.keras.archive.has_h5py", lambda: False)
    path = write_keras(tmp_path / "m.keras", host())
    with pytest.raises(UsageError, match=r"pip install 'mithridate\[artifacts\]'"):
        graph_of_keras(item(path))


def test_windows_larger_than_what_they_move_over(tmp_path):
    """The library that knows shapes ends the process where a size becomes negative: it is not asked."""
    layers = [
        layer("InputLayer", "x", batch_shape=[None, 8, 8, 1], dtype="float32"),
        layer("MaxPooling2D", "pool", "x", pool_size=[20, 20], strides=[1, 1]),
        layer("Cropping2D", "crop", "pool", cropping=[[1, 1], [1, 1]]),
        layer("Flatten", "flat", "crop"),
    ]
    path = write_keras(tmp_path / "m.keras", functional("m", layers, [["flat", 0, 0]]))
    with pytest.raises(ItemError, match="unknown number of axes"):
        graph_of_keras(item(path))
