import json

import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.models.weights import read_weights


def file(path, header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def about(dtype, shape, start, stop):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def test_safetensors(tmp_path):
    values, half = np.arange(6, dtype="<f4"), np.array([1.5, -2.0], dtype="<f4")
    bf16 = (half.view("<u4") >> 16).astype("<u2")
    header = {"__metadata__": {"a": "b"}, "w": about("F32", [2, 3], 0, 24), "n": about("I64", [], 24, 32)}
    header["b"] = about("BF16", [2], 32, 36)
    body = values.tobytes() + np.int64(7).tobytes() + bf16.tobytes()
    read = read_weights(file(tmp_path / "m.safetensors", header, body))
    np.testing.assert_array_equal(read["w"], values.reshape(2, 3))
    assert read["n"] == 7
    np.testing.assert_array_equal(read["b"], half)
    assert set(read) == {"w", "n", "b"}


DAMAGED = [
    ({"w": about("F32", [2], 0, 8)}, b"1234"),  # beyond the end
    ({"w": about("F32", [2], 0, 4)}, b"12345678"),  # too few bytes for the shape
    ({"w": about("F32", [-1, -1], 0, 4)}, b"1234"),
    ({"w": about("F32", [1], -4, 0)}, b"1234"),
    ({"w": about("OBJ", [1], 0, 8)}, b"12345678"),
    ({"w": 3}, b""),
    ([1], b""),
    (b"{", b""),
    (b"", b""),
]


@pytest.mark.parametrize(("header", "body"), DAMAGED)
def test_damaged_files(tmp_path, header, body):
    with pytest.raises(UsageError, match="a sound file with weights"):
        read_weights(file(tmp_path / "m.safetensors", header, body))


def test_what_may_hold_code_is_not_opened(tmp_path):
    np.savez(tmp_path / "o.npz", w=np.array([print], dtype=object))
    with pytest.raises(UsageError, match="a sound file"):
        read_weights(tmp_path / "o.npz")
    for name in ("m.pt", "m.bin", "m"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(UsageError, match="a sound file"):
            read_weights(tmp_path / name)
    (tmp_path / "z.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(UsageError, match="a sound file"):
        read_weights(tmp_path / "z.npz")


def test_state_dicts_of_torch_are_read_without_torch(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.save({"epoch": 3, "state_dict": net.state_dict()}, tmp_path / "c.pt")
    found = read_weights(tmp_path / "c.pt")
    assert list(found) == list(net.state_dict())
    assert np.array_equal(found["0.weight"], net[0].weight.detach().numpy())
