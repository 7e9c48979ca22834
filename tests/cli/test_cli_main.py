"""The program as a whole: starting, failing, being interrupted."""

import json
import os
import subprocess
import sys
import time

import pytest
from cli_samples import mails, mithridate

from mithridate.cli import main


def test_help_starts_fast_and_loads_nothing_heavy():
    code = (
        "import sys; from mithridate.cli.main import run; run(['--help']);"
        "heavy = {'numpy', 'rich', 'pyarrow', 'numba', 'sklearn', 'PIL', 'jinja2'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        best = min(best, time.perf_counter() - start)
    assert best < 0.5  # 0.1 s on a machine that does nothing else


def test_the_package_is_the_program():
    run = [sys.executable, "-m", "mithridate", "oddit"]
    told = subprocess.run(run, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "expected one of audit" in told.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--version"], 0, "mithridate "),
        (["audit", "--help"], 0, "mithridate audit photos/"),
        (["checks"], 0, "label-conflict"),
        (["checks", "label-errors"], 0, "misses"),
    ],
)
def test_what_is_shown(capsys, words, code, message):
    got, shown, _ = mithridate(capsys, *words)
    assert got == code
    assert message in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["oddit"],
            "expected one of audit, merge, clean, checks, scan, trace, repair, drill, hook, got 'oddit'",
        ),
        ([os.curdir], "write: mithridate audit ."),
        (["audit"], "DATA"),
        (["audit", "x", "--fail-on", "maybe"], "'suspicious'"),
        (["audit", "x", "--jobs", "0"], "--jobs"),
        (["checks", "nope"], "expected one of"),
        (["clean", "nope", "--to", "x"], "report.json"),
    ],
)
def test_usage_errors(capsys, words, message):
    code, _, error = mithridate(capsys, *words)
    assert code == 2
    assert message in error


def test_checks_as_json(capsys):
    _, shown, _ = mithridate(capsys, "checks", "--json")
    assert {"id", "catches", "misses"} <= set(json.loads(shown)[0])


def crash(*args, **kwargs):
    raise RuntimeError("out of luck")


def test_a_crash_is_short_unless_asked(tmp_path, capsys, monkeypatch):
    mails(tmp_path / "d.csv", 30)
    monkeypatch.setattr("mithridate.runs.audit.audit", crash)
    words = ["audit", tmp_path / "d.csv", "--out", tmp_path / "out"]
    code, _, error = mithridate(capsys, *words)
    assert code == 2
    assert error.startswith("error: RuntimeError: out of luck For a traceback: mithridate --debug")
    _, _, error = mithridate(capsys, "--debug", *words)
    assert "Traceback" in error


def full(*args, **kwargs):
    raise OSError(28, "No space left on device", "/somewhere")


def test_a_full_disk_is_no_crash(tmp_path, capsys, monkeypatch):
    mails(tmp_path / "d.csv", 30)
    monkeypatch.setattr("mithridate.runs.audit.audit", full)
    code, _, error = mithridate(capsys, "audit", tmp_path / "d.csv", "--out", tmp_path / "out")
    assert code == 2
    assert "/somewhere: no room left on the disk." in error


def test_a_closed_pipe_is_no_error(monkeypatch):
    def closed(**kwargs):
        raise BrokenPipeError

    monkeypatch.setattr(main.cli, "main", closed)
    monkeypatch.setattr(os, "dup2", lambda *fds: None)
    assert main.run([]) == 141
