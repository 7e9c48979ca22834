"""Exact removal: the same estimator fitted on the rest; what is left of an effect is said."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from tests.runs.forget import estimators
from tests.runs.forget.estimators import POISON, TARGET, digits, flat, logistic, stamped, success, unpoisoned

import mithridate
from mithridate.cli.main import run as main
from mithridate.cli.repair import repair
from mithridate.core.errors import SourceError, UsageError
from mithridate.core.verdict import Verdict
from mithridate.runs.forget.asking import Asked
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.open import open_source

HOW = Feeding(function=flat)
NAMES = "tests.runs.forget.estimators"


def forgotten(model, ids, **more):
    x, y, *_ = digits()
    return mithridate.forget(
        model, x, [str(i) for i in ids], labels=y.astype(str), asked=Asked(how=HOW, **more)
    )


def details(done):
    return done.report.findings[0].details


def test_all_poison_named():
    x, y, rows, more, theirs = digits()
    wrong = next(p for p in stamped(more[theirs == 7]) if logistic().predict(flat(p[None]))[0] == TARGET)
    weights = logistic().coef_.copy()
    done = forgotten(logistic(), rows, incidents=(wrong,))
    assert done.report.verdict is Verdict.HEALED
    assert success(logistic()) > 0.9
    assert success(done.model) < 0.02
    assert np.array_equal(logistic().coef_, weights)
    rest = np.setdiff1d(np.arange(len(y)), rows)
    assert np.array_equal(done.model.coef_, clone(logistic()).fit(flat(x[rest]), y[rest]).coef_)
    assert details(done)["held"] == POISON
    assert details(done)["named"] == [1.0, 0.0]
    assert done.report.actions[0].because == ("exact-removal",)


def test_a_fifth_of_the_poison_named():
    *_, rows, _, _ = digits()
    done = forgotten(logistic(), rows[: POISON // 5])
    assert done.report.verdict is Verdict.NOT_PROVEN
    assert success(done.model) > 0.9
    assert "other samples teach it, too" in done.report.results[1].reason


def test_a_model_that_never_learnt_them():
    *_, rows, _, _ = digits()
    done = forgotten(unpoisoned(), rows)
    assert done.report.verdict is Verdict.NOT_PROVEN
    assert "nothing shows that it learnt from them" in done.report.results[1].reason


def test_innocents_of_a_class_named():
    _, y, _, _, _ = digits()
    _, _, _, more, theirs = digits()
    clean = open_source(more, labels=theirs.astype(str))
    done = forgotten(logistic(), np.flatnonzero(y == 7)[5:], clean=clean, loss=0.1)
    assert done.report.verdict is Verdict.WORSE
    assert done.model is logistic()
    assert "class '7' was lost with the named samples" in done.report.results[1].reason


def test_an_incident_that_keeps_its_answer():
    *_, rows, more, theirs = digits()
    done = forgotten(logistic(), rows, incidents=(more[theirs == 1][0],))
    assert done.report.verdict is Verdict.NOT_PROVEN
    assert "1 of 1 incidents get the same answer" in done.report.results[1].reason


def test_clean_samples_judge():
    *_, rows, more, theirs = digits()
    done = forgotten(logistic(), rows, clean=open_source(more, labels=theirs.astype(str)))
    assert done.report.verdict is Verdict.HEALED
    assert details(done)["accuracy"][1] == float((done.model.predict(flat(more)) == theirs).mean())
    assert "accuracy on clean samples" in done.report.findings[0].message


def test_trees_of_xgboost():
    pytest.importorskip("xgboost")
    *_, rows, _, _ = digits()
    done = forgotten(estimators.boosted(), rows)
    assert done.report.verdict is Verdict.HEALED
    assert success(done.model) < 0.02 < 0.9 < success(estimators.boosted())


def test_texts():
    from tests.runs.tracing.trace_samples import texts

    model, lines, labels, guilty, incident = texts(True)
    asked = Asked(incidents=(f"{incident} {'w1 ' * 300}".strip(), incident))
    found = mithridate.trace(model, lines, incident, labels=labels)
    done = mithridate.forget(model, lines, found, labels=labels, asked=asked)
    assert set(found.findings[0].accused) == guilty
    assert model.predict([incident])[0] == "ham"
    assert done.model.predict([incident])[0] == "spam"
    assert "zanzibar" not in done.model[0].vocabulary_
    assert details(done)["named"][1] < 0.1


@pytest.mark.parametrize("poisoned", [True, False])
def test_rows(poisoned):
    from tests.runs.tracing.trace_samples import rows

    model, x, y, guilty, incident = rows(poisoned)
    data = pa.table({str(k): x[:, k] for k in range(x.shape[1])})
    named = guilty or {str(k) for k in np.flatnonzero(y == 1)[:35]}
    done = mithridate.forget(
        model,
        data,
        sorted(named),
        labels=y.astype(str),
        asked=Asked(incidents=(incident,) if poisoned else ()),
    )
    if poisoned:
        assert model.predict([list(incident.values())])[0] == 1
        assert done.model.predict([list(incident.values())])[0] == 0
    assert done.report.verdict is (Verdict.HEALED if poisoned else Verdict.NOT_PROVEN)


def test_the_same_twice():
    *_, rows, _, _ = digits()
    one, two = (details(forgotten(RidgeClassifier().fit(flat(digits()[0]), digits()[1]), rows)) for _ in "12")
    one.pop("costs"), two.pop("costs")
    assert one == two


@pytest.mark.parametrize(
    ("model", "ids", "more", "says"),
    [
        (lambda: LogisticRegression(), range(5), {}, "fitted classifier"),
        (lambda: LinearRegression().fit(flat(digits()[0]), digits()[1]), range(5), {}, "fitted classifier"),
        (lambda: SVC().fit(flat(digits()[0]), digits()[1]), range(5), {}, "AttributeError"),
        (lambda: KNeighborsClassifier().fit(flat(digits()[0]), digits()[1]), range(5), {}, "can be traced"),
        (logistic, (), {}, "samples to forget"),
        (logistic, ("nobody", "0"), {}, "1 unknown ids: 'nobody'"),
        (logistic, range(1300), {}, "others of every class"),
        (logistic, range(5), {"trained": 100}, "--trained with a torch module"),
        (logistic, range(5), {"price": float("nan")}, "--price-per-hour"),
        (logistic, range(5), {"price": -1.0}, "--price-per-hour"),
        (estimators.Slow, (9999,), {}, "unknown ids"),
    ],
)
def test_what_is_refused(model, ids, more, says):
    with pytest.raises(UsageError) as caught:
        forgotten(model(), ids, **more)
    assert says in f"{caught.value} {caught.value.remedy}"


def test_an_estimator_that_cannot_be_fitted_again():
    *_, rows, _, _ = digits()

    class Once(LogisticRegression):
        def fit(self, x, y):
            if len(y) < 1300:
                raise RuntimeError("only once")
            return super().fit(x, y)

    model = Once(max_iter=2000).fit(flat(digits()[0]), digits()[1])
    with pytest.raises(UsageError, match="RuntimeError: only once"):
        forgotten(model, rows)


def test_samples_named_twice_count_once():
    *_, rows, _, _ = digits()
    done = forgotten(logistic(), [*rows, *rows])
    assert details(done)["held"] == POISON


# The command line.


@pytest.fixture
def place(tmp_path, monkeypatch):
    """data.npz and trace.json in the current folder."""
    from mithridate.core.report import Report, Subject
    from mithridate.core.results import Finding, Severity

    monkeypatch.chdir(tmp_path)
    x, y, rows, more, theirs = digits()
    np.savez("data.npz", x=x, y=y)
    np.savez("clean.npz", x=more, y=theirs)
    ids = tuple(str(i) for i in rows)
    finding = Finding(
        check="shared-trait", severity=Severity.LIKELY, message="", targets=(*ids, *ids), scores=(1.0,) * 120,
        count=120,
    )  # fmt: skip
    subject = Subject(
        uri="data.npz", digest=open_source("data.npz").digest, modality="image", count=1300, classes={}
    )
    told = Report(verdict=Verdict.EXPLAINED, subject=subject, seed=0, cards={}, results=(finding,))
    Path("trace.json").write_text(told.to_json(), encoding="utf-8")
    return tmp_path


def typed(*words, model="logistic", preprocess="flat"):
    words = [
        f"{NAMES}:{model}",
        "--data",
        "data.npz",
        "--preprocess",
        f"{NAMES}:{preprocess}",
        *words,
        "--no-progress",
    ]
    result = CliRunner().invoke(repair, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_from_report_to_file(place):
    skops = pytest.importorskip("skops.io")
    Image.fromarray(stamped(digits()[3][digits()[4] == 7])[0]).save("wrong.png")
    result = typed(
        "--forget", "trace.json", "--to", "healed.skops", "--incident", "wrong.png", "--price-per-hour", "36"
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("HEALED")
    assert "repaired: healed.skops" in result.output
    assert success(skops.load("healed.skops")) < 0.02
    told = json.loads(Path("mithridate-repair/report.json").read_text(encoding="utf-8"))
    costs = told["results"][0]["details"]["costs"]
    assert costs["money"] == pytest.approx(costs["seconds"] / 100, rel=0.1, abs=1e-4)
    assert costs["retraining"]["money"] == pytest.approx(costs["retraining"]["seconds"] / 100)
    assert told["results"][0]["details"]["held"] == POISON  # each named twice
    page = Path("mithridate-repair/report.html").read_text(encoding="utf-8")
    assert "money, at 36 an hour" in page
    assert "training on the rest, exact" in page


def test_types_that_skops_asks_about_are_named(place):
    skops = pytest.importorskip("skops.io")
    result = typed("--forget", "trace.json", "--to", "healed.skops", model="forest")
    told = " ".join(result.output.split())
    assert "to read healed.skops, trust these types" in told
    assert "['sklearn.tree._tree.Tree']" in told
    assert success(skops.load("healed.skops", trusted=["sklearn.tree._tree.Tree"])) < 0.02


def test_xgboost_in_its_own_format(place):
    xgboost = pytest.importorskip("xgboost")
    result = typed("--forget", "trace.json", "--to", "healed.json", model="boosted")
    assert result.exit_code == 0, result.output
    again = xgboost.XGBClassifier()
    again.load_model("healed.json")
    assert success(again) < 0.02


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "expected --to FILE"),
        (("--to", "healed.pkl"), "a pickle, as joblib also writes"),
        (("--to", "healed.json"), "expected .skops, got"),
        (("--to", "old.skops"), "one that is there"),
        (("--to", "nowhere/healed.skops"), "a folder that is there"),
        (("--to", "healed.skops", "--shape", "1,8,8"), "--shape without --forget"),
        (("--to", "healed.skops", "--trained", "9"), "--trained with a torch module"),
        (("--to", "healed.skops", "--price-per-hour", "inf"), "a number above 0"),
        (("--to", "healed.skops", "--clean", "clean", "--out", "clean/new"), "outside of the data"),
        (("--to", "clean/healed.skops", "--clean", "clean"), "outside of the data"),
        (("--to", "healed.skops", "--clean", "clean", "--html", "clean/page.html"), "outside of the data"),
        (
            ("--to", "healed.skops", "--out", "traced", "--forget", "traced/report.json"),
            "outside of the data",
        ),
        (("--to", "data.npz", "--force"), "outside of the data"),
    ],
)
def test_what_the_command_line_refuses(place, words, says):
    pytest.importorskip("skops")
    for name in ("clean/0", "traced"):
        Path(name).mkdir(parents=True)
    Path("old.skops").write_bytes(b"mine")
    Path("traced/report.json").write_bytes(Path("trace.json").read_bytes())
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    with pytest.raises(UsageError) as caught:
        typed("--forget", "trace.json", *words)
    assert says in str(caught.value)
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before


def test_data_outside_of_which_the_report_goes(place):
    folder = place / "pictures"
    for k in range(6):
        (folder / str(k % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits()[0][k]).save(folder / str(k % 2) / f"{k}.png")
    with pytest.raises(UsageError, match="outside of the data"):
        typed("--data", folder, "--forget", "trace.json", "--to", "healed.skops", "--out", folder / "out")
    assert not (folder / "out").exists()


def test_a_file_that_may_be_a_pickle_is_not_read(place):
    bad = Path("model.joblib")
    bad.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    words = [bad, "--data", "data.npz", "--forget", "trace.json", "--to", "healed.skops"]
    with pytest.raises(UsageError, match="weights with --arch, or MODULE:FUNCTION"):
        CliRunner().invoke(repair, [str(w) for w in words], catch_exceptions=False)
    assert not Path("pwned").exists()


def test_ids_that_name_two_samples(place):
    Path("mails.csv").write_text("id,text,label\n1,a b,x\n1,c d,y\n", encoding="utf-8")
    with pytest.raises(SourceError, match="occur more than once: '1'"):
        typed(
            "--data", "mails.csv", "--text", "text", "--label", "label", "--id", "id", "--forget", "trace.json",
            "--to", "healed.skops",
        )  # fmt: skip


def test_a_long_text_is_no_path(place):
    lines = "".join(f"{'buy' if k % 2 else 'see'} {k},{'ab'[k % 2]}\n" for k in range(40))
    Path("mails.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    with pytest.raises(UsageError, match="the data of the report"):
        typed(
            "--data", "mails.csv", "--text", "text", "--label", "label", "--incident", "word " * 100, "--forget",
            "trace.json", "--to", "healed.skops",
        )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c(place):
    Path("healed.json").write_bytes(b"mine")
    root = Path(__file__).parents[3]
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = (
        f"{heard}import sys; sys.path.insert(0, {str(root)!r}); from mithridate.cli.main import main; main()"
    )
    words = [
        sys.executable, "-c", code, "repair", f"{NAMES}:slow", "--data", "data.npz", "--forget", "trace.json",
        "--preprocess", f"{NAMES}:flat", "--to", "healed.skops", "--no-progress",
    ]  # fmt: skip
    pytest.importorskip("skops")
    before = {p.name for p in place.iterdir()}
    with subprocess.Popen(words, cwd=place, stderr=subprocess.PIPE, text=True) as process:
        while not Path("fitting").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert {p.name for p in place.iterdir()} - before <= {"fitting", "mithridate-repair"}
    assert not list((place / "mithridate-repair").iterdir())


def test_errors_are_told_by_the_whole_command(place, capsys):
    assert main(["repair", f"{NAMES}:logistic", "--data", "data.npz", "--forget", "trace.json"]) == 2
    assert "expected --to FILE" in capsys.readouterr().err
