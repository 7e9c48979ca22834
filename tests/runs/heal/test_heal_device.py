"""`repair` on another device gives what it gives on the CPU; a device that is not there is refused."""

from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import pytest
from click.testing import CliRunner

import mithridate
from mithridate.cli.repair import repair
from mithridate.core.errors import UsageError
from mithridate.models.jail.confine import available
from mithridate.runs.forget.asking import Asked as AskedToForget
from mithridate.runs.heal.run import heal
from mithridate.runs.scan.models import Asked
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.open import open_source
from mithridate.triggers.inversion import Round

torch = pytest.importorskip("torch")
if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)

from tests.repairs.backdoored import figures, pictures, stamp, trained  # noqa: E402
from tests.repairs.elsewhere import NAME, elsewhere  # noqa: E402

ARCH = "tests.repairs.backdoored:net"


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A file of weights; `meta` passes for a device that torch has, and arithmetic is the same on both."""
    torch.save(trained(True).state_dict(), tmp_path / "bad.pt")
    monkeypatch.setattr("mithridate.models.devices.known_devices", lambda: ("cpu", f"{NAME}:0"))
    for room in ("inversion", "waves"):
        monkeypatch.setattr(f"mithridate.triggers.{room}.shortened", lambda x, on=True: nullcontext())
    return tmp_path / "bad.pt"


def grey(x):
    return (x * 255).round().astype(np.uint8)


def test_weights_are_the_same_on_another_device(bad, monkeypatch):
    short = (Round(1.0, 4, 10, 0.3), Round(2, 4, 6, 0.3), Round(2, 4, 2, 0.15))
    monkeypatch.setattr("mithridate.runs.heal.surrogates._SCHEDULE", short)
    monkeypatch.setattr("mithridate.triggers.waves._CYCLES", 2)
    monkeypatch.setattr("mithridate.runs.heal.run._branches", lambda *_: [])  # reads the file, on the CPU
    x, y = (part[1200:1320] for part in pictures())
    clean = open_source(grey(x[:, 0]), labels=y.astype(str))
    given = {"arch": ARCH, "asked": Asked(clean=clean), "methods": ("fine-tuning",), "loss": 0.2, "epochs": 3}
    here = heal(bad, **given)
    with elsewhere():
        far = heal(bad, device=NAME, **given)
    assert far.report.findings[0].message == here.report.findings[0].message
    assert "triggers recovered" in here.report.findings[0].message
    assert {value.device.type for value in far.weights.values()} == {"cpu"}
    assert all(torch.equal(value, far.weights[name]) for name, value in here.weights.items())
    assert not torch.equal(here.weights["0.weight"], trained(True).state_dict()["0.weight"])


def test_a_module_forgets_where_it_is(bad):
    x, y = (part[:1200].copy() for part in pictures())
    ids = [str(k) for k in range(180) if y[k] != 0]
    x[:180], y[:180] = stamp(torch.tensor(x[:180])).numpy(), 0
    asked = AskedToForget(how=Feeding(layout="chw"), trained=20_000)
    given = (grey(x[:, 0]), ids)
    here = mithridate.forget(trained(True), *given, labels=y.astype(str), asked=asked)
    with elsewhere():
        far = mithridate.forget(deepcopy(trained(True)).to(NAME), *given, labels=y.astype(str), asked=asked)
        weights = {name: value.cpu() for name, value in far.weights.items()}
    assert figures(here.model)[0] < 0.1
    assert all(torch.equal(value, weights[name]) for name, value in here.weights.items())


def test_a_device_that_is_not_here(tmp_path):
    torch.save(trained(True).state_dict(), tmp_path / "bad.pt")
    with pytest.raises(UsageError, match=r"a device that torch has here \(cpu"):
        heal(tmp_path / "bad.pt", arch=ARCH, asked=Asked(), device="nowhere")


@pytest.mark.parametrize(
    "words", [("--excise", "graph.side-branch"), ("--forget", "trace", "--data", "train")]
)
def test_a_device_is_for_modules(tmp_path, words):
    (tmp_path / "model.onnx").write_bytes(b"")
    typed = [str(tmp_path / "model.onnx"), *words, "--device", "cuda", "--to", str(tmp_path / "out.skops")]
    result = CliRunner().invoke(repair, typed)
    assert isinstance(result.exception, UsageError)
    assert "--device with --arch" in str(result.exception)
