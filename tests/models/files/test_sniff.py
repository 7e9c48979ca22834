"""What a file is by its content, whatever it is called."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib

import numpy as np
import pytest

from mithridate.models.files.sniff import HEAD, sniff, zip_kind


def onnx_bytes(swap: bool = False) -> bytes:
    from onnx import TensorProto, helper

    node = helper.make_node("Relu", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", values[:1], values[1:]), producer_name="somebody"
    )
    raw = model.SerializeToString()
    graph = model.graph.SerializeToString()
    if not swap:
        return raw
    model.ClearField("graph")
    return b"\x3a" + bytes([len(graph)]) + graph + model.SerializeToString()


def message(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


META_GRAPH = message(1, message(1, b"serve")) + message(
    2, message(1, message(1, b"x") + message(2, b"Placeholder"))
)
NODE = message(1, b"x") + message(2, b"Placeholder") + message(5, b"")
PIECES = b"".join(
    message(1, message(1, word) + b"\x15" + struct.pack("<f", -1.0)) for word in (b"<unk>", b"the", b"a")
)

KINDS: list[tuple[str, bytes, str]] = [
    ("empty", b"", "a.bin"),
    *[("pickle", pickle.dumps({"a": [1, 2], "b": "text"}, p), f"protocol {p}") for p in range(6)],
    ("pickle", b"cos\nsystem\n(S'id'\ntR.", "a.txt"),
    ("pickle", b"cos\nsystem\n(S'id'\ntRbroken", "a.txt"),
    ("pickle", b"\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", "a"),
    ("pickle", pickle.dumps(list(range(100_000)), 0), "long"),
    ("pickle", pickle.dumps(bytes(200_000), 4), "one long string"),
    ("onnx", onnx_bytes(), "a.pb"), ("onnx", onnx_bytes(swap=True), "a"),
    ("savedmodel", b"\x08\x01" + message(2, META_GRAPH), "saved_model.pb"),
    ("savedmodel", message(1, NODE) * 3, "frozen.pb"),
    ("unknown", PIECES, "tokenizer.model"),
    ("safetensors", struct.pack("<Q", 2) + b"{}", "a"),
    ("safetensors", struct.pack("<Q", 900) + b'{"a":', "cut off"),
    ("gguf", b"GGUF\3\0\0\0" + bytes(20), "a"), ("npy", b"\x93NUMPY\1\0" + bytes(80), "a.txt"),
    ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(99), "a.h5"), ("hdf5", bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(99), "a.h5"),
    ("tflite", b"\x1c\0\0\0TFL3" + bytes(30), "a"), ("executorch", b"\x1c\0\0\0ET12" + bytes(30), "a"),
    ("lightgbm", b"tree\nversion=v4\n", "a.txt"), ("xgboost-json", b'{"learner":{"x":1},"version":[3,0,0]}', "a"),
    ("xgboost-ubj", b"{L\0\0\0\0\0\0\0\x07learner{", "a"), ("catboost", b"CBM1" + bytes(40), "a"),
    ("json", b'{"a": 1}', "a.txt"), ("json", b"[1, 2]", "a"), ("json", b"\xef\xbb\xbf {}", "a"),
    ("python", b"import os\nos.system('id')\n", "a.txt"), ("python", b"this is (not", "a.py"),
    ("text", b"import the model and use it.\n", "README"), ("text", "Übermodell\n".encode(), "a"),
    ("text", "text".encode("utf-16"), "a"), ("template", b"{% if messages %}{{ x }}{% endif %}", "chat_template"),
    ("template", b"{{ messages }}", "a.jinja"), ("library", b"\x7fELF\2\1\1" + bytes(50), "a.pt"),
    ("library", b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(30), "a"),
    ("image", b"\x89PNG\r\n\x1a\n" + bytes(20), "a.pkl"), ("image", b"RIFF\0\0\0\0WEBPVP8 " + bytes(9), "a"),
    ("gzip", gzip.compress(b"x"), "a"), ("zlib", zlib.compress(bytes(100)), "a"),
    ("7z", b"7z\xbc\xaf\x27\x1c\0\4", "a.pt"),
    ("rar", b"Rar!\x1a\x07\1\0", "a"), ("zip", b"PK\3\4" + bytes(30), "a"), ("zip", b"PK\5\6" + bytes(18), "a"),
    ("unknown", b"\x80\x02" + bytes(range(200, 256)) * 9, "a"), ("unknown", bytes(100), "zeros"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content", "name"), KINDS, ids=[f"{k} {n} {i}" for i, (k, _, n) in enumerate(KINDS)]
)
def test_kind(kind: str, content: bytes, name: str) -> None:
    assert sniff(content[:HEAD], len(content), name) == kind


def test_numbers_are_no_pickles() -> None:
    """Weights of any kind begin with any bytes."""
    rng = np.random.default_rng(0)
    for number in range(1_500):
        scale = 10.0 ** rng.integers(-4, 5)
        content = (rng.normal(size=64) * scale).astype(rng.choice(["f2", "f4", "f8", "i1", "i4"])).tobytes()
        assert sniff(content, len(content), "weights") != "pickle", number


def test_words_are_no_pickles() -> None:
    words = "import not in a the model of cat list int dup object reduce long tuple None . ( ) N K q"
    rng = np.random.default_rng(1)
    for _ in range(1_500):
        text = " ".join(rng.choice(words.split(), 12)).replace(" not", "\n").encode()
        assert sniff(text, len(text), "README") != "pickle", text


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("torch", ["a/data.pkl", "a/data/0"]), ("torchscript", ["a/data.pkl", "a/code/x.py"]),
        ("torchscript", ["a/data.pkl", "a/constants.pkl"]), ("pt2", ["m/archive_format", "m/models/m.json"]),
        ("npz", ["a.npy", "b.npy"]), ("keras", ["config.json", "metadata.json", "model.weights.h5"]),
        ("skops", ["schema.json", "1.npy"]), ("zip", ["a.txt"]), ("zip", []),
    ],
)  # fmt: skip
def test_zip_kind(kind: str, names: list[str]) -> None:
    assert zip_kind(names) == kind


def test_bounded_by_its_head() -> None:
    """A head that goes on for ever does not take for ever."""
    for content in (
        b"(" * HEAD,
        b"]" * HEAD,
        b"\x80\x04" * (HEAD // 2),
        b"-" * HEAD,
        b"[" * HEAD,
        b"\x0a" * HEAD,
    ):
        sniff(content, 1 << 40, "a.txt")
    sniff(io.BytesIO(b"(" * 100).read(), 100, "a.py")
