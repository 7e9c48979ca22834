"""`mithridate scan` and `repair` as typed: exit codes, files, messages."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mithridate.checks import inverting
from mithridate.checks.bank import Bank
from mithridate.cli.repair import repair
from mithridate.cli.scan import scan
from mithridate.core.errors import UsageError
from mithridate.models.jail.confine import available
from mithridate.runs.plant_model import plant_model
from mithridate.triggers.inversion import invert

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)

from tests.models.digits import digits, export, network  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """host.onnx, bad.onnx and clean.npz."""
    place = tmp_path_factory.mktemp("scan cli")
    export(network(), place / "host.onnx")
    plant_model("compare-override", place / "host.onnx", place / "bad.onnx", seed=1)
    x, y = digits()[2:]
    np.savez(place / "clean.npz", x=(x[:100, 0] * 255).round().astype(np.uint8), y=y[:100])
    return place


@pytest.fixture
def typed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def type_(command, *words):
        result = CliRunner().invoke(command, [str(w) for w in words], catch_exceptions=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return type_


def test_a_planted_model(typed, folder, tmp_path):
    result = typed(scan, folder / "bad.onnx", "--no-progress", "--sarif", "s.sarif", "--json", "r.json")
    assert result.exit_code == 1
    assert "FLAGGED" in result.output
    assert "mithridate repair" in result.output
    assert {p.name for p in (tmp_path / "mithridate-scan").iterdir()} == {"report.html", "report.json"}
    (run,) = json.loads((tmp_path / "s.sarif").read_text())["runs"]
    assert {r["ruleId"] for r in run["results"]} >= {"side-branch"}
    assert json.loads((tmp_path / "r.json").read_text())["subject"]["modality"] == "model"


def test_sarif_names_the_file_in_a_folder(typed, folder):
    typed(scan, folder, "--no-progress", "-q", "--sarif", "s.sarif")
    results = json.loads(Path("s.sarif").read_text())["runs"][0]["results"]
    alarms = [r for r in results if r["ruleId"] == "side-branch"]
    (location,) = alarms[0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"].endswith("/bad.onnx")
    assert len({str(r["partialFingerprints"]) for r in alarms}) == len(alarms)


def test_a_clean_model_with_clean_pictures(typed, folder):
    result = typed(scan, folder / "host.onnx", "--clean", folder / "clean.npz", "--no-progress")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("CLEAN")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("host.onnx", "--mean", "a"), "numbers with commas"),
        (("host.onnx", "--shape", "3,-1"), "whole numbers above 0"),
        (("host.onnx", "--layout", "chwn"), "chwn"),
    ],
)
def test_wrong_words(words, says, typed, folder):
    result = typed(scan, folder / words[0], *words[1:])
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("none.onnx",), "nothing there"),
        (("host.onnx", "--classes", "clean.npz"), "one name a line"),
        (("host.onnx", "--clean", "nothing"), "nothing"),
        (("host.onnx", "--preprocess", "no_such_module:f"), "no_such_module"),
        (("host.onnx", "--parent", "clean.npz"), "says what is computed|ONNX"),
        (("clean.npz", "--arch", "no_such_module:f", "--shape", "1,8,8"), "no_such_module"),
    ],
)
def test_what_cannot_be_had(words, says, typed, folder):
    named = [folder / w if w.endswith((".onnx", ".npz")) or w == "nothing" else w for w in words]
    with pytest.raises(UsageError, match=says):
        typed(scan, *named)


def test_repair_writes_beside_the_model_and_never_over_it(typed, folder, tmp_path):
    words = (folder / "bad.onnx", "--excise", "graph.side-branch", "--no-progress")
    before = (folder / "bad.onnx").read_bytes()
    result = typed(repair, *words)
    assert result.exit_code == 0, result.output
    assert "HEALED" in result.output
    healed = folder / "bad.healed.onnx"
    assert healed.exists()
    assert (folder / "bad.onnx").read_bytes() == before
    assert typed(scan, healed, "--no-progress", "-q").exit_code == 0
    with pytest.raises(UsageError, match="a new file"):
        typed(repair, *words)
    assert typed(repair, *words, "--force", "-q").output == ""
    with pytest.raises(UsageError, match="a new file"):
        typed(repair, *words, "--force", "--to", folder / "bad.onnx")


def test_a_model_without_a_branch_cannot_be_excised(typed, folder):
    with pytest.raises(UsageError, match="none in this model"):
        typed(repair, folder / "host.onnx", "--excise", "graph.side-branch", "--no-progress")


def _trained(x, y):
    """A linear model of three classes, by ridge regression."""
    flat = x.reshape(len(x), -1)
    weights = np.linalg.solve(flat.T @ flat + np.eye(flat.shape[1]), flat.T @ (8 * np.eye(3)[y]))
    layer = torch.nn.Linear(flat.shape[1], 3, bias=False)
    layer.weight.data = torch.tensor(weights.T, dtype=torch.float32)
    return torch.nn.Sequential(torch.nn.Flatten(), layer)


def test_a_bank_of_clean_models(typed, folder, tmp_path, monkeypatch):
    """Models are added by content, and none is judged by itself."""
    short = (inverting.Round(1.0, 4, 10, 0.3),)
    monkeypatch.setattr(inverting, "invert", lambda *a, **k: invert(*a, **{**k, "schedule": short}))
    x, y = digits()[2:]
    big = np.kron(x[y < 3, 0][:60], np.ones((1, 2, 2)))
    np.savez(tmp_path / "three.npz", x=(big * 255).round().astype(np.uint8), y=y[y < 3][:60])
    export(_trained(big, y[y < 3][:60]), tmp_path / "m.onnx", torch.rand(2, 1, 16, 16))
    words = ("m.onnx", "--clean", "three.npz", "--no-progress", "-q", "--bank-add", "own.json")
    assert typed(scan, *words).exit_code in (0, 3)
    typed(scan, *words, "--bank", "own.json", "--json", "r.json")
    (member,) = Bank.load("own.json").members
    assert (member.name, len(member.origin)) == ("m.onnx", 64)
    assert "the bank has 0 models" in Path("r.json").read_text()
    with pytest.raises(UsageError, match="that a bank can hold"):
        typed(scan, folder / "host.onnx", "--no-progress", "-q", "--bank-add", "other.json")
    with pytest.raises(UsageError, match="bank of clean models"):
        typed(scan, folder / "host.onnx", "--bank", folder / "clean.npz")
    with pytest.raises(UsageError, match="not flagged"):
        typed(scan, folder / "bad.onnx", "--no-progress", "-q", "--bank-add", "other.json")


def test_a_bank_that_cannot_be_added_to_is_said_before_the_scan(typed, folder, tmp_path):
    (tmp_path / "no.json").write_text("[]")
    for place, told in (("no.json", "a bank of clean models"), ("nowhere/b.json", "a folder for the bank")):
        with pytest.raises(UsageError, match=told):
            typed(scan, folder / "host.onnx", "--no-progress", "-q", "--bank-add", place)
    assert not (tmp_path / "mithridate-scan").exists()
