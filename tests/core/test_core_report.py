"""A report and its JSON form are the same thing."""

import json
import os

import pytest

from mithridate.core.errors import ReportError
from mithridate.core.report import SCHEMA, Report, Subject
from mithridate.core.results import Action, Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.core.verdict import Verdict

SUBJECT = Subject(
    uri="a.npz", digest="0f", modality="image", count=3, classes={"ä": 2, "b": 1}, options={"x": 1}
)
FINDING = Finding(
    check="label-conflict",
    severity=Severity.LIKELY,
    message="three samples",
    targets=("2", "1"),
    scores=(0.9, 0.25),
    count=1,
    label="ä",
    p_value=1e-30,
    effect=0.5,
    limit="nine",
    innocents=0.1,
    details={"place": [1, 2]},
    exhibits=(Exhibit(kind="bars", title="t", data={"names": ["a"], "values": [1.0], "reference": None}),),
)
REPORT = Report(
    verdict=Verdict.FLAGGED,
    subject=SUBJECT,
    seed=7,
    cards={"label-conflict": {"title": "planted trigger", "arguments": {}}},
    results=(
        FINDING,
        Clear(check="b", message="nothing", limit="ten", p_value=0.5),
        Skip(check="c", reason="r", remedy="m", items=("x.png",), count=1),
        NotApplicable(check="d", reason="no labels"),
    ),
    actions=(Action(kind="quarantine", targets=("2",), because=("label-conflict",)),),
    timings={"total": 1.5},
    notes=("small",),
)


def test_round_trip():
    again = Report.from_json(REPORT.to_json())
    assert again == REPORT
    assert again.to_json() == REPORT.to_json()
    assert again.exit_code == 1
    assert again.alarms == (FINDING,)
    assert again.findings[0].accused == ("2",)


def test_load_takes_the_folder_or_the_file(tmp_path):
    (tmp_path / "report.json").write_text(REPORT.to_json(), encoding="utf-8")
    assert Report.load(tmp_path) == Report.load(tmp_path / "report.json") == REPORT


def mutated(**change):
    return json.dumps({**json.loads(REPORT.to_json()), **change})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a report"),
        ("[]", "expected a report"),
        ("null", "expected a report"),
        ("{}", "schema"),
        (mutated(schema=SCHEMA + 1), f"expected schema {SCHEMA}, got schema {SCHEMA + 1}"),
        (mutated(verdict="FINE"), "FINE"),
        (mutated(results=[{"kind": "guess"}]), "guess"),
        (mutated(subject={}), "uri"),
    ],
)
def test_what_is_no_report_is_refused(text, said):
    with pytest.raises(ReportError, match=said):
        Report.from_json(text)


def test_a_missing_report_says_where_it_was_sought(tmp_path):
    with pytest.raises(ReportError, match=r"report\.json.*audit --out"):
        Report.load(tmp_path)


def test_the_notebook_uses_the_renderer_that_was_put_in():
    from dataclasses import replace

    assert REPORT._repr_html_() is None
    assert replace(REPORT, renderer=lambda r: f"<b>{r.verdict}</b>")._repr_html_() == "<b>FLAGGED</b>"


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "report.json"
    finding = {
        "kind": "finding",
        "severity": "INFO",
        "exhibits": [],
        "targets": [],
        "scores": [],
        "details": "x",
    }
    for text in ("", "[" * 200_000, '{"schema": 99}', mutated(results=[finding])):
        path.write_text(text)
        with pytest.raises(ReportError, match=r"report\.json: expected"):
            Report.load(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ReportError, match="no regular file"):
        Report.load(path)
