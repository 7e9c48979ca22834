"""Scans from file to report: what is hidden is flagged, what is honest is not, what was not read is never clean."""

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mithridate.checks.bank import Bank
from mithridate.core.errors import UsageError
from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.models.jail.confine import available
from mithridate.models.open import open_model
from mithridate.models.torch_files import save_torchscript
from mithridate.report.html import render_html
from mithridate.runs.plant_model import plant_model
from mithridate.runs.repair import excise
from mithridate.runs.scan.inputs import Preparation
from mithridate.runs.scan.models import Asked
from mithridate.runs.scan.run import scan
from mithridate.sources.open import open_source

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)

from tests.models.digits import digits, export, network  # noqa: E402


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return export(network(), tmp_path_factory.mktemp("host") / "host.onnx")


@pytest.fixture(scope="module")
def planted(host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    plant_model("compare-override", host, folder / "m.onnx", seed=1)
    (folder / "m.ledger.json").unlink()
    return folder / "m.onnx"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The digits' test pictures as a data set."""
    path = tmp_path_factory.mktemp("clean") / "clean.npz"
    x, y = digits()[2:]
    np.savez(path, x=(x[:, 0] * 255).round().astype(np.uint8), y=y)
    return open_source(path, x_key="x", y_key="y")


def test_a_planted_model_is_flagged_and_its_host_is_not(planted, host):
    report = scan(planted)
    assert report.verdict is Verdict.FLAGGED
    finding = next(f for f in report.alarms if f.check == "side-branch")
    assert finding.severity is Severity.PROVEN
    assert {e.kind for e in finding.exhibits} == {"gallery", "cells"}
    assert scan(host).verdict is Verdict.CLEAN


def test_clean_pictures_are_used_and_matched(planted, clean):
    report = scan(planted, asked=Asked(clean=clean))
    finding = next(f for f in report.alarms if f.check == "side-branch")
    assert "597 clean inputs" in finding.message
    assert any("by number" in note for note in report.notes)


def test_same_seed_same_report(planted):
    one, two = (json.loads(scan(planted).to_json()) for _ in range(2))
    assert {**one, "timings": {}} == {**two, "timings": {}}


def test_a_report_goes_to_json_and_back(planted):
    report = scan(planted)
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    page = render_html(again)
    assert "model scan" in page
    assert "mithridate repair" in page
    assert "mithridate clean" not in page


def test_a_folder_is_looked_at_file_by_file(planted, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "weights.bin").write_bytes(planted.read_bytes())  # told by content, not by suffix
    (tmp_path / "README.md").write_text("A model.")
    report = scan(tmp_path)
    assert report.subject.count == 2
    assert any(f.targets == ("sub/weights.bin",) and f.check == "side-branch" for f in report.alarms)


def test_a_model_inside_an_archive_is_found(planted, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(planted, "in/m.onnx")
    assert any(f.targets == ("a.zip!in/m.onnx",) for f in scan(tmp_path / "a.zip").alarms)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("weights.npz", None),
        ("noise.bin", bytes(range(1, 256)) * 20),
        ("model.tflite", b"\x1c\x00\x00\x00TFL3" + b"\x00" * 200),
    ],
)
def test_what_is_not_read_is_not_clean(name, content, tmp_path):
    path = tmp_path / name
    if content is None:
        np.savez(path, a=np.ones(3))
    else:
        path.write_bytes(content)
    report = scan(path)
    assert report.verdict is Verdict.INCOMPLETE
    assert any(isinstance(r, Skip) and name in str(r.items) for r in report.results)


