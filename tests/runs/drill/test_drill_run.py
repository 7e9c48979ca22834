import json
import shlex
import threading
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from drill_samples import texts

from mithridate.cli import main
from mithridate.core.drill import Drill
from mithridate.core.errors import UsageError
from mithridate.core.report import Subject
from mithridate.report.drill_command import command_of
from mithridate.runs.drill import auditor, run
from mithridate.runs.drill.auditors import Auditors
from mithridate.runs.drill.before import refuse_other
from mithridate.runs.drill.run import drill

READING = {"text": "body", "label": "kind"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(data, folder of the drill, outcome, tasks that the auditing process was given)."""
    folder = tmp_path_factory.mktemp("drill")
    data = texts(folder / "mäils 1.csv")
    tasks = []
    with pytest.MonkeyPatch.context() as patch:
        send = auditor.Auditor._send
        patch.setattr(auditor.Auditor, "_send", lambda self, line: (tasks.append(line), send(self, line))[1])
        found = drill(
            data, folder / "out", attacks=["word", "random-flip"], doses=[999, 20], seeds=1, reading=READING
        )
    return data, folder / "out", found, tasks


def test_the_matrix_is_whole_and_tells_caught_from_impossible(small):
    _, _, found, _ = small
    cells = {(c.attack, c.dose): c for c in found.cells}
    assert list(cells) == [("word", 20), ("word", 999), ("random-flip", 20), ("random-flip", 999)]
    caught = cells["word", 20]
    assert (caught.state, caught.poison, caught.caught, caught.innocents) == ("done", 20, 20, 0)
    assert caught.noticed
    assert {e.title for e in caught.exhibits} >= {"Some victims before", "The same after planting"}
    assert cells["word", 999].state == "impossible"
    assert "expected at most" in cells["word", 999].reason
    assert cells["random-flip", 20].ranking > 0.5
    assert [(t.verdict, t.accused) for t in found.twins] == [("CLEAN", 0)]
    assert found.noticed_from("word") == 20
    assert found.noticed_from("random-flip") is None


def test_the_auditing_process_gets_no_ledger(small):
    _, out, _, tasks = small
    assert (out / "truth" / "word-20-0.ledger.json").exists()
    assert len(tasks) == 3  # the clean twin and two cells
    assert not [t for t in tasks if "truth" in t or "ledger" in t]
    assert not list(out.glob("work-*"))


def test_the_same_drill_again_goes_on_from_its_cells(small, monkeypatch):
    data, out, found, _ = small
    (out / "cells" / "word-20-0.json").write_text("{cut")
    asked = []
    honest = run.run_cell
    monkeypatch.setattr(
        run,
        "run_cell",
        lambda attack, dose, *rest: (asked.append((attack.card.id, dose)), honest(attack, dose, *rest))[1],
    )
    again = drill(data, out, attacks=["word", "random-flip"], doses=[999, 20], seeds=1, reading=READING)
    assert asked == [("word", 20)]

    def timeless(d):
        return replace(d, cells=tuple(replace(c, seconds=0.0) for c in d.cells)).to_json()

    assert timeless(again) == timeless(found)


def test_what_failed_is_tried_again(small, monkeypatch):
    data, out, _, _ = small
    file = out / "cells" / "word-20-0.json"
    told = json.loads(file.read_text())
    told["found"].update(state="failed", reason="out of memory")
    file.write_text(json.dumps(told))
    (cell,) = drill(data, out, attacks=["word"], doses=[20], seeds=1, reading=READING).cells
    assert (cell.state, cell.caught) == ("done", 20)


def test_the_json_form_round_trips(small):
    found = small[2]
    assert Drill.from_json(found.to_json()).to_json() == found.to_json()
    assert json.loads(found.to_json())["cells"][1]["state"] == "impossible"


def _words(data, out, *more, doses="20,999"):
    words = ["drill", "--data", str(data), "--out", str(out), "--text", "body", "--label", "kind"]
    return [*words, "--attacks", "word,random-flip", "--doses", doses, "--seeds", "1", "-q", *more]


def test_another_drill_does_not_replace_a_page_unasked(small, capsys, monkeypatch):
    data, out, _, _ = small
    page, told = out / "drill.html", out / "drill.json"
    assert main.run(_words(data, out)) == 0
    before = page.read_bytes(), told.read_bytes()
    # The command on the page asks for the same drill.
    command = command_of(Drill.from_json(told.read_text()))
    monkeypatch.setattr(run, "run_cell", None)  # nothing is done twice
    assert main.run([*shlex.split(command)[1:], "-q"]) == 0
    assert (page.read_bytes(), told.read_bytes()) == before
    assert main.run(_words(data, out, doses="20")) == 2
    message = capsys.readouterr().err
    assert "also with dose 999" in message
    assert "--force" in message
    assert (page.read_bytes(), told.read_bytes()) == before
    assert main.run(_words(data, out, "--force", doses="20")) == 0
    assert Drill.from_json(told.read_text()).doses == (20,)
    monkeypatch.undo()
    assert main.run(_words(data, out)) == 0  # adds what is missing
    assert Drill.from_json(told.read_text()).doses == (20, 999)


DIFFERENT = [
    ({}, None),
    ({"attacks": ["a", "b", "new"], "doses": [5, 10], "seeds": [0, 1]}, None),
    ({"attacks": ["a"]}, "also with attack b"),
    ({"doses": [5]}, "also with dose 10"),
    ({"seeds": [1, 2]}, "also with seed 0"),
    ({"train": "m:fit"}, "trained by nothing"),
    ({"uri": "e.csv", "digest": "other"}, "of d.csv"),
    ({"digest": "other"}, "this data with other content"),
    ({"uri": "moved.csv"}, None),
]


@pytest.mark.parametrize(("now", "message"), DIFFERENT)
def test_what_makes_another_drill(tmp_path, now, message):
    subject = Subject(uri="d.csv", digest="d", modality="text", count=9, classes={"a": 9})
    before = Drill(subject=subject, attacks={"a": {}, "b": {}}, doses=(10,), seeds=(0,), cells=(), twins=())
    asked = {"attacks": ["a", "b"], "doses": [10], "seeds": [0], "train": None} | now
    source = SimpleNamespace(uri=asked.pop("uri", "d.csv"), digest=asked.pop("digest", "d"))
    refuse_other(tmp_path, source, **asked)  # nothing is there yet
    (tmp_path / "drill.json").write_text(before.to_json())
    if message is None:
        refuse_other(tmp_path, source, **asked)
        return
    with pytest.raises(UsageError, match=message):
        refuse_other(tmp_path, source, **asked)


@pytest.mark.parametrize(("name", "text"), [("drill.json", "{cut"), ("drill.html", "<html>")])
def test_a_page_that_tells_nothing_of_its_drill_is_not_replaced(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        refuse_other(tmp_path, None, attacks=["a"], doses=[1], seeds=[0], train=None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"attacks": ["nonesuch"]}, "expected one of"),
        ({"attacks": ["patch"]}, "made for image"),
        ({"attacks": ["word", "word"]}, "each attack once"),
        ({"attacks": ["word size=3"]}, "'size'"),
        ({"doses": [0]}, "doses of 1 or more"),
        ({"attacks": [""]}, "an attack"),
        ({"attacks": ["trojannet"]}, "made for models"),
        ({"train": "nowhere:fit"}, "a function MODULE:NAME"),
        ({"train": "json:__name__"}, "is no function"),
        ({"train": "this_exits:fit"}, "SystemExit: 5"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(tmp_path, monkeypatch, asked, message):
    (tmp_path / "this_exits.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        drill(texts(tmp_path / "d.csv", 40), tmp_path / "out", reading=READING, **asked)


@pytest.mark.parametrize(
    ("rows", "message"),
    [("body,kind\na,ham\nb,ham\n", "two or more labels"), ("body,kind\n", "at least one row")],
)
def test_data_that_teaches_nothing_is_refused(tmp_path, rows, message):
    (tmp_path / "d.csv").write_text(rows)
    with pytest.raises(UsageError, match=message):
        drill(tmp_path / "d.csv", tmp_path / "out", reading=READING)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="a place to write to"):
        drill(texts(tmp_path / "d.csv", 40), tmp_path / "file" / "out", reading=READING)


def test_a_child_that_dies_or_is_late_costs_its_own_task(tmp_path):
    data = texts(tmp_path / "d.csv", 40)
    with (
        auditor.Auditor(tmp_path, jobs=1, limit_s=0.01) as late,
        pytest.raises(auditor.AuditError, match="no answer"),
    ):
        late.audit(data, READING, 0, tmp_path / "r.json", lambda *told: None)
    with auditor.Auditor(tmp_path, jobs=1, limit_s=100) as child:
        with pytest.raises(auditor.AuditError, match="expected a column"):
            child.audit(data, {"text": "nope"}, 0, tmp_path / "r.json", lambda *told: None)
        child._child.kill()
        child._child.wait()
        child.audit(data, READING, 0, tmp_path / "r.json", lambda *told: None)
    assert (tmp_path / "r.json").exists()


def test_two_auditors_share_the_threads_and_keep_the_order(tmp_path):
    data = texts(tmp_path / "d.csv", 40)
    with (
        Auditors(tmp_path, jobs=5, limit_s=100) as four,
        Auditors(tmp_path, jobs=5, limit_s=100, alone=True) as one,
    ):
        assert [child._jobs for child in four._children] == [1, 1, 1, 1]
        assert [child._jobs for child in one._children] == [5]
    with Auditors(tmp_path, jobs=2, limit_s=100) as two:

        def task(seed):
            two.audit(data, READING, seed, tmp_path / f"{seed}.json", lambda *told: None)
            return seed

        assert list(two.side_by_side([partial(task, seed) for seed in range(4)])) == [0, 1, 2, 3]
    assert json.loads((tmp_path / "3.json").read_text())["seed"] == 3


def test_the_matrix_is_the_same_however_many_audits_work_at_once(tmp_path):
    data = texts(tmp_path / "d.csv")
    asked = {"attacks": ["word", "random-flip"], "doses": [10, 20], "seeds": 2, "reading": READING}
    cells = [
        [replace(c, seconds=0.0) for c in drill(data, tmp_path / f"{n}", jobs=n, **asked).cells]
        for n in (1, 2)
    ]
    assert cells[0] == cells[1]


def test_whoever_stops_listening_ends_the_audits(tmp_path):
    data = texts(tmp_path / "d.csv", 40)
    ended, begun = [], threading.Barrier(3)  # what has not begun is not ended, but called off

    def audited(auditors):
        begun.wait()
        try:
            while True:
                auditors.audit(data, READING, 0, tmp_path / "r.json", lambda *told: None)
        except auditor.AuditError as error:
            ended.append(str(error))

    def interrupted():
        begun.wait()
        raise KeyboardInterrupt

    with Auditors(tmp_path, jobs=2, limit_s=100) as two, pytest.raises(KeyboardInterrupt):
        list(two.side_by_side([interrupted, partial(audited, two), partial(audited, two)]))
    assert len(ended) == 2
    assert all("stopped" in said or "unexpectedly" in said for said in ended)
