"""Files: what is written can be read again, long lists move beside, failures name the place."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_fakes import everything, patch_finding

from mithridate.core.errors import ReportError
from mithridate.core.report import Report
from mithridate.core.results import Clear, Finding, NotApplicable, Skip
from mithridate.report.files import read_targets, write_html, write_json, write_report, write_sarif
from mithridate.report.html import render_html
from mithridate.report.sarif import to_sarif

OLD = sorted((Path(__file__).parent / "old").glob("*.json"))


def test_round_trip(tmp_path):
    report = everything()
    written = write_report(report, tmp_path / "a b" / "out")
    assert [f.name for f in written.files] == ["report.html", "report.json"]
    assert Report.load(tmp_path / "a b" / "out") == report
    assert not list((tmp_path / "a b" / "out").glob(".*"))


def test_names_that_are_no_utf8(tmp_path):
    report = replace(
        everything(), results=(replace(patch_finding(), targets=("a\udcff.png",), scores=(1.0,), count=1),)
    )
    write_report(report, tmp_path)
    assert Report.load(tmp_path) == report


def test_long_lists_move_to_side_files(tmp_path):
    ids, scores = tuple(f"é/{i}" for i in range(10_001)), tuple(float(-i) for i in range(10_001))
    finding = replace(patch_finding(), check="a/b", targets=ids, scores=scores, count=10_001)
    skip = Skip(check="s", reason="r", remedy="", items=tuple(f"x\n{i}" for i in range(150)))
    written = write_report(replace(everything(), results=(finding, skip)), tmp_path)
    back = Report.load(tmp_path)
    assert back == written.report
    assert back.findings[0].targets_file == "targets-1-a-b.parquet"
    assert len(back.findings[0].targets) == len(back.findings[0].scores) == 10_000
    assert read_targets(back.findings[0], tmp_path) == (ids, scores)
    cut = back.results[1]
    assert isinstance(cut, Skip)
    assert (len(cut.items), cut.count) == (100, 150)
    assert (tmp_path / str(cut.items_file)).read_text().splitlines()[149] == "x\\n149"


def test_ten_thousand_stay_inline(tmp_path):
    finding = replace(patch_finding(), targets=("a",) * 10_000, scores=(0.0,) * 10_000, count=10_000)
    write_json(replace(everything(), results=(finding,)), tmp_path / "r.json")
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("name", ["../secret.parquet", "/etc/secret.parquet", "gone.parquet"])
def test_a_report_cannot_point_elsewhere(tmp_path, name):
    (tmp_path / "secret.parquet").write_bytes(b"x")
    folder = tmp_path / "report"
    folder.mkdir()
    with pytest.raises(ReportError, match=r"report.*expected a parquet"):
        read_targets(replace(patch_finding(), targets_file=name), folder)


@pytest.mark.parametrize("write", [write_report, write_json, write_html, write_sarif])
def test_no_folder(tmp_path, write):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportError, match="--out"):
        write(everything(), tmp_path / "file" / "out")


def test_full_disk_leaves_the_old_report(tmp_path, monkeypatch):
    write_json(everything(), tmp_path / "r.json")
    before = (tmp_path / "r.json").read_bytes()

    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReportError, match=r"r\.json.*No space left"):
        write_json(replace(everything(), seed=9), tmp_path / "r.json")
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]
    assert (tmp_path / "r.json").read_bytes() == before


def test_sarif(tmp_path):
    report = everything()
    write_sarif(report, tmp_path / "r.sarif")
    run = json.loads((tmp_path / "r.sarif").read_text())["runs"][0]
    assert run == to_sarif(report)["runs"][0]
    assert [r["ruleId"] for r in run["results"]] == [f.check for f in report.findings]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert {r["level"] for r in run["results"]} == {"error", "warning", "note"}


@pytest.mark.parametrize("path", OLD, ids=lambda p: p.name)
def test_old_reports_open(path):
    report = Report.load(path)
    assert {type(r) for r in report.results} == {Finding, Clear, Skip, NotApplicable}
    # A field that came later is empty in an old report.
    assert json.loads(report.to_json()) == {"notes": [], **json.loads(path.read_text(encoding="utf-8"))}
    assert "FLAGGED" in render_html(report)


def test_there_is_an_old_report():
    assert OLD


def test_side_files_of_the_report_before_go(tmp_path):
    mine = tmp_path / "targets-of-my-own.parquet"
    mine.write_bytes(b"")
    ids = tuple(str(i) for i in range(10_001))
    long = replace(patch_finding(), check="a/b", targets=ids, scores=(1.0,) * len(ids), count=len(ids))
    written = write_report(replace(everything(), results=(long,)), tmp_path)
    assert written.files[2].exists()
    write_report(everything(), tmp_path)
    assert not written.files[2].exists()
    assert mine.exists()
