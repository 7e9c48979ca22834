import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from mithridate.core.errors import ReportError, UsageError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Finding, Severity
from mithridate.core.verdict import Verdict
from mithridate.report.files import write_json
from mithridate.runs.clean import accused, clean, ledger_path
from mithridate.sources.open import open_source


def finding(check, targets, *, severity=Severity.LIKELY, count=None, **details):
    return Finding(
        check=check,
        severity=severity,
        message=f"found by {check}",
        targets=tuple(targets),
        scores=tuple(float(len(targets) - i) for i in range(len(targets))),
        count=len(targets) if count is None else count,
        details=details,
    )


PATCH = finding("label-conflict", ["r1", "r2", "r7"], count=2)
FLIPS = finding("targeted-flips", ["r2", "r3"], label_says="b", content_says="a")
NOTES = [
    finding("label-errors", ["r4", "r5"], count=1, severity=Severity.INFO),
    finding("duplicates", ["r6"], severity=Severity.INFO, exact=1),
    finding("duplicates", ["r8", "r9"], severity=Severity.INFO, groups=1),
    finding("shortcut", ["r0", "r9"], severity=Severity.INFO),
]


@pytest.fixture
def rows(tmp_path):
    """A CSV of ten rows with the ids r0 .. r9, all labelled b, and a report about it."""
    path = tmp_path / "rows.csv"
    path.write_text("key,value,label\n" + "".join(f"r{i},{i},b\n" for i in range(10)))
    return path, report_of(open_source(path, label="label", id="key"), PATCH, FLIPS, *NOTES)


def report_of(source, *findings, count=10):
    subject = Subject(
        uri=source.uri,
        digest=source.digest,
        modality=source.modality,
        count=count,
        classes={"b": count},
        options=source.options,
    )
    return Report(verdict=Verdict.FLAGGED, subject=subject, seed=0, cards={}, results=findings)


def ids(path):
    return [line.split(",")[0] for line in path.read_text().splitlines()[1:]]


@pytest.mark.parametrize(
    ("how", "dropped"),
    [
        ({}, {"r1", "r2", "r3"}),
        ({"include_info": True}, {"r1", "r2", "r3", "r4", "r6"}),
        ({"relabel": True}, {"r1", "r2"}),  # r2 is accused of a patch too
    ],
)
def test_who_is_left_out(rows, tmp_path, how, dropped):
    path, report = rows
    before = path.read_bytes()
    done = clean(report, tmp_path / "new" / "c.csv", **how)
    assert set(ids(path)) - set(ids(tmp_path / "new" / "c.csv")) == dropped
    assert path.read_bytes() == before
    ledger = json.loads((tmp_path / "new" / "c.csv.undo.json").read_text())
    assert {entry["id"] for entry in ledger["dropped"]} == dropped
    assert done.actions[0].targets == tuple(entry["id"] for entry in ledger["dropped"])
    assert ledger["before"] == report.subject.digest != ledger["after"]


def test_relabelling_says_what_was_changed(rows, tmp_path):
    _, report = rows
    done = clean(report, tmp_path / "c.csv", relabel=True)
    assert "r3,3,a" in (tmp_path / "c.csv").read_text()
    ledger = json.loads(ledger_path(tmp_path / "c.csv").read_text())
    assert ledger["relabelled"] == [{"id": "r3", "old": "b", "new": "a", "id_in_copy": "r3"}]
    assert [(a.kind, a.because) for a in done.actions] == [
        ("quarantine", ("label-conflict", "targeted-flips")),
        ("relabel", ("targeted-flips",)),
    ]


def test_a_list_of_what_to_keep(rows, tmp_path):
    _, report = rows
    clean(report, tmp_path / "list.parquet")
    kept = {row["id"]: row for row in pq.read_table(tmp_path / "list.parquet").to_pylist()}
    assert len(kept) == 10
    assert not kept["r2"]["keep"]
    assert kept["r2"]["reason"] == "label-conflict: found by label-conflict; also targeted-flips"
    assert kept["r9"] == {"id": "r9", "keep": True, "reason": ""}


