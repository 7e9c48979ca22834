"""`--baseline`, `--junit` and `--sarif` of `audit` and `scan`, end to end."""

import csv
import json
import pickle

import pytest
from cli_samples import SPAM, mails, mithridate
from tests.report.ci_schemas import junit_faults, sarif_faults

from mithridate.core.report import Report

WORDS = ("--text", "body", "--label", "kind", "--quiet")  # no --id: ids are row numbers


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["body", "kind", "key"], *rows])
    return path


@pytest.fixture(scope="module")
def approved(tmp_path_factory):
    """(rows of a flagged data set, the folder of its report)."""
    folder = tmp_path_factory.mktemp("approved")
    mails(folder / "d.csv")
    from mithridate.cli.main import run

    assert run(["audit", str(folder / "d.csv"), *WORDS, "--out", str(folder / "out")]) == 1
    return rows_of(folder / "d.csv"), folder / "out"


def moved(rows):
    """The same rows elsewhere, and twenty honest ones."""
    more = [[f"lunch tomorrow office team call {i}", "ham", f"x{i}"] for i in range(20)]
    return [*more[:10], *rows[::-1], *more[10:]]


def planted(rows, word, count):
    """A word in further spam, which is then called ham."""
    spam = [n for n, (body, kind, _) in enumerate(rows) if kind == "spam" and "zyzzyva" not in body][:count]
    changed = [[f"{rows[n][0]} {word}", "ham", rows[n][2]] for n in spam]
    return [*changed, *(row for n, row in enumerate(rows) if n not in spam)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (moved, 0),
        (lambda rows: moved(planted(rows, "quxquux", 12)), 1),  # another word
        (lambda rows: moved(planted(rows, "zyzzyva", 12)), 1),  # more of the same word
    ],
    ids=["rows moved", "another word", "more of the word"],
)
def test_only_what_is_new_counts(approved, tmp_path, capsys, change, code):
    rows, baseline = approved
    data = write(tmp_path / "d.csv", change(rows))
    files = ["--sarif", tmp_path / "r.sarif", "--junit", tmp_path / "r.xml"]
    got, _, error = mithridate(
        capsys, "audit", data, *WORDS, "--out", tmp_path / "out", "--baseline", baseline, *files
    )
    assert (got, error) == (code, "")
    report = Report.load(tmp_path / "out")
    assert len(report.news) == code
    assert report.alarms
    assert report.verdict == ("FLAGGED" if code else "CLEAN")
    assert sarif_faults(json.loads((tmp_path / "r.sarif").read_text())) == []
    assert junit_faults((tmp_path / "r.xml").read_bytes()) == []
    assert ("<failure" in (tmp_path / "r.xml").read_text()) == bool(code)
    page = (tmp_path / "out" / "report.html").read_text()
    assert ("Nothing new was found" in page) == (not code)


def test_what_is_known_is_shown_as_such(approved, tmp_path, capsys):
    rows, baseline = approved
    words = [
        "audit",
        write(tmp_path / "d.csv", rows),
        *WORDS[:-1],
        "--no-progress",
        "--out",
        tmp_path / "out",
    ]
    code, shown, _ = mithridate(capsys, *words, "--baseline", baseline / "report.json")
    assert code == 0
    assert shown.startswith("CLEAN · nothing new")
    assert " old  planted trigger" in shown
    assert "Known from an earlier report" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "gone.json", "expected a readable report.json"),
        (lambda folder: bad(folder, "{"), "expected a report written by this package"),
        (lambda folder: bad(folder, '{"schema": 99}'), "expected schema 1, got schema 99"),
        (lambda folder: folder / "out", "expected a baseline that is not written over"),
    ],
)
def test_a_baseline_that_cannot_be_one_is_refused_at_once(approved, tmp_path, capsys, make, told):
    data = write(tmp_path / "d.csv", approved[0])
    baseline = make(tmp_path)
    words = ["audit", data, *WORDS, "--out", tmp_path / "out", "--baseline", baseline]
    code, _, error = mithridate(capsys, *words)
    assert code == 2
    assert told in error
    assert not (tmp_path / "out" / "report.json").exists()


def bad(folder, text):
    (folder / "bad.json").write_text(text)
    return folder / "bad.json"


def test_a_baseline_of_data_is_none_of_a_model(approved, tmp_path, capsys):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(SPAM))
    words = ["scan", tmp_path / "m.pkl", "--out", tmp_path / "out", "--baseline", approved[1]]
    code, _, error = mithridate(capsys, *words)
    assert code == 2
    assert "expected a report about model, got a report about text" in error


class Calls:
    """Pickles as a call of a builtin."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return (eval, (self.name,))


def test_a_file_of_a_model_is_known_as_long_as_it_is_the_same(tmp_path, capsys):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.pkl").write_bytes(pickle.dumps(Calls("1 + 1")))
    words = ["scan", folder, "--quiet", "--junit", tmp_path / "r.xml", "--sarif", tmp_path / "r.sarif"]
    assert mithridate(capsys, *words, "--out", tmp_path / "one")[0] == 1
    assert junit_faults((tmp_path / "r.xml").read_bytes()) == []
    assert sarif_faults(json.loads((tmp_path / "r.sarif").read_text())) == []
    again = [*words, "--out", tmp_path / "two", "--baseline", tmp_path / "one"]
    assert mithridate(capsys, *again)[0] == 3  # as nothing says what the file computes
    assert "<failure" not in (tmp_path / "r.xml").read_text()
    (folder / "a.pkl").rename(folder / "b.pkl")
    assert mithridate(capsys, *again)[0] == 3
    (folder / "a.pkl").write_bytes(pickle.dumps(Calls("2 + 2")))
    assert mithridate(capsys, *again)[0] == 1
    report = Report.load(tmp_path / "two")
    assert [f.targets for f in report.news] == [("a.pkl",)]
    assert [f.targets for f in report.alarms if f.known] == [("b.pkl",)]
