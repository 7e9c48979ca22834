"""`mithridate hook`: many files, one exit code, and no file taken for an option."""

import pickle
import re
from pathlib import Path

import pytest
import yaml
from cli_samples import mails, mithridate

from mithridate.cli import hook
from mithridate.core.report import Report

ROOT = Path(__file__).parents[2]


class Calls:
    def __reduce__(self):
        return (eval, ("1 + 1",))


@pytest.fixture
def asked(monkeypatch):
    """Command lines that would be run, and the codes that they end with, by file."""
    lines, codes = [], {}

    def run(words):
        lines.append(words)
        return codes.get(words[-1], 0)

    monkeypatch.setattr("mithridate.cli.main.run", run)
    return lines, codes


def call(capsys, monkeypatch, *words):
    """The hook alone, with `run` of the verbs behind it as it is."""
    try:
        hook.hook.main(list(words), prog_name="hook", standalone_mode=True)
    except SystemExit as stop:
        capsys.readouterr()
        return stop.code


@pytest.mark.parametrize(
    ("codes", "more", "code"),
    [
        ((0, 0), (), 0),
        ((3, 1), (), 1),
        ((2, 1), (), 1),
        ((3, 2), (), 2),
        ((0, 3), (), 3),
        ((0, 3), ("--allow-incomplete",), 0),
        ((3, 2), ("--allow-incomplete",), 2),
        ((130, 0), (), 130),
    ],
)
def test_the_worst_counts(asked, capsys, monkeypatch, codes, more, code):
    asked[1].update(zip(("a", "b"), codes, strict=True))
    assert call(capsys, monkeypatch, "audit", *more, "--", "a", "b") == code
    assert len(asked[0]) == (1 if code == 130 else 2)


def test_options_are_passed_on(asked, capsys, monkeypatch):
    call(
        capsys,
        monkeypatch,
        "audit",
        "--label=kind",
        "--out=o",
        "--fail-on=likely",
        "x/a.csv",
        "/b.csv",
        "../c.csv",
    )
    places = [str(Path(*parts)) for parts in (("o", "x", "a.csv"), ("o", "b.csv"), ("o", "c.csv"))]
    assert [line[line.index("--out") + 1] for line in asked[0]] == places
    assert asked[0][0] == [
        "audit",
        "--label=kind",
        "--fail-on=likely",
        "--no-progress",
        "--out",
        places[0],
        "--",
        "x/a.csv",
    ]


def test_files_named_like_options(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "--fail-on=never"
    Path(name).write_text("")
    assert call(capsys, monkeypatch, "audit", "a.csv", name) == 2
    assert asked[0] == []
    assert call(capsys, monkeypatch, "audit", "--", "a.csv", name) == 0
    assert [line[-2:] for line in asked[0]] == [["--", "a.csv"], ["--", name]]
    assert all("--fail-on=never" not in line[:-1] for line in asked[0])


def test_no_file_is_fine(asked, capsys, monkeypatch):
    assert call(capsys, monkeypatch, "scan", "--") == 0


def test_models_for_real(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(Calls()))
    code, shown, _ = mithridate(capsys, "hook", "scan", "--allow-incomplete", "--", "good.pkl", "bad.pkl")
    assert code == 1
    assert "FLAGGED" in shown
    assert Report.load("mithridate-report/bad.pkl").alarms
    assert mithridate(capsys, "hook", "scan", "--", "good.pkl")[0] == 3
    code, shown, _ = mithridate(capsys, "hook", "scan", "--allow-incomplete", "--", "good.pkl")
    assert code == 0
    assert "not examined" in shown
    again = ("--baseline=mithridate-report", "--out=new", "--allow-incomplete", "--", "bad.pkl")
    assert mithridate(capsys, "hook", "scan", *again)[0] == 0


def test_data_for_real(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mails(tmp_path / "d.csv")
    code, _, _ = mithridate(
        capsys, "hook", "audit", "--text=body", "--label=kind", "--id=key", "--", "d.csv", "gone.csv"
    )
    assert code == 1
    assert Report.load("mithridate-report/d.csv").alarms


def test_the_hooks_of_the_repository():
    hooks = {
        h["id"]: h for h in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    }
    assert set(hooks) == {"mithridate-audit", "mithridate-scan"}
    for one in hooks.values():
        assert one["args"][-1] == "--", "no file may be taken for an option"
        assert one["require_serial"]
        assert one["language"] == "python"
        words = [*one["entry"].split()[1:], *one["args"]]
        assert hook._split([*words[1:], "-x.csv"])[1] == ["-x.csv"]
    assert re.search(hooks["mithridate-audit"]["files"], "data/mails.csv.gz")
    assert re.search(hooks["mithridate-scan"]["files"], "a/b.safetensors")
    assert not re.search(hooks["mithridate-scan"]["files"], "a/b.py")
