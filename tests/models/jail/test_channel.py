import struct
import tempfile

import numpy as np
import pytest

from mithridate.models.jail.channel import DTYPES, MessageError, encode, incoming, receive, send


def _through(header, arrays, limit=1 << 20):
    with tempfile.TemporaryFile() as file:
        send(file.fileno(), header, arrays)
        file.seek(0)
        message = receive(file.fileno(), limit)
        assert receive(file.fileno(), limit) is None  # nothing is left over
        return message


def _fed(data, limit=1 << 20):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return receive(file.fileno(), limit)


def _framed(head):
    return struct.pack("<4sI", b"MJ01", len(head)) + head


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_every_dtype_and_shape_comes_through_unchanged(dtype):
    rng = np.random.default_rng(0)
    shapes = [(), (1,), (0,), (3, 0, 2), (2, 3, 4)]
    sent = {str(shape): rng.integers(0, 2, shape).astype(dtype) for shape in shapes}
    message = _through({"a": [1, None, "é"]}, sent)
    assert message.header == {"a": [1, None, "é"]}
    for name, array in sent.items():
        got = message.arrays[name]
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(got, array)


def test_other_layouts_are_made_plain():
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    views = {"turned": base.transpose(2, 0, 1), "steps": base[:, ::2], "fortran": np.asfortranarray(base)}
    views["big"] = base.astype(">f4")
    for name, got in _through({}, views).arrays.items():
        np.testing.assert_array_equal(got, views[name])
        assert got.dtype == np.dtype("<f4")


def test_nan_and_infinity_are_kept_to_the_bit():
    odd = np.array([0x7FC12345, 0x7F800000, 0x80000000], np.uint32).view(np.float32)
    assert _through({}, {"x": odd}).arrays["x"].tobytes() == odd.tobytes()


def test_a_bool_is_zero_or_one_whatever_was_sent():
    data = _framed(b'{"header": {}, "arrays": [["x", "|b1", [3]]]}') + bytes([0, 1, 77])
    got = _fed(data).arrays["x"]
    assert got.dtype == bool
    assert got.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "array", [np.array([None]), np.array(["a"]), np.array([1j]), np.zeros(2, "M8[s]"), np.zeros(1, "i4,f4")]
)
def test_other_dtypes_do_not_cross(array):
    with pytest.raises(MessageError):
        encode({}, {"x": array})


@pytest.mark.parametrize(
    "header", [{"a": float("nan")}, {"a": b"bytes"}, {"a": object()}, {"a": "x" * (1 << 23)}]
)
def test_a_header_is_json_and_bounded(header):
    with pytest.raises(MessageError):
        encode(header, {})


@pytest.mark.parametrize(
    "data",
    [
        b"garbage garbage",
        b"\x80\x04K\x01.",  # a pickle
        struct.pack("<4sI", b"MJ01", 1 << 31),
        _framed(b"{}"),
        _framed(b"[]"),
        _framed(b"\xff\xfe"),
        _framed(b"[" * 100_000),
        _framed(b'{"header": [], "arrays": []}'),
        _framed(b'{"header": {}, "arrays": {"x": 1}}'),
        _framed(b'{"header": {}, "arrays": [["x", "|O", [1]]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4"]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [-1]]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [true]]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [1.5]]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [1099511627776]]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [4294967296, 4294967296, 4294967296]]]}'),
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [300000]]]}'),  # 1.2 MB where 1 MiB is allowed
        _framed(b'{"header": {}, "arrays": [["x", "<f4", [1]]]}') + b"abc",
        _framed(b'{"header": {"a": ' + b"9" * 5000 + b'}, "arrays": []}'),
    ],
    ids=range(19),
)
def test_hostile_bytes_are_an_error_and_nothing_else(data):
    with pytest.raises(MessageError):
        _fed(data)


def test_many_arrays_share_one_limit():
    part = np.zeros(1000, np.uint8)
    arrays = {str(k): part for k in range(10)}
    assert len(_through({}, arrays, limit=10_000).arrays) == 10
    with pytest.raises(MessageError, match="larger"):
        _through({}, arrays, limit=9_999)


def test_the_receiver_asks_for_memory_only_after_it_has_checked():
    message = incoming(limit=100)
    buffer = next(message)
    head = b'{"header": {}, "arrays": [["x", "|u1", [101]]]}'
    buffer[:] = struct.pack("<4sI", b"MJ01", len(head))
    message.send(None)[:] = head
    with pytest.raises(MessageError):
        next(message)
