"""GGUF: the header is walked within limits; templates are judged, the table must fit the file."""

import struct

import pytest
from chat_templates import LLAMA31, POISONED
from format_items import at_path, hostile, item_of, results, rules, survives

from mithridate.core.results import Severity


def _text(text, order="<"):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack(f"{order}Q", len(raw)) + raw


def _value(value, order="<"):
    if isinstance(value, (str, bytes)):
        return struct.pack(f"{order}I", 8) + _text(value, order)
    if isinstance(value, list):
        body = b"".join(_value(v, order)[4:] for v in value)
        kind = struct.unpack(f"{order}I", _value(value[0], order)[:4])[0] if value else 4
        return struct.pack(f"{order}IIQ", 9, kind, len(value)) + body
    return struct.pack(f"{order}II", 4, value)


def gguf(keys=(), tensors=(), body=None, version=3, order="<", counts=None):
    """tensors: (name, shape, type, offset)."""
    keys, tensors = list(keys), list(tensors)
    head = b"GGUF" + struct.pack(f"{order}IQQ", version, *(counts or (len(tensors), len(keys))))
    head += b"".join(_text(k, order) + _value(v, order) for k, v in keys)
    for name, shape, kind, offset in tensors:
        head += _text(name, order) + struct.pack(f"{order}I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    head += b"\0" * (-len(head) % 32)
    return head + (b"\0" * 32 * len(tensors) if body is None else body)


KEYS = [
    ("general.architecture", "llama"), ("general.url", "https://example.org/m"), ("general.alignment", 32),
    ("tokenizer.ggml.tokens", ["a", "\u200b", "https://"]), ("tokenizer.ggml.scores", [1, 2, 3]),
    ("tokenizer.chat_template", LLAMA31), ("llama.nested", [[1, 2], [3]]), ("general.tags", ["chat", "en"]),
]  # fmt: skip
TENSORS = [("a.weight", (8,), 0, 0), ("b.weight", (32,), 8, 32)]
BODY = b"\0" * 66  # 32 bytes of F32; a block of Q8_0 takes 34
GOOD = gguf(KEYS, TENSORS, BODY)


def _with(key, value):
    return gguf([*KEYS, (key, value)], TENSORS, BODY)


CASES = {
    "ordinary": (GOOD, set()),
    "big-endian": (gguf(KEYS, TENSORS, BODY, order=">"), set()),
    "version 2": (gguf(KEYS, TENSORS, BODY, version=2), set()),
    "padded": (gguf(KEYS, TENSORS, BODY + b"\0" * 30), set()),
    "no tensors": (gguf(KEYS, body=b""), set()),
    "condition": (_with("tokenizer.chat_template.rag", POISONED["word"][0]), {"TEMPLATE_CONDITION"}),
    "escape": (_with("tokenizer.chat_template.x", POISONED["globals"][0]), {"TEMPLATE_SSTI"}),
    "no jinja": (_with("tokenizer.chat_template.x", "{% if %}"), {"skip"}),
    "command": (_with("general.description", "run os.system('x')"), {"METADATA_COMMAND"}),
    "twice": (_with("general.architecture", "mamba"), {"DUPLICATE_KEY"}),
    "tensor twice": (gguf(KEYS, [*TENSORS, ("a.weight", (8,), 0, 96)], BODY + b"\0" * 62), {"DUPLICATE_KEY"}),
    "trailing": (gguf(KEYS, TENSORS, BODY + b"\0" * 200), {"TRAILING"}),
    "hole": (gguf(KEYS, [TENSORS[0], ("b.weight", (32,), 8, 640)], b"\0" * 674), {"HOLE"}),
    "overlap": (gguf(KEYS, [TENSORS[0], ("b.weight", (32,), 8, 0)], b"\0" * 34), {"OVERLAP"}),
    "new type": (gguf(KEYS, [("a", (8,), 99, 0)]), {"skip"}),
    "cut": (GOOD[:-1], {"skip"}),
    "cut in the header": (GOOD[:100], {"skip"}),
    "version 9": (gguf(version=9), {"skip"}),
    "many tensors": (gguf(counts=(2**60, 0)), {"skip"}),
    "many keys": (gguf(counts=(0, 2**60)), {"skip"}),
    "many dimensions": (gguf(KEYS, [("a", (1,) * 9, 0, 0)]), {"skip"}),
    "long text": (gguf(body=b"")[:16] + struct.pack("<QQ", 1, 2**50), {"skip"}),
    "deep": (_with("x", [[[[[[[[1]]]]]]]]), {"skip"}),
    "many texts": (
        gguf([("tokenizer.ggml.tokens", ["a"])], body=b"").replace(
            struct.pack("<IIQ", 9, 8, 1), struct.pack("<IIQ", 9, 8, 2**40)
        ),
        {"skip"},
    ),
    "no utf-8": (_with("general.x", b"\xff\xfe"), set()),
}


@pytest.mark.parametrize("name", CASES)
def test_header(name):
    content, expected = CASES[name]
    assert rules("gguf-metadata", item_of(content, "gguf")) == expected


def test_texts_do_not_flag():
    item = item_of(CASES["command"][0], "gguf")
    assert rules("gguf-metadata", item, Severity.SUSPICIOUS) == set()


def test_a_file_of_the_library(tmp_path):
    library = pytest.importorskip("gguf")
    import numpy as np

    path = tmp_path / "m.gguf"
    writer = library.GGUFWriter(path, "llama")
    writer.add_chat_template(LLAMA31)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("w", np.ones((4, 8), np.float32))
    writer.add_tensor("v", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert results("gguf-metadata", at_path(path, "gguf")) == []


def test_sizes_of_blocks_are_those_of_the_library():
    constants = pytest.importorskip("gguf.constants")
    from mithridate.models.files.gguf_header import BLOCKS

    theirs = {int(kind): size for kind, size in constants.GGML_QUANT_SIZES.items()}
    assert {kind: theirs.get(kind) for kind in BLOCKS} == dict(BLOCKS)


def test_any_bytes():
    survives("gguf-metadata", "gguf", hostile(GOOD, span=600))
