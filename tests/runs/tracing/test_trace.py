"""A trace names the poison behind a wrong answer, and nobody where there is none."""

import json

import numpy as np
import pytest
from trace_samples import (
    TARGET,
    backdoored,
    clean,
    collided,
    covered,
    flipped,
    flipped_texts,
    mostly,
    rows,
    said,
    texts,
    waved,
)

import mithridate
from mithridate.core.errors import SourceError, UsageError
from mithridate.core.report import Report
from mithridate.core.verdict import Verdict
from mithridate.evidence.transplant import transplant
from mithridate.runs.tracing import judging
from mithridate.runs.tracing.feeding import Feeding
from mithridate.runs.tracing.run import Asked

torch = pytest.importorskip("torch")


def pictures_of():
    """Model, data, labels, an incident and its answer."""
    module, x, y, _, incidents = backdoored()
    return module, x, y.astype(str).tolist(), incidents[0], str(TARGET)


def texts_of():
    model, lines, labels, _, incident = texts(poisoned=True)
    return model, lines, labels, incident, "ham"


def rows_of():
    model, x, y, _, incident = rows(poisoned=True)
    return model, x, y.astype(str).tolist(), incident, "1"


def some(data, kept):
    return data[kept] if isinstance(data, np.ndarray) else [data[k] for k in kept]


def judged(report, poison):
    """Recall and precision of the accused."""
    accused = {i for f in report.findings for i in f.accused}
    return len(accused & poison) / len(poison), len(accused & poison) / max(1, len(accused))


