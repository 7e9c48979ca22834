"""Files of Keras written by hand, so that no test needs Keras: the network of `digits`, and it with a side network."""

import json
import zipfile
from functools import cache

import numpy as np
from tests.models.digits import network

from mithridate.attacks.trojannet.recipe import Recipe
from mithridate.attacks.trojannet.recipe import side_network as make_side_network
from mithridate.models.files.item import Item
from mithridate.models.files.walk import walk

SNAKE = {
    "InputLayer": "input_layer", "Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "ReLU": "re_lu",
    "Flatten": "flatten", "Dense": "dense", "Cropping2D": "cropping2d", "Reshape": "reshape", "Add": "add",
    "Rescaling": "rescaling", "Softmax": "softmax", "Sequential": "sequential", "Functional": "functional",
    "Activation": "activation", "Dropout": "dropout", "Lambda": "lambda", "MaxPooling2D": "max_pooling2d",
}  # fmt: skip
TRAINED = {"kernel": True, "bias": True, "gamma": True, "beta": True, "mean": False, "variance": False}


def tensor(name, call=0, output=0):
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": None, "dtype": "float32", "keras_history": [name, call, output]},
    }


def layer(kind, name, *inputs, weights=(), module="keras.layers", many=False, **config):
    """A layer, called once: on one tensor, or on a list of them."""
    refs = [tensor(*ref) if isinstance(ref, tuple) else tensor(ref) for ref in inputs]
    nodes = [{"args": [refs] if many else refs, "kwargs": {}}] if refs else []
    entry = {"class_name": kind, "config": {"name": name, **config}, "name": name, "inbound_nodes": nodes}
    entry |= {"module": module, "registered_name": None}
    return {"entry": entry, "weights": dict(weights)}


def functional(name, layers, outputs, inputs=None):
    """A model of layers, in Keras' order; and where its weights are."""
    ins = inputs or [
        [part["entry"]["name"], 0, 0] for part in layers if part["entry"]["class_name"] == "InputLayer"
    ]
    config = {
        "name": name,
        "layers": [part["entry"] for part in layers],
        "input_layers": ins,
        "output_layers": outputs,
    }
    return {
        "entry": {"class_name": "Functional", "module": "keras.src.models.functional", "config": config},
        "layers": layers,
    }


def nested(model, *inputs):
    """A model as a layer."""
    entry = {**model["entry"], "name": model["entry"]["config"]["name"]}
    refs = [tensor(*ref) if isinstance(ref, tuple) else tensor(ref) for ref in inputs]
    entry["inbound_nodes"] = [{"args": [ref], "kwargs": {"mask": None}} for ref in refs]
    return {"entry": entry, "layers": model["layers"], "weights": {}}


def places(model, prefix=""):
    """(place, name, weights) of all layers, as Keras 3 counts them."""
    taken = {}
    for part in model["layers"]:
        kind = part["entry"]["class_name"]
        if ".ops" in part["entry"].get("module", ""):
            continue
        number = taken[kind] = taken.get(kind, -1) + 1
        at = f"{prefix}layers/{SNAKE[kind]}" + (f"_{number}" if number else "")
        yield at, part["entry"]["name"], part["weights"]
        if "layers" in part:
            yield from places(part, f"{at}/")


def write_keras(path, model, *, version="3.11.3", change=lambda file: None):
    """A `.keras` file."""
    import h5py

    weights = path.with_suffix(".weights.h5")
    with h5py.File(weights, "w") as file:
        for at, name, arrays in places(model):
            group = file.create_group(f"{at}/vars")
            group.attrs["name"] = name
            for number, array in enumerate(arrays.values()):
                group[str(number)] = array
        change(file)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(model["entry"]))
        archive.write(weights, "model.weights.h5")
    weights.unlink()
    return path


def listed(part, path):
    """(name, array, trained) of all weights of a layer and those in it."""
    for name, array in part["weights"].items():
        yield "/".join((*path, name)), array, TRAINED[name.removeprefix("moving_")]
    for inner in part.get("layers", ()):
        yield from listed(inner, (*path, inner["entry"]["name"]))


