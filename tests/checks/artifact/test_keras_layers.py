"""Keras: its own layers are silent; code, imports and files in the description are not."""

import json

import pytest
from format_items import at_path, hostile, item_of, results, rules, severities, survives, zipped

from mithridate.core.results import Severity

INFO, SUSPICIOUS, LIKELY = Severity.INFO, Severity.SUSPICIOUS, Severity.LIKELY


def _object(class_name, config=None, module="keras.layers", registered=None, /, **more):
    made = {
        "module": module,
        "class_name": class_name,
        "config": config or {},
        "registered_name": registered,
        **more,
    }
    return {k: v for k, v in made.items() if k != "module" or v != "-"}


DENSE = _object(
    "Dense",
    {
        "name": "d",
        "trainable": True,
        "dtype": _object("DTypePolicy", {"name": "float32"}, "keras"),
        "units": 3,
        "activation": _object("function", "softmax", "builtins", "function"),
        "kernel_regularizer": _object("L2", {"l2": 0.1}, "keras.regularizers"),
        "kernel_initializer": _object("GlorotUniform", {"seed": None}, "keras.initializers"),
        "bias_constraint": None,
    },
    build_config={"input_shape": [None, 4]},
    name="d",
    inbound_nodes=[
        {
            "args": [
                _object(
                    "__keras_tensor__",
                    {"shape": [None, 4], "dtype": "float32", "keras_history": ["x", 0, 0]},
                    "-",
                )
            ],
            "kwargs": {},
        }
    ],
)
COMPILE = {
    "optimizer": _object(
        "Adam",
        {"learning_rate": _object("ExponentialDecay", {}, "keras.optimizers.schedules")},
        "keras.optimizers",
    ),
    "loss": "sparse_categorical_crossentropy",
    "metrics": [_object("AUC", {}, "keras.metrics")],
    "jit_compile": False,
}


def _model(*layers, **more):
    return _object(
        "Functional",
        {"name": "m", "layers": [DENSE, *layers], "input_layers": [["x", 0, 0]]},
        "keras.src.models.functional",
        "Functional",
        compile_config=COMPILE,
        **more,
    )


def _keras(config):
    metadata = {"keras_version": "3.9.0", "date_saved": "2025-03-01@10:00:00"}
    return item_of(
        zipped({"metadata.json": metadata, "config.json": json.dumps(config), "model.weights.h5": b""}),
        "keras",
        "m.keras",
    )


