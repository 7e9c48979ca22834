import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402
from tests.models.digits import digits, export, network  # noqa: E402

from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.models.base import softmax  # noqa: E402
from mithridate.models.open import open_model  # noqa: E402


def _graph(path, nodes, inputs, outputs, tensors=()):
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(tensors))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _value(name, kind=TensorProto.FLOAT, shape=("n", 2)):
    return helper.make_tensor_value_info(name, kind, list(shape))


def _external(location):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _adds(path, tensor):
    """x + w, softmax."""
    return _graph(path, [helper.make_node("Add", ["x", "w"], ["y"])], [_value("x")], [_value("y")], [tensor])


def test_a_fixed_batch_is_filled_up(tmp_path):
    path = export(network(), tmp_path / "fixed.onnx", example=torch.zeros(4, 1, 8, 8), names=())
    x = digits()[2][:10]
    with torch.no_grad():
        expected = softmax(network()(torch.tensor(x)).numpy())
    model = open_model(path)
    np.testing.assert_allclose(model.predict(x), expected, atol=1e-5)
    assert model.batch == 4


def test_weights_beside_the_file_are_read(tmp_path):
    (tmp_path / "w.bin").write_bytes(np.float32([1, 2]).tobytes())
    model = open_model(_adds(tmp_path / "m.onnx", _external("w.bin")))
    np.testing.assert_allclose(model.predict(np.zeros((3, 2), np.float32)), softmax(np.array([[1.0, 2]] * 3)))


@pytest.mark.parametrize("where", ["up", "absolute", "link", "subgraph"])
def test_weights_elsewhere_are_refused(tmp_path, where):
    (tmp_path / "secret").write_bytes(np.float32([1, 2]).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    location = {
        "up": "../secret",
        "absolute": str(tmp_path / "secret"),
        "link": "link",
        "subgraph": "../secret",
    }
    tensor = _external(location[where])
    (folder / "link").symlink_to(tmp_path / "secret")
    path = folder / "m.onnx"
    if where == "subgraph":
        constant = helper.make_node("Constant", [], ["w"], value=tensor)
        body = helper.make_graph([constant], "body", [], [_value("w", shape=(2,))])
        nodes = [helper.make_node("If", ["c"], ["w"], then_branch=body, else_branch=body)]
        nodes.append(helper.make_node("Add", ["x", "w"], ["y"]))
        yes = helper.make_tensor("c", TensorProto.BOOL, [], [True])
        _graph(path, nodes, [_value("x")], [_value("y")], [yes])
    else:
        _adds(path, tensor)
    with pytest.raises(UsageError, match="inside the folder"):
        open_model(path)


def test_the_table_among_several_outputs_is_taken(tmp_path):
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"], axis=1),
        helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [_value("label", TensorProto.INT64, ("n",)), _value("p")]
    model = open_model(_graph(tmp_path / "m.onnx", nodes, [_value("x")], outputs), logits=False)
    x = np.float32([[0, 1], [3, 2]])
    np.testing.assert_allclose(model.predict(x), softmax(x), atol=1e-6)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((2, 2), np.uint8), "float inputs"),
        (np.zeros((2, 3), np.float32), "takes these inputs"),
        (np.array([["a", "b"]]), "float inputs"),
    ],
)
def test_inputs_that_do_not_fit(tmp_path, x, says, capfd):
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    model = open_model(_graph(tmp_path / "m.onnx", relu, [_value("x")], [_value("y")]))
    with pytest.raises(UsageError, match=says):
        model.predict(x)
    assert capfd.readouterr() == ("", "")


def test_bytes_are_not_wrapped_around(tmp_path):
    cast = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    model = open_model(_graph(tmp_path / "m.onnx", cast, [_value("x", TensorProto.UINT8)], [_value("y")]))
    np.testing.assert_allclose(model.predict(np.array([[5, 6]])), softmax(np.array([[5, 6]])), atol=1e-6)
    with pytest.raises(UsageError, match="fit uint8"):
        model.predict(np.array([[5, 300]]))


def _two_inputs(path):
    add = [helper.make_node("Add", ["x", "z"], ["y"])]
    return _graph(path, add, [_value("x"), _value("z")], [_value("y")])


def _labels_only(path):
    node = [helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
    return _graph(path, node, [_value("x")], [_value("y", TensorProto.INT64, ("n",))])


def _unknown_operator(path):
    return _graph(path, [helper.make_node("Mystery", ["x"], ["y"])], [_value("x")], [_value("y")])


def _rubbish(path):
    path.write_bytes(b"\x80\x04not onnx")
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_two_inputs, "one input"),
        (_labels_only, "of floats"),
        (_unknown_operator, "can run"),
        (_rubbish, "ONNX model"),
        (lambda path: path, "nothing there"),
    ],
)
def test_files_that_are_no_model(tmp_path, make, says, capfd):
    with pytest.raises(UsageError, match=says):
        open_model(make(tmp_path / "m.onnx"))
    assert capfd.readouterr() == ("", "")