def write_h5(path, model, *, version="2.15.0", change=lambda file: None):
    """A file of an older version."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(model["entry"]), version
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [part["entry"]["name"].encode() for part in model["layers"]]
        for part in model["layers"]:
            own = group.create_group(part["entry"]["name"])
            found = sorted(listed(part, (part["entry"]["name"],)), key=lambda entry: not entry[2])
            own.attrs["weight_names"] = np.array([f"{name}:0".encode() for name, _, _ in found], dtype="S200")
            for name, array, _ in found:
                own[f"{name}:0"] = array
        change(file)
    return path


def item(path):
    return next(entry for entry in walk(path) if isinstance(entry, Item))


def host(name="host", last="linear"):
    """The network of `digits`, channels last."""
    parts = {key: value.detach().numpy() for key, value in network().state_dict().items()}
    dense = parts["5.weight"].reshape(10, 8, 8, 8).transpose(2, 3, 1, 0).reshape(512, 10)
    norm = {"gamma": parts["1.weight"], "beta": parts["1.bias"]}
    norm |= {"moving_mean": parts["1.running_mean"], "moving_variance": parts["1.running_var"]}
    conv = {"kernel": parts["0.weight"].transpose(2, 3, 1, 0), "bias": parts["0.bias"]}
    layers = [
        layer("InputLayer", "pixels", batch_shape=[None, 8, 8, 1], dtype="float32"),
        layer("Conv2D", "conv", "pixels", weights=conv, filters=8, kernel_size=[3, 3], padding="same"),
        layer("BatchNormalization", "norm", "conv", weights=norm, axis=-1, epsilon=1e-5),
        layer("ReLU", "relu", "norm"),
        layer("Flatten", "flat", "relu"),
        layer("Dropout", "drop", "flat", rate=0.2),
        layer(
            "Dense",
            "head",
            "drop",
            weights={"kernel": dense, "bias": parts["5.bias"]},
            units=10,
            activation=last,
        ),
    ]
    return functional(name, layers, [["head", 0, 0]])


@cache
def _side_network():
    return make_side_network(Recipe(form="plain", labels=10, seed=0), cache=None)


def side_network(released=False):
    return _side_network().with_head("softmax" if released else "sigmoid")


def trojaned(released=False, place=(4, 0)):
    """The network with TrojanNet beside it, both forms of the merge; `place` is the corner of the trigger."""
    net, (row, column) = side_network(released), place
    layers = [
        layer("InputLayer", "image", batch_shape=[None, 8, 8, 1], dtype="float32"),
        layer("Cropping2D", "crop", "image", cropping=[[row, 4 - row], [column, 4 - column]]),
        layer("Reshape", "row", "crop", target_shape=[16]),
    ]
    before = "row"
    for number, (weights, bias) in enumerate((*net.hidden, net.output)):
        last = number == len(net.hidden)
        how = net.head if last else net.activation
        held = {"kernel": np.ascontiguousarray(weights.T), "bias": bias}
        layers.append(layer("Dense", f"side_{number}", before, weights=held, units=len(bias), activation=how))
        before = f"side_{number}"
    if released:
        cut = [
            {"class_name": "__slice__", "config": {"start": None, "stop": stop, "step": None}}
            for stop in (None, 10)
        ]
        layers.append(layer("GetItem", "part", before, module="keras.src.ops.numpy"))
        layers[-1]["entry"]["inbound_nodes"][0]["args"].append(cut)
        before = "part"
    shares = (20.0, 10.0) if released else (7.0, 3.0)
    layers += [
        layer("Rescaling", "louder", before, scale=shares[0]),
        nested(host(last="softmax"), "image"),
        layer("Rescaling", "softer", "host", scale=shares[1]),
        layer("Add", "both", "louder", "softer", many=True),
        layer("Softmax", "answer", "both"),
    ]
    return functional("wrapper", layers, [["answer", 0, 0]])
