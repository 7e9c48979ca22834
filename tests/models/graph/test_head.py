"""The last linear layer is found in every form that exporters write it in, and is not made up where there is none."""

import numpy as np
import pytest

from mithridate.models.graph.head import head_of
from mithridate.models.graph.ir import Constant, Graph, Node, Value

RNG = np.random.default_rng(0)
W, B = RNG.normal(size=(5, 8)).astype(np.float32), RNG.normal(size=5).astype(np.float32)


def graph(*steps, **constants):
    """Operators one after the other on "x"; each is (op, further inputs) or (op, further inputs, attributes)."""
    nodes, name = [], "x"
    for k, (op, more, *attributes) in enumerate(steps):
        inputs = tuple(name if given == "" else given for given in more) if "" in more else (name, *more)
        nodes.append(
            Node(name=f"n{k}", op=op, inputs=inputs, outputs=(f"t{k}",), attributes=dict(*attributes))
        )
        name = f"t{k}" if op != "Turned" else name
    return Graph(
        name="g",
        nodes=tuple(nodes),
        inputs={"x": Value(shape=(None, 8))},
        outputs={name: Value()},
        constants={key: Constant.of(np.asarray(value)) for key, value in constants.items()},
    )


GRAPHS = {
    "Gemm": graph(("Relu", ()), ("Gemm", ("w", "b"), {"transB": 1}), w=W, b=B),
    "Gemm turned": graph(("Gemm", ("w", "b"), {"alpha": 0.5, "beta": 2.0}), ("Softmax", ()), w=2 * W.T, b=B / 2),
    "MatMul, Add": graph(("MatMul", ("w",)), ("Add", ("b", "")), w=W.T, b=B),
    "convolution": graph(
        ("Conv", ("w", "b"), {"kernel_shape": (1, 1)}), ("GlobalAveragePool", ()), ("Flatten", ()),
        w=W[:, :, None, None], b=B,
    ),
    "scaled": graph(("MatMul", ("w",)), ("Sub", ("b",)), ("Div", ("two",)), w=2 * W.T, b=-2 * B, two=np.float32(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_found(name):
    head = head_of(GRAPHS[name])
    assert np.allclose(head.weights, W, atol=1e-6)
    assert np.allclose(head.bias, B, atol=1e-6)


def test_a_weight_that_is_transposed_in_the_graph():
    turn = Node(name="t", op="Transpose", inputs=("w",), outputs=("v",), attributes={"perm": (1, 0)})
    whole = graph(("MatMul", ("v",)), w=W)
    whole = Graph(
        name="g",
        nodes=(turn, *whole.nodes),
        inputs=whole.inputs,
        outputs=whole.outputs,
        constants=whole.constants,
    )
    assert np.array_equal(head_of(whole).weights, W)


@pytest.mark.parametrize(
    "whole",
    [
        graph(("Relu", ())),
        graph(("MatMul", ("w",)), ("Add", ("", "x")), w=W.T),
        graph(("Gemm", ("w", "x")), w=W.T),
        graph(("Conv", ("w", "b"), {"kernel_shape": (3, 3)}), w=np.ones((5, 8, 3, 3)), b=B),
        graph(("MatMul", ("w",)), ("Div", ("zero",)), w=W.T, zero=np.float32(0)),
        graph(("MatMul", ("w",)), w=np.full((8, 5), np.nan)),
        graph(("MatMul", ("w",)), ("Softmax", ()), ("MatMul", ("x",)), w=W.T),
    ],
    ids=["no layer", "two branches", "bias that varies", "3x3", "zero", "not a number", "mixed"],
)
def test_none(whole):
    assert head_of(whole) is None
