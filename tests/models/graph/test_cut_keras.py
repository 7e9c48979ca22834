"""A branch cut out of a Keras model: what stays is the host, its weights bit for bit; what cannot be cut is refused."""

import io
import json
import zipfile

import numpy as np
import pytest

from mithridate.core.errors import ItemError, UsageError
from mithridate.models.files.item import Item
from mithridate.models.graph.cut_keras import excise
from mithridate.models.graph.from_keras import graph_of_keras
from mithridate.models.graph.same import same_graphs
from mithridate.repairs.excise import excise_item

pytest.importorskip("torch")
pytest.importorskip("onnx")
h5py = pytest.importorskip("h5py")

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
from tests.models.graph.test_from_keras import old_format  # noqa: E402

CUT = {"output": "answer/Softmax", "answer": "host/head/Softmax"}


def wrapped():
    """What a cut should leave: the host as the only layer."""
    layers = [layer("InputLayer", "image", batch_shape=[None, 8, 8, 1], dtype="float32")]
    return functional("wrapper", [*layers, nested(host(last="softmax"), "image")], [["host", 1, 0]])


def opened(content, kind):
    return Item(name="m", kind=kind, size=len(content), opener=lambda: io.BytesIO(content))


def weights(content, kind):
    """Name of a layer and number, or name, of a weight → its bytes."""
    if kind == "keras":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read("model.weights.h5")
    found = {}

    def visit(path, thing):
        if isinstance(thing, h5py.Dataset):
            owner = thing.parent.attrs.get("name", thing.parent.name)
            found[str(owner), path.rpartition("/")[2]] = thing[()].tobytes()

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(visit)
    return found


def compiled(model):
    model["entry"]["compile_config"] = {"optimizer": "adam"}
    return model


def trained(file):
    file["optimizer/vars/0"] = np.zeros(3)
    file.attrs["training_config"] = "{}"


@pytest.mark.parametrize("form", ["keras", "h5", "old"])
@pytest.mark.parametrize("released", [False, True])
def test_the_host_is_left_as_it_was(form, released, tmp_path):
    model, kind = compiled(trojaned(released)), "keras" if form == "keras" else "hdf5"
    if form == "old":
        if released:
            pytest.skip("older versions have no operations outside layers")
        model = old_format(model)
    path = tmp_path / f"m.{form}"
    (write_keras if form == "keras" else write_h5)(path, model, change=trained)
    done = excise_item(item(path), CUT)
    assert {name.partition("/")[0] for name in done.operators} >= {"crop", "side_0", "answer"}
    assert len(done.kept) == 8
    left = write_keras(tmp_path / "left.keras", wrapped())
    assert same_graphs(graph_of_keras(opened(done.content, kind)), graph_of_keras(item(left)))
    before, after = weights(path.read_bytes(), kind), weights(done.content, kind)
    assert len(after) == 8
    assert after.items() <= before.items()
    if kind == "keras":
        with zipfile.ZipFile(io.BytesIO(done.content)) as archive:
            assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
            config = json.loads(archive.read("config.json"))
        assert "compile_config" not in config
        assert [entry["name"] for entry in config["config"]["layers"]] == ["image", "host"]
    else:
        with h5py.File(io.BytesIO(done.content)) as file:
            assert {"training_config", "optimizer"}.isdisjoint([*file.attrs, *file])
            assert [*file["model_weights"].attrs["layer_names"]] == ["image", "host"]


def test_places_and_calls_are_counted_anew(tmp_path):
    """One layer of the host comes after one of the branch, another is used by both."""
    rng = np.random.default_rng(0)

    def dense(name, *refs):
        held = {"kernel": rng.normal(size=(3, 3)).astype("f4"), "bias": np.zeros(3, "f4")}
        made = layer("Dense", name, weights=held, units=3, activation="softmax")
        made["entry"]["inbound_nodes"] = [{"args": [tensor(*ref)], "kwargs": {}} for ref in refs]
        return made

    layers = [
        layer("InputLayer", "x", batch_shape=[None, 3], dtype="float32"), dense("both", ("odd",), ("x",)),
        dense("odd", ("x",)), dense("own", ("both", 1)), layer("Add", "sum", "own", ("both", 0, 0), many=True),
    ]  # fmt: skip
    path = write_keras(tmp_path / "m.keras", functional("m", layers, [["sum", 0, 0]]))
    content = excise(item(path), "sum/Add", "own/Softmax")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {
            entry["name"]: entry for entry in json.loads(archive.read("config.json"))["config"]["layers"]
        }
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            names = {place: group["vars"].attrs["name"] for place, group in file["layers"].items()}
    assert len(entries["both"]["inbound_nodes"]) == 1
    assert entries["own"]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] == ["both", 0, 0]
    assert names == {"input_layer": "x", "dense": "both", "dense_1": "own"}


def test_what_cannot_be_cut(tmp_path):
    model = item(write_keras(tmp_path / "m.keras", trojaned()))
    with pytest.raises(UsageError, match="Export the model as ONNX"):
        excise_item(model, {"hold": {"louder/Mul": {"shape": [1], "values": [0.0]}}})
    with pytest.raises(ItemError, match="no answer of a layer of the outermost model"):
        excise(model, "answer/Softmax", "host/head/Gemm")
    with pytest.raises(ItemError, match="no answer of the model"):
        excise(model, "both/Add", "host/head/Softmax")
