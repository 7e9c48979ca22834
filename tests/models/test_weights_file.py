"""Weights come back from every kind of file as they were."""

import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.models.weights import read_weights, weights_file

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz"])
def test_round_trip(tmp_path, suffix):
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    path = tmp_path / f"w{suffix}"
    path.write_bytes(weights_file(module.state_dict(), suffix))
    back = read_weights(path)
    assert list(back) == list(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert back[name].dtype == tensor.numpy().dtype
        assert np.array_equal(back[name], tensor.numpy())


def test_numbers_that_the_format_does_not_know():
    with pytest.raises(UsageError, match="safetensors"):
        weights_file({"w": torch.zeros(2, dtype=torch.complex64)}, ".safetensors")