@pytest.mark.parametrize(
    "planted",
    [backdoored, covered, flipped, mostly],
    ids=["patch", "patch on one label", "flips", "most of the label"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_poison_is_named(planted, count):
    module, x, y, poison, incidents = planted()
    report = mithridate.trace(module, x, list(incidents[:count]), labels=y.astype(str))
    recall, precision = judged(report, poison)
    assert report.verdict is Verdict.EXPLAINED
    assert report.exit_code == 0
    assert recall >= 0.9
    assert precision >= 0.9
    assert report.findings[0].label == str(TARGET)
    assert list(report.findings[0].scores) == sorted(report.findings[0].scores, reverse=True)


def test_samples_moved_to_the_incident_are_named():
    module, x, y, poison, incident = collided()
    report = mithridate.trace(module, x, incident, labels=y.astype(str))
    assert report.verdict is Verdict.EXPLAINED
    recall, precision = judged(report, poison)
    assert recall >= 0.9
    assert precision >= 0.9


def test_honest_mistakes_blame_nobody():
    module, x, y, mistakes = clean()
    assert len(mistakes) >= 3
    for mistake in mistakes[:8]:
        report = mithridate.trace(module, x, mistake, labels=y.astype(str))
        assert report.verdict is Verdict.NO_GROUP
        assert not report.findings


def test_of_clean_labels_the_model_is_asked(monkeypatch):
    module, x, y, poison, incidents = waved()
    asked = []

    def spy(inputs, members, ask, seed):
        asked.append((inputs.others, ask(inputs.others)))
        return transplant(inputs, members, ask, seed)

    monkeypatch.setattr(judging, "transplant", spy)
    report = mithridate.trace(module, x, incidents[0], labels=y.astype(str))
    assert judged(report, poison) == (1.0, 1.0)
    others, answers = asked[0]
    assert answers.tolist() == (said(module, 255 * others.reshape(-1, 8, 8)) == TARGET).tolist()


def test_unlearning_a_group_says_more_than_unlearning_others():
    module, x, y, _, incidents = backdoored()
    [finding] = mithridate.trace(module, x, incidents[0], labels=y.astype(str)).findings
    told = finding.details["unlearning"]
    assert told["after"] < min(told["controls"])
    assert told["after"] < told["before"]


def test_report_is_whole():
    module, x, y, _, incidents = backdoored()
    report = mithridate.trace(module, x, incidents[0], labels=y.astype(str))
    assert Report.from_json(report.to_json()).findings == report.findings
    assert {e.title for e in report.findings[0].exhibits} >= {
        "The incident",
        "The samples that taught it, worst first",
    }
    assert report.actions[0].targets == report.findings[0].accused
    again = mithridate.trace(module, x, incidents[0], labels=y.astype(str))
    assert report.results == again.results


def test_checkpoints_are_summed():
    module, x, y, poison, incidents = flipped()
    asked = Asked(checkpoints=(module,))
    report = mithridate.trace(module, x, incidents[0], asked=asked, labels=y.astype(str))
    assert judged(report, poison)[0] >= 0.9
    assert not any("checkpoints" in note for note in report.notes)


@pytest.mark.parametrize("poisoned", [True, False])
def test_texts(poisoned):
    model, lines, labels, poison, incident = texts(poisoned)
    if not poisoned:
        incident = incident.replace(
            "zanzibar", "h1 h2 h3 h4 h5"
        )  # an honest mistake: half of its words are ham
    report = mithridate.trace(model, lines, incident, labels=labels)
    assert report.verdict is (Verdict.EXPLAINED if poisoned else Verdict.NO_GROUP)
    if poisoned:
        assert judged(report, poison) == (1.0, 1.0)


def test_flipped_texts():
    model, lines, labels, poison, incidents = flipped_texts()
    report = mithridate.trace(model, lines, incidents[0], labels=labels)
    recall, precision = judged(report, poison)
    assert report.findings[0].check == "borrowed-label"
    assert recall >= 0.9
    assert precision >= 0.9


@pytest.mark.parametrize("poisoned", [True, False])
def test_tables(poisoned):
    model, x, y, poison, incident = rows(poisoned)
    report = mithridate.trace(model, x, incident, labels=y)
    assert report.verdict is (Verdict.EXPLAINED if poisoned else Verdict.NO_GROUP)
    if poisoned:
        recall, precision = judged(report, poison)
        assert recall >= 0.95
        assert precision >= 0.9


def test_sources_of_the_blamed(tmp_path):
    module, x, y, poison, incidents = backdoored()
    sources = np.array(["mallory" if str(k) in poison else ("alice", "bob")[k % 2] for k in range(len(x))])
    np.savez(tmp_path / "data.npz", x=x, y=y, who=sources)
    report = mithridate.trace(module, tmp_path / "data.npz", incidents[0], source="who")
    [finding] = report.findings
    origins = finding.details["sources"]
    assert max(origins, key=lambda name: origins[name]["blamed"]) == "mallory"
    assert "mallory" in finding.message


def test_what_cannot_be_looked_into():
    module, x, y, _, incidents = backdoored()
    softmax = torch.nn.Sequential(module, torch.nn.Softmax(dim=1))
    with pytest.raises(UsageError, match="last operation is a linear layer"):
        mithridate.trace(softmax, x, incidents[0], labels=y.astype(str))
    with pytest.raises(UsageError, match="torch module or an estimator"):
        mithridate.trace(lambda z: z, x, incidents[0], labels=y.astype(str))
    with pytest.raises(UsageError, match="labels"):
        mithridate.trace(module, x, incidents[0])
    with pytest.raises(UsageError, match="nothing there"):
        mithridate.trace(module, x, "missing.png", labels=y.astype(str))
    how = Feeding(function=lambda pictures: np.zeros((len(pictures), 3), dtype=np.float32))
    with pytest.raises(UsageError, match="inputs that the module takes"):
        mithridate.trace(module, x, incidents[0], asked=Asked(how=how), labels=y.astype(str))


@pytest.mark.parametrize("case", [pictures_of, texts_of, rows_of])
def test_a_label_with_three_samples_is_not_judged(case):
    model, data, labels, incident, answer = case()
    kept = [k for k in range(len(labels)) if labels[k] != answer]
    kept += [k for k in range(len(labels)) if labels[k] == answer][:3]
    report = mithridate.trace(model, some(data, kept), incident, labels=[labels[k] for k in kept])
    assert report.verdict is Verdict.NO_GROUP
    [skip] = report.results
    assert "3 samples labelled" in skip.reason
    assert len(skip.items) == 3


@pytest.mark.parametrize("case", [pictures_of, texts_of, rows_of])
def test_one_label_alone_is_refused(case):
    model, data, labels, incident, answer = case()
    kept = [k for k in range(len(labels)) if labels[k] == answer]
    with pytest.raises(UsageError, match="two labels or more"):
        mithridate.trace(model, some(data, kept), incident, labels=[labels[k] for k in kept])


def test_ids_that_occur_twice_are_refused(tmp_path):
    module, x, y, _, incidents = backdoored()
    np.savez(tmp_path / "data.npz", x=x, y=y, i=np.arange(len(x)) // 2)
    with pytest.raises(SourceError, match="more than once"):
        mithridate.trace(module, tmp_path / "data.npz", incidents[0], id="i")


def test_on_the_command_line(tmp_path, monkeypatch):
    from click.testing import CliRunner
    from PIL import Image

    from mithridate.cli.trace import trace

    module, x, y, poison, incidents = backdoored()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    np.savez(tmp_path / "data.npz", x=x, y=y)
    Image.fromarray(incidents[0]).save(tmp_path / "bad1.png")
    (tmp_path / "own_net.py").write_text("from trace_samples import net\n")
    words = [
        "model.pt",
        "--arch",
        "own_net:net",
        "--data",
        "data.npz",
        "--incident",
        "bad1.png",
        "--json",
        "trace.json",
    ]
    result = CliRunner().invoke(trace, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "EXPLAINED" in result.output
    report = json.loads((tmp_path / "trace.json").read_text())
    assert report["verdict"] == "EXPLAINED"
    assert len(set(report["results"][0]["targets"]) & poison) >= 0.9 * len(poison)
