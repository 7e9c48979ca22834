"""`mithridate audit` and `mithridate clean`, end to end on tiny data."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli_samples import mails, mithridate, photos

from mithridate.cli.main import run
from mithridate.core.errors import ReportError
from mithridate.runs import audit as runs_audit


def same(a, b):
    """Equal but for timings and the last digits of numbers."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a if k != "timings")
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == pytest.approx(b, rel=1e-6, abs=1e-9) if isinstance(a, float) else a == b


def report(folder):
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def flagged(tmp_path_factory):
    """(folder of the data, ids of the victims) after one audit into "out"."""
    folder = tmp_path_factory.mktemp("my mäils")
    victims = mails(folder / "d.csv")
    work = tmp_path_factory.mktemp("work")
    places = ("--out", str(folder / "out"), "--work", str(work))
    assert run(["audit", str(folder / "d.csv"), *WORDS, *places, "--quiet"]) == 1
    return folder, victims


WORDS = ("--text", "body", "--label", "kind", "--id", "key")


def test_a_planted_word_is_flagged_kept_out_and_cleaned(flagged, capsys, own_cache):
    folder, victims = flagged
    files = [f"--{kind}={folder / f'r.{kind}'}" for kind in ("json", "html", "sarif")]
    code, shown, error = mithridate(
        capsys, "audit", folder / "d.csv", *WORDS, "--out", folder / "out", *files
    )
    assert code == 1
    assert error == ""
    assert "zyzzyva" in shown
    assert "report.html · report.json · keep.parquet" in " ".join(shown.split())
    assert list(own_cache.glob("*")) == []
    keep = pq.read_table(folder / "out" / "keep.parquet").to_pylist()
    assert {row["id"] for row in keep if not row["keep"]} == set(victims)
    assert {"zyzzyva" in row["reason"] for row in keep if not row["keep"]} == {True}
    assert report(folder / "out") == json.loads((folder / "r.json").read_text())
    assert "<html" in (folder / "r.html").read_text()
    assert json.loads((folder / "r.sarif").read_text())["version"] == "2.1.0"

    code, shown, _ = mithridate(capsys, "clean", folder / "out", "--to", folder / "clean.csv")
    assert code == 0
    assert "dropped 12 samples, kept 588" in shown
    assert "zyzzyva" not in (folder / "clean.csv").read_text()
    ledger = json.loads((folder / "clean.csv.undo.json").read_text())
    assert {entry["id"] for entry in ledger["dropped"]} == set(victims)


@pytest.mark.parametrize(("level", "code"), [("info", 1), ("suspicious", 1), ("proven", 0), ("never", 0)])
def test_the_level_decides_the_exit_code(flagged, level, code):
    from mithridate.cli.audit import exit_code_of
    from mithridate.core.report import Report

    folder, _ = flagged
    assert exit_code_of(Report.load(folder / "out"), level) == code


def test_json_to_stdout_and_any_number_of_jobs(flagged, tmp_path, capsys):
    folder, _ = flagged
    words = ["audit", folder / "d.csv", *WORDS, "--out", tmp_path / "out", "--json", "-"]
    code, shown, error = mithridate(capsys, *words, "--jobs", 1)
    assert code == 1
    assert "FLAGGED" in error
    one = json.loads(shown)
    _, shown, error = mithridate(capsys, *words, "--jobs", 2, "--quiet")
    assert error == ""
    assert same(one, json.loads(shown))
    assert same(one, report(folder / "out"))


@pytest.mark.parametrize("error", [ReportError("room", "none", "out", "Make some."), RuntimeError("odd")])
def test_a_report_that_cannot_be_written_is_saved_elsewhere(flagged, tmp_path, capsys, monkeypatch, error):
    def refuse(*args):
        raise error

    monkeypatch.setattr("mithridate.cli.outputs.write_report", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder, _ = flagged
    code, shown, told = mithridate(capsys, "audit", folder / "d.csv", *WORDS, "--out", tmp_path / "out")
    assert code == 2
    assert shown == ""
    (saved,) = tmp_path.glob("mithridate-report-*/report.json")
    assert f"The report was saved as {saved}" in told
    assert same(report(saved.parent), report(folder / "out"))


def stop_at(monkeypatch, stage):
    """Press Ctrl-C when a stage begins; returns the stages that were seen."""
    seen, whole = [], runs_audit.audit

    def audit(data, *, progress, **rest):
        def told(name, done, total):
            seen.append(name)
            if name == stage:
                raise KeyboardInterrupt
            progress(name, done, total)

        return whole(data, progress=told, **rest)

    monkeypatch.setattr(runs_audit, "audit", audit)
    return seen


@pytest.mark.parametrize(
    ("kind", "stage", "done"),
    [
        ("mails", "key families", {"reading", "content model"}),
        ("photos", "patches", {"reading", "residuals"}),
    ],
)
def test_an_interrupted_audit_goes_on(tmp_path, capsys, monkeypatch, own_cache, kind, stage, done):
    if kind == "mails":
        mails(tmp_path / "d.csv")
        words = ["audit", tmp_path / "d.csv", *WORDS]
    else:
        words = ["audit", photos(tmp_path / "d")]
    with monkeypatch.context() as patch:
        seen = stop_at(patch, stage)
        code, _, error = mithridate(capsys, *words, "--out", tmp_path / "one")
    assert code == 130
    assert error == "interrupted; run the same command again to go on"
    assert done <= set(seen)
    assert len(list(own_cache.glob("*/stages.json"))) == 1
    with monkeypatch.context() as patch:
        seen = stop_at(patch, "none")
        mithridate(capsys, *words, "--out", tmp_path / "one")
    assert not done & set(seen)
    assert list(own_cache.glob("*")) == []
    mithridate(capsys, *words, "--out", tmp_path / "two")
    assert same(report(tmp_path / "one"), report(tmp_path / "two"))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_a_real_process(tmp_path, own_cache):
    mails(tmp_path / "d.csv", 40_000)
    # Started in the background, tests inherit that interrupts are ignored, and Python leaves that so.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    words = [sys.executable, "-c", f"{heard}from mithridate.cli.main import main; main()"]
    words += ["audit", "d.csv", *WORDS, "--no-progress"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not list(own_cache.glob("*/stages.json")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on" in error
    assert not Path(tmp_path / "mithridate-report" / "report.json").exists()
