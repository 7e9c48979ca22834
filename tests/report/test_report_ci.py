"""SARIF and JUnit: valid by their schemas, whatever is in a report, and the same from run to run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ci_schemas import junit_faults, sarif_faults
from report_fakes import everything, info_findings, patch_finding, word_finding

from mithridate.core.baseline import only_new
from mithridate.core.report import Report, Subject
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.core.verdict import verdict
from mithridate.report.files import write_junit, write_sarif
from mithridate.report.html import render_html
from mithridate.report.junit import to_junit
from mithridate.report.notebook import render_notebook
from mithridate.report.sarif import to_sarif

OLD = sorted((Path(__file__).parent / "old").glob("*.json"))
HOSTILE = "a\x00\x1b[31m]]>&lt;\udcff\ufffe\u202e<script>\r\n::error::é" + "x" * 5000


def of(*results, modality="image", uri="photos", cards=None):
    subject = Subject(uri=uri, digest="00", modality=modality, count=9, classes={})
    return Report(verdict=verdict(results), subject=subject, seed=0, cards=cards or {}, results=results)


def hostile():
    who = {"targets": (HOSTILE,) * 3, "scores": (1.0,) * 3, "count": 3}
    f = replace(patch_finding(), check=HOSTILE, message=HOSTILE, label=HOSTILE, **who)
    return of(
        f,
        replace(f, severity=Severity.INFO, p_value=None),
        Skip(check=HOSTILE, reason=HOSTILE, remedy=HOSTILE, items=(HOSTILE,), count=1),
        Clear(check="c", message=HOSTILE, limit=HOSTILE),
        NotApplicable(check="n", reason=HOSTILE),
        uri=HOSTILE,
        cards={HOSTILE: {"title": HOSTILE, "remedy": HOSTILE, "assumes": HOSTILE}},
    )


def known():
    one = replace(patch_finding(), details={"contents": [str(i) for i in range(patch_finding().count)]})
    other = replace(word_finding(), details={"key": "cfq", "contents": [str(i) for i in range(10)]})
    less = replace(other, targets=other.targets[:5], scores=other.scores[:5], count=5,
                   details={"key": "cfq", "contents": [str(i) for i in range(5)]})  # fmt: skip
    return only_new(of(one, other, info_findings()[0]), of(one, less))


def cases(report, least=Severity.SUSPICIOUS):
    """Outcome of each test case by the id of its check."""
    root = ET.fromstring(to_junit(report, least))  # noqa: S314 - written by ourselves
    found = root.findall(".//testcase")
    return {c.get("classname").removeprefix("mithridate."): [e.tag for e in c] for c in found}


REPORTS = {
    "everything": everything,
    "hostile": hostile,
    "known": known,
    "nothing": lambda: of(),
    "one file": lambda: of(patch_finding(), modality="model", uri="a/b.onnx"),
    "server": lambda: of(
        Clear(check="c", message="m", limit=""), modality="model", uri="http://x:8/predict?a=b"
    ),
}


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("least", [Severity.INFO, Severity.LIKELY, None])
def test_both_are_valid(make, least, tmp_path):
    report = make()
    write_sarif(report, tmp_path / "r.sarif")
    write_junit(report, tmp_path / "r.xml", least)
    assert sarif_faults(json.loads((tmp_path / "r.sarif").read_text(encoding="ascii"))) == []
    assert junit_faults((tmp_path / "r.xml").read_bytes()) == []


def test_the_schemas_refuse_what_is_wrong():
    log = to_sarif(everything())
    log["runs"][0]["results"][0]["level"] = "catastrophe"
    log["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "a b"
    assert len(sarif_faults(log)) == 2
    text = to_junit(everything())
    assert junit_faults(text.replace(b"<failure", b"<fault").replace(b"</failure", b"</fault"))
    assert junit_faults(text.replace(b' errors="', b' mistakes="'))


def test_old_reports_are_told_in_both():
    for path in OLD:
        report = Report.load(path)
        assert sarif_faults(to_sarif(report)) == []
        assert junit_faults(to_junit(report)) == []


def test_every_check_is_a_case():
    report = everything()
    found = cases(report)
    assert set(found) == {*report.cards, *(r.check for r in report.results)}
    assert found["stamped-patch"] == ["failure"]
    assert found["source"] == ["error"]
    assert found["sources"] == ["skipped"]
    assert found["label-errors"] == found["outliers"] == ["system-out"]
    root = ET.fromstring(to_junit(report))  # noqa: S314 - written by ourselves
    numbers = {n: int(root.get(n)) for n in ("tests", "failures", "errors")}
    assert numbers == {"tests": len(found), "failures": 5, "errors": 1}
    (failure,) = [e for e in root.iter("failure") if e.get("message").startswith("capital-gain")]
    assert failure.get("type") == "likely"
    assert "accused, worst first: 0, 1, 2" in failure.text


@pytest.mark.parametrize(("least", "failures"), [(Severity.INFO, 7), (Severity.LIKELY, 4), (None, 0)])
def test_failures_are_what_the_exit_code_is_made_of(least, failures):
    assert sum("failure" in tags for tags in cases(everything(), least).values()) == failures


def test_a_check_that_found_and_skipped_tells_both():
    skip = Skip(check="trigger-word", reason="broken", remedy="mend", items=("z",), count=1)
    report = of(word_finding(), skip)
    assert cases(report) == {"trigger-word": ["failure", "system-out"]}
    assert cases(report, None) == {"trigger-word": ["error", "system-out"]}
    assert b"not examined: broken" in to_junit(report)


def test_what_is_known_passes_and_stays():
    report = known()
    assert cases(report) == {
        "stamped-patch": ["system-out"],
        "trigger-word": ["failure"],
        "label-errors": ["system-out"],
    }
    assert b"known from an earlier report" in to_junit(report)
    states = [r["baselineState"] for r in to_sarif(report)["runs"][0]["results"]]
    assert states == ["unchanged", "updated", "new"]
    assert all("baselineState" not in r for r in to_sarif(of(patch_finding()))["runs"][0]["results"])


def test_fingerprints_stay_and_differ():
    def marks(report):
        told = [r["partialFingerprints"] for r in to_sarif(report)["runs"][0]["results"]]
        assert all(t["mithridate/v2"] == t["primaryLocationLineHash"] for t in told)
        return [t["mithridate/v2"] for t in told]

    word = word_finding()
    more = replace(
        word,
        targets=(*word.targets, "77"),
        scores=(*word.scores, 0.5),
        count=11,
        message="11 texts",
        p_value=0.0,
    )
    assert marks(of(word)) == marks(of(more))
    assert len(set(marks(of(word, word, patch_finding())))) == 3
    assert marks(of(word))[0].endswith(":1")


def test_places_are_relative_to_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "my data" / "é").mkdir(parents=True)
    for name in ("é/1.png", "é/2.png"):
        (tmp_path / "my data" / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    f: Finding = replace(
        patch_finding(), targets=("é/1.png", "é/2.png", "../x", "gone"), scores=(1.0,) * 4, count=4
    )

    def told(uri, modality="image"):
        result = to_sarif(of(f, uri=uri, modality=modality))["runs"][0]["results"][0]
        files = [p["physicalLocation"]["artifactLocation"] for p in result["locations"]]
        return files, [
            p["physicalLocation"]["artifactLocation"]["uri"] for p in result.get("relatedLocations", [])
        ]

    relative = (
        [{"uri": "my%20data", "uriBaseId": "%SRCROOT%"}],
        ["my%20data/%C3%A9/1.png", "my%20data/%C3%A9/2.png"],
    )
    assert told("my data") == told(str(tmp_path / "my data")) == relative
    assert told("my data", "model") == ([{"uri": "my%20data/%C3%A9/1.png", "uriBaseId": "%SRCROOT%"}], [])
    assert told("/elsewhere/d.npz") == ([{"uri": "file:///elsewhere/d.npz"}], [])
    assert told("http://host:8080/a") == ([{"uri": "http://host:8080/a"}], [])
    assert told("array in memory") == ([{"uri": "array%20in%20memory", "uriBaseId": "%SRCROOT%"}], [])


def test_the_pages_tell_old_from_new():
    report = known()
    for shown in (render_html(report), render_notebook(report)):
        assert "Known from an earlier report" in shown
    assert "An earlier report accused 5 of these 10 of the same" in render_html(report)
    assert "Something new in this data looks planted" in render_html(report)
    assert "1 new finding that chance does not explain" in render_html(report)
    assert "1 finding of an earlier report is still there" in render_html(report)