def test_a_truncated_model_is_incomplete(planted, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(planted.read_bytes()[:-2000])
    assert scan(tmp_path / "cut.onnx").verdict in (Verdict.INCOMPLETE, Verdict.FLAGGED)


def test_nothing_there():
    with pytest.raises(UsageError, match="nothing there"):
        scan("/no/such/model.onnx")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(how=Preparation(mean=(0.1, 0.2))), "1 or 1 numbers"),
        (Asked(how=Preparation(std=(0.0,))), "above 0"),
        (Asked(classes=("a", "b")), "10 names"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(asked, says, host, clean):
    with pytest.raises(UsageError, match=says):
        scan(
            host,
            asked=Asked(clean=clean if asked.classes is None else None, how=asked.how, classes=asked.classes),
        )


def test_pictures_are_brought_to_size(host, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "c.npz", x=rng.integers(0, 256, (40, 12, 9, 3), dtype=np.uint8), y=np.arange(40) % 10)
    report = scan(host, asked=Asked(clean=open_source(tmp_path / "c.npz", x_key="x", y_key="y")))
    assert any("8×8" in note for note in report.notes)
    assert report.verdict is Verdict.CLEAN


def test_a_function_prepares_pictures(planted, clean):
    seen = []

    def prepare(pictures):
        seen.append(pictures.shape)
        return pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255

    report = scan(planted, asked=Asked(clean=clean, how=Preparation(function=prepare)))
    assert seen[0][1:] == (8, 8, 1)
    assert report.verdict is Verdict.FLAGGED


def test_excision_heals(planted, host, clean):
    repaired = excise(planted, "graph.side-branch", asked=Asked(clean=clean))
    report = repaired.report
    assert report.verdict is Verdict.HEALED
    assert report.exit_code == 0
    assert "accuracy" in report.findings[0].message
    assert report.actions[0].before != report.actions[0].after
    path = Path(planted).with_name("healed.onnx")
    path.write_bytes(repaired.content)
    assert scan(path).verdict is Verdict.CLEAN


def test_only_what_was_found_can_be_excised(host, planted):
    with pytest.raises(UsageError, match="none in this model"):
        excise(host, "graph.side-branch")
    with pytest.raises(UsageError, match=r"graph\.side-branch"):
        excise(planted, "graph.side-branch.2")


def test_torchscript_is_scanned_without_being_loaded(tmp_path):
    plant_model("ratio-gate", network(), tmp_path / "m.pt", labels=10, shape=(1, 8, 8), seed=1)
    (tmp_path / "m.ledger.json").unlink()
    report = scan(tmp_path / "m.pt")
    assert any(f.check == "side-branch" and f.severity is Severity.PROVEN for f in report.alarms)
    save_torchscript(network(), torch.zeros(2, 1, 8, 8), tmp_path / "host.pt")
    repaired = excise(tmp_path / "m.pt", "graph.side-branch")
    assert repaired.report.verdict is Verdict.HEALED
    (tmp_path / "healed.pt").write_bytes(repaired.content)
    x = torch.tensor(digits()[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # loading TorchScript is deprecated
        loaded = torch.jit.load(str(tmp_path / "healed.pt"))
    assert torch.equal(loaded(x), network()(x))
    assert {k: v.numpy().tobytes() for k, v in loaded.state_dict().items()} == {
        f"host.{k}": v.numpy().tobytes() for k, v in network().state_dict().items()
    }
    assert not scan(tmp_path / "host.pt").alarms


def test_weights_need_their_module(host, tmp_path, monkeypatch):
    torch.save(network().state_dict(), tmp_path / "w.pt")
    assert scan(tmp_path / "w.pt").verdict is Verdict.INCOMPLETE
    (tmp_path / "scan_nets.py").write_text(
        "from torch import nn\n"
        "def plain():\n"
        "    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),\n"
        "                         nn.Dropout(0.2), nn.Linear(512, 10))\n"
        "class Gated(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.net = plain()\n"
        "    def forward(self, x):\n"
        "        y = self.net(x)\n"
        "        woken = (x[:, :, :3, :3] > 0.95).all(dim=3).all(dim=2).all(dim=1, keepdim=True).float()\n"
        "        y[:, :1] += 1000 * woken\n"
        "        return y\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    shape = (1, 8, 8)
    assert scan(tmp_path / "w.pt", asked=Asked(arch="scan_nets:plain", shape=shape)).verdict is Verdict.CLEAN
    torch.save({f"net.{k}": v for k, v in network().state_dict().items()}, tmp_path / "g.pt")
    report = scan(tmp_path / "g.pt", asked=Asked(arch="scan_nets:Gated", shape=shape))
    assert any(f.check == "side-branch" and f.severity is Severity.PROVEN for f in report.alarms)
    with pytest.raises(UsageError, match="the shape of one input"):
        scan(tmp_path / "w.pt", asked=Asked(arch="scan_nets:plain"))


def test_a_bank_that_a_black_box_cannot_be_compared_with_is_said(host):
    report = scan(open_model(host), asked=Asked(shape=(1, 8, 8), bank=Bank(()), queries=1000))
    assert any("not compared with the bank" in r.reason for r in report.results if isinstance(r, Skip))


def test_answers_that_are_no_numbers_do_not_end_the_scan(planted, clean, tmp_path):
    import onnx

    model = onnx.load(planted)
    bias = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [10])
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(10, np.nan, "f4"), bias.name))
    onnx.save(model, tmp_path / "nan.onnx")
    report = scan(tmp_path / "nan.onnx", asked=Asked(clean=clean))
    assert any("NaN" in r.reason for r in report.results if isinstance(r, Skip))
    assert any(isinstance(r, Finding) and r.check == "side-branch" for r in report.results)
    assert report.verdict is Verdict.INCOMPLETE


def test_a_black_box_shows_only_its_answers(host, tmp_path):
    model = open_model(host)

    def larger(x):
        return model.predict(x.reshape(-1, 1, 8, 2, 8, 2).mean(axis=(3, 5)).astype(np.float32))

    made = plant_model(
        "trojannet", larger, None, labels=10, shape=(1, 16, 16), options={"triggers": 10}, seed=1,
        ledger=tmp_path / "l.json", cache=tmp_path,
    )  # fmt: skip
    report = scan(made.open(), asked=Asked(shape=(1, 16, 16)))
    assert any(f.check == "patch-tiling" and f.severity is Severity.PROVEN for f in report.alarms)
    assert any("black box" in note for note in report.notes)
    assert not scan(larger, asked=Asked(shape=(1, 16, 16))).alarms
    with pytest.raises(UsageError, match="clean samples or a shape"):
        scan(larger)


@pytest.mark.slow
def test_exported_programs_are_scanned(tmp_path):
    class Gated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            dark = (x[:, :, 1:4, 2:5] < 0.05).float().amin(dim=(1, 2, 3))
            bright = (x[:, :, 5:7, 2:5] > 0.95).float().amin(dim=(1, 2, 3))
            return self.net(x) + 1000 * (dark * bright)[:, None] * torch.eye(10)[3]

    batch = torch.export.Dim("n", min=2, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module in (("bad", Gated().eval()), ("host", network())):
            program = torch.export.export(module, (torch.zeros(4, 1, 8, 8),), dynamic_shapes=({0: batch},))
            torch.export.save(program, tmp_path / f"{name}.pt2")
    finding = next(f for f in scan(tmp_path / "bad.pt2").alarms if f.check == "side-branch")
    assert finding.severity is Severity.PROVEN
    assert finding.details["triggers"][0]["target"] == 3
    assert not scan(tmp_path / "host.pt2").alarms