def test_a_folder_keeps_the_name_of_the_file(rows, tmp_path):
    clean(rows[1], tmp_path / "folder")
    assert (tmp_path / "folder" / "rows.csv").exists()
    assert (tmp_path / "folder" / "rows.csv.undo.json").exists()


def test_nothing_found_is_a_copy_of_everything(rows, tmp_path):
    path, report = rows
    done = clean(replace(report, results=()), tmp_path / "c.csv")
    assert ids(tmp_path / "c.csv") == ids(path)
    assert done.actions[0].targets == ()


def test_long_lists_are_read_from_beside_the_report(tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("value,label\n" + "".join(f"{i},b\n" for i in range(12_000)))
    many = finding("label-conflict", [str(i) for i in range(11_000)], count=10_500)
    write_json(report_of(open_source(path, label="label"), many, count=12_000), tmp_path / "report.json")
    clean(tmp_path, tmp_path / "c.csv")
    assert len(ids(tmp_path / "c.csv")) == 1500
    next(tmp_path.glob("targets-*.parquet")).unlink()
    with pytest.raises(ReportError, match=r"beside report\.json"):
        clean(tmp_path / "report.json", tmp_path / "d.csv")


def test_images_in_memory(tmp_path):
    x, y = np.arange(10 * 48, dtype=np.uint8).reshape(10, 4, 4, 3), list("ab" * 5)
    report = report_of(open_source(x, labels=y), finding("recurring-stamp", ["3", "4"]))
    with pytest.raises(UsageError, match="data="):
        clean(report, tmp_path / "c.npz")
    clean(report, tmp_path / "c.npz", data=x, labels=y)
    assert open_source(tmp_path / "c.npz").count == 8


def moved(path, report):
    shutil.move(path, path.with_name("elsewhere.csv"))
    return {}


def changed(path, report):
    path.write_text(path.read_text().replace("r0,0", "r0,1"))
    return {}


def taken(path, report):
    path.with_name("c.csv").write_text("precious")
    return {}


def taken_ledger(path, report):
    path.with_name("c.csv.undo.json").write_text("precious")
    return {}


def onto_itself(path, report):
    return {"to": path}


def relabelled_list(path, report):
    return {"to": path.with_name("keep.parquet"), "relabel": True}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (moved, "--data"),
        (changed, "other content"),
        (taken, "does not exist yet"),
        (taken_ledger, "does not exist yet"),
        (onto_itself, "would change it"),
        (relabelled_list, "labels can change"),
    ],
)
def test_refusals(rows, tmp_path, spoil, message):
    path, report = rows
    how = {"to": tmp_path / "c.csv"} | spoil(path, report)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=message):
        clean(report, **how)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_data_that_moved_or_changed_can_be_named_or_forced(rows, tmp_path):
    path, report = rows
    moved(path, report)
    clean(report, tmp_path / "c.csv", data=tmp_path / "elsewhere.csv")
    changed(tmp_path / "elsewhere.csv", report)
    clean(report, tmp_path / "d.csv", data=tmp_path / "elsewhere.csv", force=True)
    assert len(ids(tmp_path / "d.csv")) == 7


def test_reasons_name_the_worst_finding_first(rows):
    assert list(accused(rows[1]).items())[:2] == [
        ("r1", "label-conflict: found by label-conflict"),
        ("r2", "label-conflict: found by label-conflict; also targeted-flips"),
    ]


def test_dropping_everything_is_refused_and_leaves_nothing(rows, tmp_path):
    _, report = rows
    everybody = finding("label-conflict", [f"r{i}" for i in range(10)])
    with pytest.raises(UsageError, match="all 10 accused"):
        clean(replace(report, results=(everybody,)), tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()
