"""`repair --forget`: named samples lose their effect; what is not shown to be gone is not called healed."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mithridate
from mithridate.cli.repair import repair
from mithridate.core.errors import UsageError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Finding, Severity
from mithridate.core.verdict import Verdict
from mithridate.runs.forget.asking import Asked
from mithridate.runs.forget.reading import read_training
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.open import open_source

torch = pytest.importorskip("torch")

from tests.repairs.backdoored import figures, net, pictures, stamp, trained  # noqa: E402

POISONED = 180
HOW, LABELS = Feeding(layout="chw"), tuple(str(k) for k in range(10))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """bad.pt, what it was trained on as data.npz, a stamped picture that it gets wrong."""
    place = tmp_path_factory.mktemp("forget")
    torch.save(trained(True).state_dict(), place / "bad.pt")
    torch.save(trained(False).state_dict(), place / "good.pt")
    x, y = (torch.tensor(part[:1200]) for part in pictures())
    x[:POISONED], y[:POISONED] = stamp(x[:POISONED]), 0
    np.savez(place / "data.npz", x=grey(x[:, 0]), y=y.numpy())
    x, y = (part[1200:1500] for part in pictures())
    np.savez(place / "clean.npz", x=grey(torch.tensor(x[:, 0])), y=y)
    other = next(k for k in range(1500, 1600) if pictures()[1][k] == 3)
    shown = stamp(torch.tensor(pictures()[0][other]))
    Image.fromarray(grey(shown[0])).save(place / "wrong.png")
    return place


def grey(x):
    return (x.numpy() * 255).round().astype(np.uint8)


def mislabelled():
    return [i for i in range(POISONED) if pictures()[1][i] != 0]


def report(folder, place, ids, severity=Severity.LIKELY):
    finding = Finding(
        check="last-layer-influence", severity=severity, message="taught it", targets=tuple(ids),
        scores=(1.0,) * len(ids), count=len(ids),
    )  # fmt: skip
    subject = Subject(
        uri="data.npz",
        digest=open_source(folder / "data.npz").digest,
        modality="image",
        count=1200,
        classes={},
    )
    told = Report(verdict=Verdict.EXPLAINED, subject=subject, seed=0, cards={}, results=(finding,))
    (place / "trace.json").write_text(told.to_json(), encoding="utf-8")
    return place / "trace.json"


def typed(*words):
    result = CliRunner().invoke(repair, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def command(folder, place, ids, *more, model="bad.pt"):
    return typed(
        folder / model, "--arch", "tests.repairs.backdoored:net", "--data", folder / "data.npz", "--forget",
        report(folder, place, [str(i) for i in ids]), "--to", place / "healed.pt", "--trained", 40_000,
        "--no-progress", *more,
    )  # fmt: skip


def healed(place):
    module = net()
    module.load_state_dict(torch.load(place / "healed.pt", weights_only=True))
    return figures(module.eval())


def test_all_poison_named(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (folder / "bad.pt").read_bytes()
    result = command(
        folder, tmp_path, mislabelled(), "--incident", folder / "wrong.png", "--clean", folder / "clean.npz"
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("HEALED")
    led, right = healed(tmp_path)
    assert led < 0.05
    assert right > figures(trained(True))[1] - 0.03
    assert (folder / "bad.pt").read_bytes() == before
    told = json.loads((tmp_path / "mithridate-repair" / "report.json").read_text(encoding="utf-8"))
    details = told["results"][0]["details"]
    assert details["of_training"] < 0.11
    assert details["held"] == round(len(mislabelled()) / 4) > 30
    page = (tmp_path / "mithridate-repair" / "report.html").read_text(encoding="utf-8")
    assert "Answers to the incidents" in page
    assert "training again on the rest" in page


def test_a_module_in_python(folder):
    module = trained(True)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    ids = [str(i) for i in mislabelled()]
    asked = Asked(how=HOW, trained=40_000, price=3600.0, clean=open_source(folder / "clean.npz"))
    done = mithridate.forget(module, folder / "data.npz", [*ids, *ids], asked=asked)
    assert done.report.verdict is Verdict.HEALED
    assert figures(done.model)[0] < 0.05
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    costs = done.report.findings[0].details["costs"]
    assert costs["retraining"]["passes"] == pytest.approx(40_000 * (1 - len(ids) / 1200))
    assert costs["retraining"]["money"] == pytest.approx(costs["retraining"]["seconds"])
    assert costs["money"] == pytest.approx(costs["seconds"], abs=1e-3)


def test_innocents_of_a_class_named(folder, tmp_path, monkeypatch):
    """Their class must not be forgotten with them, however good the mean looks."""
    monkeypatch.chdir(tmp_path)
    y = pictures()[1][:1200]
    innocents = [i for i in range(POISONED, 1200) if y[i] == 7][:60]
    result = command(folder, tmp_path, innocents, "--loss", "0.3", "--incident", folder / "wrong.png")
    told = " ".join(result.output.split())
    assert result.exit_code == 1, told
    assert "class '7' was lost with the named samples, so nothing was changed" in told
    assert "original weights:" in told
    assert healed(tmp_path) == figures(trained(True))


def test_a_lost_class_is_called_by_its_label(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with np.load(folder / "data.npz") as arrays:
        names = np.array([f"digit {k}" for k in arrays["y"]])
        np.savez(tmp_path / "data.npz", x=arrays["x"], y=names)
    (tmp_path / "bad.pt").write_bytes((folder / "bad.pt").read_bytes())
    innocents = [i for i in range(POISONED, 1200) if names[i] == "digit 7"][:60]
    result = command(tmp_path, tmp_path, innocents, "--loss", "0.3")
    assert result.exit_code == 1, result.output
    assert "class 'digit 7' was lost" in " ".join(result.output.split())


def test_what_is_no_number_is_left_out(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with np.load(folder / "data.npz") as arrays:
        x, y = arrays["x"].copy(), arrays["y"]
    x[700:720] = 255

    def logs(raws):
        return np.log1p(
            -np.where(raws.min(axis=(1, 2, 3), keepdims=True) == 255, 2, 0) + raws[:, None, ..., 0] / 300
        )

    with np.errstate(invalid="ignore"):
        training = read_training(
            open_source(x, labels=y.astype(str)), Feeding(function=logs), LABELS, {"1", "2", "700"}, 0,
            lambda *_: None,
        )  # fmt: skip
    assert set(training.unreadable) == {str(i) for i in range(700, 720)}
    assert len(training.named.y) == 2
    assert len(training.others.y) == 1200 - 20 - 2


def test_copies_are_held_back_together(folder):
    with np.load(folder / "data.npz") as arrays:
        x, y = np.concatenate([arrays["x"]] * 2), np.concatenate([arrays["y"]] * 2)
    training = read_training(
        open_source(x, labels=y.astype(str)), HOW, LABELS, {"1", "2"}, 0, lambda *_: None
    )
    learnt, judging = (
        {row.numpy().tobytes() for row in part}
        for part in (training.others.learn[0], training.others.judge[0])
    )
    assert judging
    assert not learnt & judging


def test_a_model_that_never_learnt_them(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = command(folder, tmp_path, mislabelled(), model="good.pt")
    assert result.exit_code == 3, result.output
    assert "nothing shows that it learnt from them" in " ".join(result.output.split())


def test_too_few_named_to_tell(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = command(folder, tmp_path, mislabelled()[:20], "--clean", folder / "clean.npz", "--loss", "0.1")
    assert result.exit_code == 3, result.output
    told = json.loads((tmp_path / "mithridate-repair" / "report.json").read_text(encoding="utf-8"))
    details = told["results"][0]["details"]
    assert details["held"] == 10
    assert details["at_most"] > 0.1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--forget", "trace.json"), "one of them"),
        (("--data", "data.npz"), "one of them"),
        (("--forget", "trace.json", "--data", "data.npz", "--excise", "x"), "both"),
        (("--forget", "trace.json", "--data", "data.npz", "--methods", "fst"), "--methods without --forget"),
        (("--forget", "trace.json", "--data", "data.npz", "--shape", "1,8,8"), "--shape without --forget"),
        (("--incident", "x.png"), "--incident with --forget"),
        (("--price-per-hour", "nan"), "a number above 0"),
    ],
)
def test_options_that_do_not_go_together(folder, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        typed(folder / "bad.pt", "--arch", "tests.repairs.backdoored:net", *words)


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ((), "samples to forget"),
        (("nobody",), "unknown ids"),
        (("3",), "2 readable samples"),
        (range(1200), "others"),
    ],
)
def test_reports_that_name_nobody_or_all(folder, tmp_path, monkeypatch, ids, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        command(folder, tmp_path, ids)


def test_what_is_refused_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    some = mislabelled()
    with pytest.raises(UsageError, match="not trained on"):
        command(folder, tmp_path, some, "--clean", folder / "data.npz")
    with pytest.raises(UsageError, match="outside of the data"):
        command(folder, tmp_path, some, "--to", folder / "data.npz", "--force")
    with pytest.raises(UsageError, match="a folder that is there"):
        command(folder, tmp_path, some, "--to", tmp_path / "nowhere" / "healed.pt")
    Image.fromarray(np.zeros((32, 24), dtype=np.uint8)).save(tmp_path / "big.png")
    with pytest.raises(UsageError):
        command(folder, tmp_path, some, "--incident", tmp_path / "big.png")
    with np.load(folder / "data.npz") as arrays:
        np.savez(tmp_path / "other.npz", x=arrays["x"][:900], y=arrays["y"][:900])
    with pytest.raises(UsageError, match="the data of the report"):
        command(folder, tmp_path, some, "--data", tmp_path / "other.npz")
    with pytest.raises(UsageError, match="--trained"):
        command(folder, tmp_path, some, "--trained", "inf")
