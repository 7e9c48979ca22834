import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mithridate.models.base import Model  # noqa: E402
from mithridate.models.jail.confine import available  # noqa: E402
from mithridate.models.jail.errors import JailError  # noqa: E402
from mithridate.models.jail.torch_runner import JailedTorchScript  # noqa: E402

pytestmark = [
    pytest.mark.skipif(bool(available()), reason=f"no jail here: {', '.join(available())} missing"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning"
    ),  # torch.jit is on its way out; files of it are not
]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 5)

    def forward(self, x):
        features = torch.relu(self.conv(x)).mean([2, 3])
        return self.head(features), features


class Reader(torch.nn.Module):
    """Answers with the first bytes of a file."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def forward(self, x):
        return torch.from_file(self.path, False, 4, dtype=torch.uint8) + x


class Writer(torch.nn.Module):
    """Leaves a file behind."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def forward(self, x):
        torch.save(x, self.path)
        return x


def _bytes(module):
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), buffer)
    return buffer.getvalue()


def test_it_answers_as_torch_does_and_reaches_no_file(tmp_path):
    x = np.random.default_rng(0).random((20, 3, 8, 8), dtype=np.float32)
    net = Net().eval()
    with torch.inference_mode():
        expected = [t.numpy() for t in net(torch.from_numpy(x[:16]))]
    with JailedTorchScript(_bytes(net), batch=16) as model:
        got = model.run(x[:16])
        assert list(got) == ["0", "1"]
        for name, wanted in zip(got, expected, strict=True):
            np.testing.assert_array_equal(got[name], wanted)
        assert isinstance(model, Model)
        assert model.predict(x).shape == (20, 5)
        assert model.run(x)["1"].shape == (20, 4)

        secret, canary, control = (tmp_path / name for name in ("secret", "canary", "control"))
        secret.write_bytes(b"key!")
        zero = torch.zeros(4, dtype=torch.uint8)
        torch.jit.script(Writer(str(control)))(zero)
        assert control.exists()  # outside, it writes
        assert bytes(torch.jit.script(Reader(str(secret)))(zero).tolist()) == b"key!"  # and reads
        model.jail.call("load", arrays={"model": np.frombuffer(_bytes(Reader(str(secret))), np.uint8)})
        with pytest.raises(JailError, match="not permitted") as caught:
            model.run(zero.numpy())
        assert caught.value.limit is None
        model.jail.call("load", arrays={"model": np.frombuffer(_bytes(Writer(str(canary))), np.uint8)})
        model.run(zero.numpy())  # its stream fails without a word
        assert not canary.exists()
        with pytest.raises(JailError):
            model.jail.call("load", arrays={"model": np.frombuffer(b"no model", np.uint8)})
