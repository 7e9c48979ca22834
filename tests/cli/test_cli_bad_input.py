"""Bad input: an exit code, a clear message, and nothing else lost."""

import csv
import json

import numpy as np
import pytest
from cli_samples import bomb, mails, mithridate, photos
from PIL import Image


def skipped(out):
    report = json.loads((out / "report.json").read_text())
    return {i for r in report["results"] if r["kind"] == "skip" for i in r["items"]}


def truncated_jpeg(folder):
    path = folder / "cat" / "cut.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-900])


def text_named_png(folder):
    (folder / "cat" / "cut.png").write_text("this is no picture")


def bomb_png(folder):
    bomb(folder / "cat" / "cut.png")


@pytest.mark.parametrize("spoil", [truncated_jpeg, text_named_png, bomb_png])
def test_an_unreadable_image_is_named_and_the_rest_goes_on(tmp_path, capsys, spoil):
    folder, out = photos(tmp_path / "my phötos"), tmp_path / "out"
    spoil(folder)
    code, shown, _ = mithridate(capsys, "audit", folder, "--out", out)
    assert code == 3
    assert "INCOMPLETE · 40 images, 2 classes" in shown
    (name,) = skipped(out)
    assert name.startswith("cat/cut.")
    assert name in " ".join(shown.split())


def npz_with_objects(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.array([{"a": 1}, None], dtype=object), y=np.arange(2))
    return ["d.npz"], "pickle"


def cut_parquet(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": list(range(1000)), "label": ["x", "y"] * 500}), tmp_path / "d.parquet")
    whole = (tmp_path / "d.parquet").read_bytes()
    (tmp_path / "d.parquet").write_bytes(whole[: len(whole) // 2])
    return ["d.parquet", "--label", "label"], "d.parquet: expected"


def missing_column(tmp_path):
    mails(tmp_path / "d.csv", 30)
    return ["d.csv", "--text", "boddy"], "'body', 'kind', 'key'"


def double_ids(tmp_path):
    with (tmp_path / "d.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["a", "label", "id"], [1, "x", "p"], [2, "y", "q"], [3, "x", "p"]])
    return ["d.csv", "--label", "label", "--id", "id"], "'p'"


def no_rows(tmp_path):
    (tmp_path / "d.csv").write_text("body,label\n")
    return ["d.csv", "--label", "label"], "expected at least one row"


def page_to_stdout(tmp_path):
    mails(tmp_path / "d.csv", 30)
    return ["d.csv", "--text", "body", "--sarif", "-"], "expected a file name"


def nothing_there(tmp_path):
    return ["nope"], "nothing there"


def empty_folder(tmp_path):
    (tmp_path / "d").mkdir()
    return ["d"], "no file with an image suffix"


def report_below_a_file(tmp_path):
    mails(tmp_path / "d.csv", 30)
    (tmp_path / "file").write_text("")
    return ["d.csv", "--text", "body", "--out", "file/out"], "file/out: expected a place to write to"


def json_below_a_file(tmp_path):
    mails(tmp_path / "d.csv", 30)
    (tmp_path / "file").write_text("")
    return ["d.csv", "--text", "body", "--json", "file/r.json"], "file/r.json: expected a place to write to"


def report_into_the_data(tmp_path):
    photos(tmp_path / "d", 2)
    return ["d", "--out", "d/report"], "would change it"


def report_onto_the_data(tmp_path):
    mails(tmp_path / "d.csv", 30)
    return ["d.csv", "--text", "body", "--json", "d.csv"], "would change it"


def option_of_another_kind(tmp_path):
    photos(tmp_path / "d", 2)
    return ["d", "--label", "x"], "only arguments that fit"


@pytest.mark.parametrize(
    "make",
    [
        npz_with_objects,
        cut_parquet,
        missing_column,
        double_ids,
        no_rows,
        page_to_stdout,
        nothing_there,
        empty_folder,
        report_below_a_file,
        json_below_a_file,
        report_into_the_data,
        report_onto_the_data,
        option_of_another_kind,
    ],
)
def test_what_cannot_be_done_is_refused_in_one_message(tmp_path, capsys, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    words, message = make(tmp_path)
    code, shown, error = mithridate(capsys, "audit", *words)
    assert code == 2
    assert shown == ""
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("classes", [("cat", "dog"), ("cat",)])
def test_few_images_are_not_applicable_rather_than_an_error(tmp_path, capsys, classes):
    folder = photos(tmp_path / "d", 1, classes)
    (folder / "empty").mkdir()
    code, _, _ = mithridate(capsys, "audit", folder, "--out", tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert code == 0
    assert set(report["subject"]["classes"]) == set(classes)
    assert "not_applicable" in {r["kind"] for r in report["results"]}


def test_no_labels_leave_the_checks_that_need_none(tmp_path, capsys):
    np.save(tmp_path / "d.npy", np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8))
    code, shown, _ = mithridate(capsys, "audit", tmp_path / "d.npy", "--out", tmp_path / "out")
    kinds = {
        r["check"]: r["kind"] for r in json.loads((tmp_path / "out" / "report.json").read_text())["results"]
    }
    assert code == 0
    assert "60 images, no labels" in shown
    assert kinds["duplicates"] != "not_applicable"
    assert kinds["label-errors"] == "not_applicable"


def test_nan_and_infinity_are_values_like_others(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(80, 3))
    x[3, 0], x[4, 1], x[5, 2] = np.nan, np.inf, -np.inf
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(80) % 2)
    code, shown, _ = mithridate(capsys, "audit", tmp_path / "d.npz", "--out", tmp_path / "out")
    assert code == 0
    assert "80 rows, 2 classes" in shown


def test_a_label_that_nobody_named_is_mentioned(tmp_path, capsys):
    (tmp_path / "d.csv").write_text("body,Class\n" + "hello,ham\n" * 3)
    code, shown, _ = mithridate(
        capsys, "audit", tmp_path / "d.csv", "--text", "body", "--out", tmp_path / "out"
    )
    assert code == 0
    assert "note: no column was named as the label; perhaps it is 'Class'" in " ".join(shown.split())
    assert "perhaps it is" in (tmp_path / "out" / "report.html").read_text()


def test_a_copy_of_a_folder_is_not_named_like_a_file(tmp_path, capsys):
    folder = photos(tmp_path / "d", 4)
    mithridate(capsys, "audit", folder, "--out", tmp_path / "out")
    code, _, error = mithridate(capsys, "clean", tmp_path / "out", "--to", tmp_path / "x.npz")
    assert code == 2
    assert "expected the name of a folder" in error
