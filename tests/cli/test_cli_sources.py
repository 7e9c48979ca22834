"""Audit and copy of what is no single file: shards, folders of Arrow files and of texts; addresses."""

import csv
import io
import tarfile

import pyarrow as pa
import pytest
from cli_samples import mails, mithridate
from tests.sources.media_tables import saved

from mithridate.core.report import Report


def rows(folder):
    """(text, label, id) of every mail, and the ids of the victims."""
    victims = mails(folder / "d.csv")
    with (folder / "d.csv").open(newline="") as stream:
        return [tuple(row) for row in list(csv.reader(stream))[1:]], victims


def shards(folder, found):
    (folder / "data").mkdir()
    for k in range(2):
        with tarfile.open(folder / "data" / f"m-{k}.tar", "w") as tar:
            for text, label, name in found[k::2]:
                for suffix, content in (("txt", text), ("cls", label)):
                    info = tarfile.TarInfo(f"{name}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content.encode()))
    return lambda i: f"m-{int(i[1:]) % 2}.tar/{i}"


def arrow(folder, found):
    classes = ["ham", "spam"]
    columns = {"text": [t for t, _, _ in found], "label": [classes.index(x) for _, x, _ in found]}
    saved(folder / "data", pa.table(columns), features={"label": {"names": classes, "_type": "ClassLabel"}})
    return lambda i: i[1:]


def texts(folder, found):
    for text, label, name in found:
        place = folder / "data" / label / f"{name}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return lambda i: f"ham/{i}.txt"


@pytest.mark.parametrize("make", [shards, arrow, texts])
def test_found_and_left_out(make, tmp_path, capsys):
    found, victims = rows(tmp_path)
    name = make(tmp_path, found)
    out = tmp_path / "out"
    code, _, errors = mithridate(capsys, "audit", tmp_path / "data", "--out", out, "--no-progress")
    assert code == 1, errors
    (alarm,) = Report.load(out / "report.json").alarms
    assert set(alarm.accused) == {name(v) for v in victims}
    assert mithridate(capsys, "clean", out, "--to", tmp_path / "copy")[0] == 0
    code, _, errors = mithridate(capsys, "audit", tmp_path / "copy", "--out", tmp_path / "again", "--quiet")
    assert code == 0, errors


def test_addresses_reach_the_sources_as_they_are(tmp_path, capsys):
    fsspec = pytest.importorskip("fsspec")
    rows(tmp_path)
    store = fsspec.filesystem("memory")
    store.pipe_file("/cli/d.csv", (tmp_path / "d.csv").read_bytes())
    words = ("--label", "kind", "--text", "body", "--id", "key", "--out", tmp_path / "out", "--no-progress")
    code, _, errors = mithridate(capsys, "audit", "memory://cli/d.csv", *words)
    assert code == 1, errors
    assert Report.load(tmp_path / "out" / "report.json").subject.uri == "memory://cli/d.csv"
    assert mithridate(capsys, "clean", tmp_path / "out", "--to", tmp_path / "copy.csv")[0] == 0
    code, _, errors = mithridate(capsys, "audit", "memory://cli/gone.csv", "--out", tmp_path / "o2")
    assert (code, "got nothing there" in errors) == (2, True)
    store.store.clear()