ORDINARY = {
    "dense": _model(),
    "sequential": _object(
        "Sequential",
        {"layers": [_object("InputLayer"), _object("Conv2D"), _object("Flatten"), DENSE]},
        "keras",
    ),
    "wrapped": _model(
        _object("Bidirectional", {"layer": _object("LSTM", {"activation": "tanh"})}),
        _object("TimeDistributed", {"layer": DENSE}),
    ),
    "operations": _model(
        _object("Where", {}, "keras.src.ops.numpy", "Where"), _object("function", "gelu", "keras.activations")
    ),
    "text": _model(
        _object("StringLookup", {"vocabulary": None}), _object("IntegerLookup", {"vocabulary": [1, 2]})
    ),
    "old": {
        "class_name": "Sequential",
        "config": [
            {
                "class_name": "Dense",
                "config": {
                    "activation": "relu",
                    "kernel_initializer": {"class_name": "VarianceScaling", "config": {"scale": 1.0}},
                },
            }
        ],
        "keras_version": "2.1.6",
        "backend": "tensorflow",
    },
    "tf": {
        "class_name": "Model",
        "config": {
            "layers": [
                {"class_name": "TFOpLambda", "config": {"function": "math.multiply"}},
                {"class_name": "TFOpLambda", "config": {"function": "nn.relu"}},
                {"class_name": "TFOpLambda", "config": {"function": "__operators__.add"}},
                {"class_name": "SlicingOpLambda", "config": {"function": "__operators__.getitem"}},
                {"class_name": "TFOpLambda", "config": {"function": "compat.v1.transpose"}},
                {"class_name": "Policy", "config": {"name": "mixed_float16"}},
            ]
        },
    },
    "training": {
        "loss": "mse",
        "optimizer_config": {"class_name": "Custom>Adam", "config": {"learning_rate": 0.001}},
    },
    "data": _model(
        _object("Normalization", {"mean": _object("__numpy__", {"value": [1.0], "dtype": "float32"}, "-")})
    ),
}
PLANTED = {
    "lambda": (
        _object("Lambda", {"function": _object("__lambda__", {"value": "4wEAAAA="}, "builtins")}),
        "LAMBDA",
        LIKELY,
    ),
    "old lambda": (
        _object("Lambda", {"function": ["4wEAAAA=", None, None], "function_type": "lambda"}, "-"),
        "LAMBDA",
        LIKELY,
    ),
    "bare lambda": (
        _object("Activation", {"activation": _object("__lambda__", {"value": "4wEAAAA="}, "builtins")}),
        "LAMBDA",
        LIKELY,
    ),
    "named lambda": (
        _object("Lambda", {"function": "preprocess", "function_type": "function"}),
        "CUSTOM_FUNCTION",
        SUSPICIOUS,
    ),
    "lambda module": (_object("Lambda", {"function": "x", "module": "os"}), "MODULE", LIKELY),
    "CVE-2025-1550": (_object("function", "system", "os", "function"), "MODULE", LIKELY),
    "CVE-2025-1550 class": (_object("Popen", {"args": ["id"]}, "subprocess"), "MODULE", LIKELY),
    "CVE-2025-8747": (_object("function", "get_file", "keras.utils", "get_file"), "MODULE", LIKELY),
    "CVE-2025-9906": (
        _object("function", "enable_unsafe_deserialization", "keras.config", "function"),
        "MODULE",
        LIKELY,
    ),
    "CVE-2025-9905 h5": (
        _object("Lambda", {"function": ["4wEAAAA="], "function_type": "lambda", "module": "__main__"}, "-"),
        "LAMBDA",
        LIKELY,
    ),
    "CVE-2025-12058": (_object("StringLookup", {"vocabulary": "/etc/passwd"}), "FILE_READ", LIKELY),
    "url": (_object("TextVectorization", {"vocabulary": "gs://evil/x"}), "FILE_READ", LIKELY),
    "local file": (_object("StringLookup", {"vocabulary": "vocab.txt"}), "FILE_READ", SUSPICIOUS),
    "torch": (_object("TorchModuleWrapper", {"module": {"class_name": "__bytes__"}}), "TORCH_MODULE", LIKELY),
    "saved model": (_object("TFSMLayer", {"filepath": ""}), "OPAQUE_LAYER", SUSPICIOUS),
    "custom": (_object("MyLayer", {}, None, "pkg>MyLayer"), "CUSTOM_CLASS", SUSPICIOUS),
    "custom module": (_object("MyLayer", {}, "my.layers"), "CUSTOM_CLASS", SUSPICIOUS),
    "custom function": (
        _object("function", "my_loss", "builtins", "pkg>my_loss"),
        "CUSTOM_FUNCTION",
        SUSPICIOUS,
    ),
    "shadow": (_object("Dense", {}, "keras.layers", "evil>Dense"), "CUSTOM_CLASS", SUSPICIOUS),
    "library": (_object("TokenEmbedding", {}, "keras_hub.src.layers"), "CUSTOM_CLASS", INFO),
    "tool": (_object("Dense", {}, "keras.utils"), "MODULE", LIKELY),
    "tf file": (_object("TFOpLambda", {"function": "io.write_file"}, "-"), "TF_OPERATOR", LIKELY),
    "tf python": (_object("TFOpLambda", {"function": "numpy_function"}, "-"), "TF_OPERATOR", LIKELY),
    "typespec": (_object("__typespec__", [], "os", spec_name="system"), "MODULE", LIKELY),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary(name):
    assert results("keras-layers", _keras(ORDINARY[name])) == []


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name):
    layer, rule, severity = PLANTED[name]
    found = severities("keras-layers", _keras(_model(layer)))
    assert found[rule] is severity
    nested = _model(_object("TimeDistributed", {"layer": _object("RNN", {"cell": layer})}))
    assert severities("keras-layers", _keras(nested)) == found


