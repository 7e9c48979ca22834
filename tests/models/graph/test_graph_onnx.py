"""Graphs from ONNX: nothing lost on the way there and back, nothing accepted that contradicts itself."""

import numpy as np
import pytest

from mithridate.core.errors import ItemError
from mithridate.models.graph.flow import flow_of
from mithridate.models.graph.ir import reads

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx  # noqa: E402
from mithridate.models.graph.to_onnx import onnx_bytes  # noqa: E402

FLOAT = TensorProto.FLOAT


def info(name, *shape):
    return helper.make_tensor_value_info(name, FLOAT, list(shape))


def model(nodes, inputs, outputs, constants=(), functions=(), domains=()):
    graph = helper.make_graph(
        nodes, "g", inputs, outputs, [numpy_helper.from_array(a, name) for name, a in constants]
    )
    imports = [helper.make_opsetid("", 17), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions)


def run(content, **feeds):
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def chain():
    w = np.arange(6, dtype=np.float32).reshape(3, 2)
    return model(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"], name="act"),
            helper.make_node("Softmax", ["r"], ["y"], axis=1),
        ],
        [info("x", None, 3)],
        [info("y", None, 2)],
        [("w", w)],
    )


def test_there_and_back():
    made = chain()
    graph = graph_of_model(made)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert np.array_equal(run(onnx_bytes(graph), x=x)[0], run(made.SerializeToString(), x=x)[0])
    assert list(graph.inputs) == ["x"]
    assert graph.inputs["x"].shape == (None, 3)
    assert [node.op for node in graph.nodes] == ["MatMul", "Relu", "Softmax"]
    assert len({node.name for node in graph.nodes}) == 3
    assert graph.constants["w"].nonzero == 5


def test_a_part():
    graph = graph_of_model(chain())
    part = graph.cut(["r"])
    x = np.ones((2, 3), dtype=np.float32)
    assert run(onnx_bytes(part), x=x)[0].shape == (2, 2)
    assert len(part.nodes) == 2
    later = graph.cut(["y"], {"r": graph.outputs["y"]})
    assert list(later.inputs) == ["r"]
    assert not later.constants


def test_order_is_found_where_the_file_keeps_none():
    made = chain()
    nodes = list(made.graph.node)[::-1]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    assert [node.op for node in graph_of_model(made).nodes] == ["MatMul", "Relu", "Softmax"]


def test_functions_are_put_in():
    body = helper.make_function(
        "own", "Twice", ["a"], ["b"],
        [helper.make_node("Add", ["a", "a"], ["t"]), helper.make_node("Relu", ["t"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    made = model(
        [
            helper.make_node("Twice", ["x"], ["h"], domain="own"),
            helper.make_node("Twice", ["h"], ["y"], domain="own"),
        ],
        [info("x", None, 3)],
        [info("y", None, 3)],
        functions=[body],
        domains=["own"],
    )
    graph = graph_of_model(made)
    assert [node.op for node in graph.nodes] == ["Add", "Relu", "Add", "Relu"]
    x = np.ones((2, 3), dtype=np.float32)
    assert (run(onnx_bytes(graph), x=x)[0] == 4).all()


def test_bodies_read_from_outside():
    then = helper.make_graph([helper.make_node("Relu", ["x"], ["p"])], "then", [], [info("p", None, 3)])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["q"])], "else", [], [info("q", None, 3)])
    made = model(
        [
            helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
            helper.make_node("Greater", ["s", "zero"], ["c"]),
            helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
        ],
        [info("x", None, 3)],
        [info("y", None, 3)],
        [("zero", np.float32(0))],
    )
    graph = graph_of_model(made)
    assert set(reads(graph.nodes[-1])) == {"c", "x"}
    assert len(graph.nodes[-1].bodies) == 2
    assert (run(onnx_bytes(graph), x=-np.ones((1, 3), np.float32))[0] == 1).all()


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"])], "cycle"),
        ([("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])], "made twice"),
    ],
)
def test_contradictions_are_refused(nodes, says):
    made = model(
        [helper.make_node(op, list(a), list(b)) for op, a, b in nodes],
        [info("x", None, 3)],
        [info("y", None, 3)],
    )
    with pytest.raises(ItemError, match=says):
        graph_of_model(made)


def function(name, *calls):
    nodes = [helper.make_node(op, ["a"], [f"b{k}"], domain="own") for k, op in enumerate(calls)]
    nodes.append(helper.make_node("Sum", [f"b{k}" for k in range(len(calls))] or ["a"], ["b"]))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], nodes, imports)


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ([function("f", "f")], "nested"),
        ([function(f"f{k}" if k < 15 else "f", *[f"f{k - 1}"] * 3 if k else []) for k in range(16)], "calls"),
    ],
    ids=["itself", "three times at every level"],
)
def test_functions_without_end_are_refused(functions, says):
    made = model(
        [helper.make_node("f", ["x"], ["y"], domain="own")], [info("x", None, 3)], [info("y", None, 3)],
        functions=functions, domains=["own"],
    )  # fmt: skip
    with pytest.raises(ItemError, match=says):
        graph_of_model(made)


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"PK\x03\x04" + b"a" * 40, b"\x08\x07"])
def test_no_model(content):
    with pytest.raises(ItemError):
        parse_onnx(content, "thing")


def test_what_has_no_form_in_onnx_is_refused():
    made = model(
        [helper.make_node("Own", ["x"], ["y"], domain="mine")], [info("x", None, 3)], [info("y", None, 3)]
    )
    with pytest.raises(ItemError, match="mine::Own"):
        onnx_bytes(graph_of_model(made))


def test_flow_counts_layers_and_numbers():
    flow = flow_of(graph_of_model(chain()))
    assert flow.depth == {"x": 0, "h": 1, "r": 1, "y": 1}
    assert flow.after["x"] == 1
    assert flow.after["h"] == 0
    assert flow.mass((1 << 3) - 1) == 5


def test_padding_with_zeros_adds_no_numbers():
    made = model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], [info("x", None, 3)], [info("y", None, 900)],
        [("w", np.zeros((3, 900), np.float32))],
    )  # fmt: skip
    assert flow_of(graph_of_model(made)).mass(1) == 0


def test_a_shape_is_no_value():
    made = model(
        [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("ConstantOfShape", ["s"], ["ones"]),
            helper.make_node("Add", ["x", "ones"], ["y"]),
        ],
        [info("x", None, 3)],
        [info("y", None, 3)],
    )
    assert set(flow_of(graph_of_model(made)).depth) == {"x", "y"}
