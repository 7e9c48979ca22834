"""npy: numbers are silent; objects, trailing bytes and lies about the shape are not."""

import io

import numpy as np
import pytest
from format_items import hostile, item_of, results, rules, survives


def _npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def _by_hand(header, body=b"\0" * 8):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + body


RECORD = np.zeros(3, dtype=[("x", "f4"), ("y", "i2", (2, 2)), ("z", [("a", "S3"), ("b", "?")])])
ORDINARY = [
    np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.array(1), np.zeros((0, 4)),
    np.array(["a", "bcd"]), np.array([b"x"]), RECORD, np.array(["2020-01-01"], "datetime64[D]"), np.zeros(2, "V5"),
    np.zeros(2, np.complex64), np.zeros(3, ">i4"), np.zeros(2, "timedelta64[25s]"),
]  # fmt: skip


@pytest.mark.parametrize("array", ORDINARY, ids=lambda a: str(a.dtype)[:20])
def test_numbers_are_silent(array):
    assert results("array-objects", item_of(_npy(array), "npy")) == []


CASES = {
    "several": (_npy(np.ones(3)) + _npy(np.arange(4)), set()),
    "objects": (_npy(np.array([{}, None], dtype=object), allow_pickle=True), {"OBJECT_ARRAY"}),
    "objects in a record": (
        _by_hand("{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}"),
        {"OBJECT_ARRAY"},
    ),
    "objects behind numbers": (
        _npy(np.ones(3)) + _npy(np.array([None]), allow_pickle=True),
        {"OBJECT_ARRAY"},
    ),
    "of Python 2": (_by_hand("{'descr': '<f8', 'fortran_order': False, 'shape': (1L,)}"), set()),
    "trailing": (_npy(np.ones(3)) + b"MZ evil", {"TRAILING"}),
    "cut": (_npy(np.ones(3))[:-1], {"skip"}),
    "huge": (
        _by_hand(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}"
        ),
        {"skip"},
    ),
    "negative": (_by_hand("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), {"skip"}),
    "bool": (_by_hand("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}"), {"skip"}),
    "call": (_by_hand("{'descr': __import__('os').name, 'fortran_order': False, 'shape': (1,)}"), {"skip"}),
    "deep": (
        _by_hand(
            "{'descr': " + "[('a', " * 40 + "'<f8'" + ")]" * 40 + ", 'fortran_order': False, 'shape': (1,)}"
        ),
        {"skip"},
    ),
    "deeper": (_by_hand("(" * 30_000), {"skip"}),
    "minus": (_by_hand("-" * 30_000 + "1"), {"skip"}),
    "other keys": (_by_hand("{'descr': '<f8', 'shape': (1,)}"), {"skip"}),
    "version": (b"\x93NUMPY\x09\0" + b"\0" * 100, {"skip"}),
    "no header": (b"\x93NUMPY\1\0\0\0", {"skip"}),
}


@pytest.mark.parametrize("name", CASES)
def test_array(name):
    content, expected = CASES[name]
    assert rules("array-objects", item_of(content, "npy")) == expected


def test_any_bytes():
    survives("array-objects", "npy", hostile(_npy(RECORD)))
    survives("array-objects", "npy", hostile(_npy(np.ones((2, 2)))))