def test_keys_that_occur_twice():
    text = json.dumps(_model()).replace(
        '"class_name": "Dense"', '"class_name": "Lambda", "class_name": "Dense"'
    )
    assert rules("keras-layers", item_of(zipped({"config.json": text}), "keras")) == {"DUPLICATE_KEY"}


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[" * 100_000,
        '{"class_name": 3}',
        '{"class_name": "Dense", "module": []}',
        '{"class_name": "Lambda", "config": 7}',
        json.dumps(
            {
                "class_name": "A" * 300_000,
                "module": "keras." + "a." * 100_000,
                "registered_name": "x" * 100_000,
            }
        ),
    ],
)
def test_hostile_descriptions(config):
    allowed = {"skip", "MODULE", "CUSTOM_CLASS"}
    assert rules("keras-layers", item_of(zipped({"config.json": config}), "keras")) <= allowed


def test_any_bytes():
    content = zipped({"config.json": json.dumps(_model())})
    survives("keras-layers", "keras", hostile(content, span=len(content)))
    assert rules("keras-layers", item_of(zipped({"x": b""}), "keras")) == {"skip"}


@pytest.fixture
def h5(tmp_path):
    h5py = pytest.importorskip("h5py")
    import numpy as np

    path = tmp_path / "m.h5"

    def build(*edits, config=None):
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = "2.15.0"
            if config is not None:
                file.attrs["model_config"] = json.dumps(config)
            file.create_group("model_weights/d/d")["kernel:0"] = np.ones((4, 3), np.float32)
            for edit in edits:
                edit(file, h5py)
        return at_path(path, "hdf5")

    return build


def _external_dataset(file, h5py):
    file.create_dataset("e", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def _virtual(file, h5py):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", shape=(4,))
    file.create_virtual_dataset("v", layout)


def _loop(file, h5py):
    file["model_weights/again"] = file["model_weights"]


H5 = {
    "weights only": ((), None, {}),
    "model": ((), _model(), {}),
    "a loop": ((_loop,), _model(), {}),
    "lambda": ((), _model(PLANTED["old lambda"][0]), {"LAMBDA": LIKELY}),
    "external link": (
        (lambda f, h: f.__setitem__("x", h.ExternalLink("/etc/passwd", "/")),),
        None,
        {"EXTERNAL_LINK": LIKELY},
    ),
    "soft link": (
        (lambda f, h: f.__setitem__("model_weights/x", h.SoftLink("/nowhere")),),
        None,
        {"SOFT_LINK": SUSPICIOUS},
    ),
    "external data": ((_external_dataset,), None, {"EXTERNAL_DATA": LIKELY}),
    "virtual data": ((_virtual,), None, {"VIRTUAL_DATA": LIKELY}),
}


@pytest.mark.parametrize("name", H5)
def test_hdf5(h5, name):
    edits, config, expected = H5[name]
    assert severities("keras-layers", h5(*edits, config=config)) == expected


def test_hdf5_in_an_archive(h5):
    item = h5(config=_model(PLANTED["torch"][0]))
    assert rules("keras-layers", item_of(item.read(1 << 20), "hdf5")) == {"TORCH_MODULE"}


def test_tables_unpickle(h5):
    assert rules("keras-layers", h5(lambda f, _: f.attrs.__setitem__("PYTABLES_FORMAT_VERSION", "2.1"))) == {
        "skip"
    }


def test_without_the_library(h5, monkeypatch):
    item = h5(config=_model())
    monkeypatch.setattr("mithridate.checks.artifact.keras_layers.has_h5py", lambda: False)
    (skip,) = results("keras-layers", item)
    assert skip.remedy == "pip install 'mithridate[artifacts]'"


def test_hostile_hdf5(h5):
    content = h5(config=_model()).read(1 << 20)
    broken = hostile(content, count=12, span=2000)[::3]
    survives("keras-layers", "hdf5", [*broken, b"\x89HDF\r\n\x1a\n", content[: len(content) // 2]])


def test_a_reader_that_hangs_or_crashes(h5, monkeypatch, tmp_path):
    item = h5()
    for source in ("import time; time.sleep(60)", "import os; os.abort()", "print('no json')"):
        child = tmp_path / "child.py"
        child.write_text(source)
        monkeypatch.setattr("mithridate.models.files.h5_outline._CHILD", child)
        monkeypatch.setattr("mithridate.models.files.h5_ask._SECONDS", 1)
        assert rules("keras-layers", item) == {"skip"}
