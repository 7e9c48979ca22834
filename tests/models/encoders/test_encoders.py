"""Encoders of the user: files and folders on this disk; nothing downloaded, unpickled or run that is not theirs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.models.encoders.base import EncoderError
from mithridate.models.encoders.open import open_encoder

PICTURES = [np.full((8, 8, 3), 51, np.uint8), np.full((16, 12, 1), 255, np.uint8)]


@pytest.fixture
def pooling(tmp_path):
    """An ONNX graph: the mean of each colour."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto

    def make(shape, kind=kinds.FLOAT, name="mean.onnx"):
        nodes = [
            helper.make_node("GlobalAveragePool", ["x"], ["p"]),
            helper.make_node("Flatten", ["p"], ["v"]),
        ]
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("v", kinds.FLOAT, [shape[0], shape[1]])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return make


@pytest.mark.parametrize("shape", [["n", 3, 8, 8], ["n", 3, "h", "w"], [1, 3, 8, 8], [4, 3, 10, 10]])
def test_onnx_sees_pictures_of_any_size(shape, pooling):
    vectors = open_encoder(pooling(shape))(PICTURES, "image")
    assert np.allclose(vectors, [[0.2] * 3, [1.0] * 3], atol=1e-5)


@pytest.mark.parametrize(("modality", "raws"), [("text", ["a", "b"]), ("table", None), ("audio", [])])
def test_onnx_refuses_what_it_was_not_made_for(modality, raws, pooling):
    with pytest.raises(EncoderError, match="MODULE:FUNCTION"):
        open_encoder(pooling(["n", 3, 8, 8]))(raws, modality)


def test_a_broken_onnx_file(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"\x00\x01garbage")
    with pytest.raises(EncoderError):
        open_encoder(tmp_path / "x.onnx")


@pytest.mark.parametrize("empty", ["", " "])
def test_an_encoder_without_a_name_is_refused(empty):
    with pytest.raises(UsageError, match="an empty name"):
        open_encoder(empty)


@pytest.mark.parametrize("name", ["none", "no.such.package", "../up"])
def test_nothing_there(name, tmp_path):
    with pytest.raises(UsageError, match="nothing is downloaded") as error:
        open_encoder(name)
    assert not isinstance(error.value, EncoderError)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(EncoderError, match=r"no config\.json there"):
        open_encoder(tmp_path)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda raws: [1.0, 2.0], r"\(2, d\)"),
        (lambda raws: "ab", r"\(2, d\)"),
        (lambda raws: np.ones((3, 4)), r"\(3, 4\)"),
    ],
)
def test_a_function_that_gives_something_else(given, says):
    with pytest.raises(EncoderError, match=says):
        open_encoder(given)(["a", "b"], "text")


def test_a_function_that_makes_nothing_callable():
    with pytest.raises(EncoderError, match="int"):
        open_encoder(lambda: 3)


def test_a_table_comes_as_rows():
    import pyarrow as pa

    encoder = open_encoder(lambda rows: [[row["a"], row["b"]] for row in rows])
    assert encoder(pa.table({"a": [1, 2], "b": [3, 4]}), "table").tolist() == [[1, 3], [2, 4]]


def test_a_torch_module_gets_floats():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Dropout(0.9))
    for thing in (net, lambda: net):
        encoder = open_encoder(thing)
        assert np.allclose(encoder(PICTURES, "image"), [[0.2] * 3, [1.0] * 3])
        with pytest.raises(EncoderError, match="pictures"):
            encoder(["text"], "text")
    assert net.training


@pytest.fixture
def sentence_folder(tmp_path):
    """A sentence-transformers folder of random weights."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "win", "cash", "see", "you"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=len(words),
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [
        {"path": p, "type": f"st.models.{k}"} for p, k in zip(["", "1_Pooling", "2"], kinds, strict=True)
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    return tmp_path


def test_a_sentence_folder_gives_unit_vectors_whatever_the_batch(sentence_folder):
    encoder = open_encoder(sentence_folder)
    texts = ["win cash", "see you", "see", "win win win cash you see"]
    together = encoder(texts, "text")
    assert together.shape == (4, 16)
    assert np.allclose(np.linalg.norm(together, axis=1), 1)
    assert np.allclose(together, np.concatenate([encoder([t], "text") for t in texts]), atol=1e-5)


def test_layers_that_are_not_known_are_refused(sentence_folder):
    modules = json.loads((sentence_folder / "modules.json").read_text())
    modules.append({"path": "3", "type": "st.models.Dense"})
    (sentence_folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match="Dense"):
        open_encoder(sentence_folder)


def test_weights_that_are_pickles_are_refused(sentence_folder):
    import torch

    (sentence_folder / "model.safetensors").unlink()
    torch.save({"x": torch.ones(1)}, sentence_folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="safetensors"):
        open_encoder(sentence_folder)


def test_code_of_a_folder_is_not_run(sentence_folder):
    config = json.loads((sentence_folder / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "evil.Net", "AutoConfig": "evil.Config"}, "model_type": "unheard-of"}
    (sentence_folder / "config.json").write_text(json.dumps(config))
    (sentence_folder / "evil.py").write_text("raise SystemExit('run')")
    with pytest.raises(EncoderError):
        open_encoder(sentence_folder)
