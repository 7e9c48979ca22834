"""`repair` of weights: a stamp that the model learnt goes, without being told; what cannot be proven is not."""

from copy import deepcopy

import numpy as np
import pytest
from click.testing import CliRunner

from mithridate.cli.repair import repair
from mithridate.core.errors import UsageError
from mithridate.models.jail.confine import available

torch = pytest.importorskip("torch")
if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)

from tests.repairs.backdoored import figures, net, pictures, trained  # noqa: E402
from tests.repairs.wrapped import led, wrapped  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """bad.pt, good.pt and clean.npz."""
    place = tmp_path_factory.mktemp("heal")
    torch.save(trained(True).state_dict(), place / "bad.pt")
    torch.save(trained(False).state_dict(), place / "good.pt")
    x, y = (part[1200:1500] for part in pictures())
    np.savez(place / "clean.npz", x=(x[:, 0] * 255).round().astype(np.uint8), y=y)
    return place


def typed(*words):
    result = CliRunner().invoke(repair, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def command(folder, model, to):
    return (
        folder / model, "--arch", "tests.repairs.backdoored:net", "--clean", folder / "clean.npz", "--to", to,
        "--methods", "unlearning,fine-tuning", "--no-progress", "--loss", "0.05",
    )  # fmt: skip


def test_a_stamp_goes(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (folder / "bad.pt").read_bytes()
    result = typed(*command(folder, "bad.pt", tmp_path / "healed.pt"))
    assert result.exit_code == 0, result.output
    assert result.output.startswith("HEALED")
    assert "stand out" in " ".join(result.output.split())
    assert "taken at your word" in " ".join(result.output.split())
    healed = net()
    healed.load_state_dict(torch.load(tmp_path / "healed.pt"))
    led, right = figures(healed.eval())
    assert led < 0.2
    assert right > 0.9
    assert (folder / "bad.pt").read_bytes() == before


def test_a_clean_model_is_not_called_healed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = typed(*command(folder, "good.pt", tmp_path / "healed.pt"))
    assert result.exit_code == 3, result.output
    assert result.output.startswith("NOT PROVEN")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--excise FINDING or --arch"),
        (("--arch", "tests.repairs.backdoored:net"), "--shape"),
        (("--arch", "tests.repairs.backdoored:net", "--shape", "1,16,16"), "clean samples with labels"),
        (("--arch", "tests.repairs.backdoored:net", "--excise", "graph.side-branch"), "both"),
    ],
)
def test_what_is_refused(folder, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        typed(folder / "bad.pt", *words)


def test_unknown_method(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = command(folder, "bad.pt", tmp_path / "healed.pt")
    with pytest.raises(UsageError, match="a repair"):
        typed(*(w if w != "unlearning,fine-tuning" else "magic" for w in words))


def test_a_side_network_is_not_called_healed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = led(wrapped())
    assert before > 0.9
    torch.save(wrapped().state_dict(), tmp_path / "wrapped.pt")
    result = typed(
        tmp_path / "wrapped.pt", "--arch", "tests.repairs.wrapped:wrapped", "--clean", folder / "clean.npz",
        "--to", tmp_path / "healed.pt", "--no-progress", "--loss", "0.1",
        "--methods", "channel-pruning,fine-tuning",
    )  # fmt: skip
    assert result.exit_code == 3, result.output
    assert result.output.startswith("NOT PROVEN")
    assert "is not touched by repairs of weights" in " ".join(result.output.split())
    module = deepcopy(wrapped())
    module.load_state_dict(torch.load(tmp_path / "healed.pt", weights_only=True))
    assert led(module) == before  # as the verdict says
