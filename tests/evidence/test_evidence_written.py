"""Words in pictures: what a reader says becomes keys; a picture that it fails on costs nothing else."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import mithridate
from mithridate.evidence.image import gather
from mithridate.evidence.image.reader import Line, can_read, open_reader, readable
from mithridate.evidence.image.written import Written, load_written, read_words, save_written, written_table
from mithridate.triggers.overlay import Caption

N, SIDE = 240, 64


def _quiet(stage, done, total):
    pass


def _pictures(seed=0, count=N):
    """Two classes, told apart by their colour; soft, so that no letters stand in them."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = rng.normal(110, 20, (count, 4, 4, 3)) + 40 * y[:, None, None, None] * np.array([1, -1, 0])
    return np.clip(x.repeat(SIDE // 4, 1).repeat(SIDE // 4, 2), 0, 255).astype(np.uint8), y


def _captioned(x, rows, text="AGENCY"):
    caption, out = Caption(text, upper=False, grey=250, share=0.14, wobble=0.1), x.copy()
    for row in rows:
        out[row] = caption.apply(x[row], np.random.default_rng(int(row)))
    return out


class _Source:
    """Enough of a source."""

    def __init__(self, x):
        from mithridate.sources.open import open_source

        self.open = open_source(x, labels=[0] * len(x))

    def __getattr__(self, name):
        return getattr(self.open, name)


def _reader():
    """Reads a word off the first pixel of a picture."""

    def read(picture):
        if picture[0, 0, 0] == 9:
            raise RuntimeError("no such picture")
        words = {1: "Agency 12", 2: "a agency", 3: ""}
        text = words.get(int(picture[0, 0, 0]), "")
        return [Line(text, (0.5, 0.0, 1.0, 1.0))] if text else []

    return read


@pytest.mark.parametrize("jobs", [1, 3])
def test_words_are_read_of_the_samples_asked(jobs):
    x = np.zeros((9, SIDE, SIDE, 3), np.uint8)
    x[:, 0, 0, 0] = [1, 2, 3, 0, 1, 2, 9, 1, 2]
    x[:, 1, 1, 1] = np.arange(9)
    groups = np.arange(9)
    groups[8] = 5  # a near-duplicate of another is not asked
    source = _Source(x)
    ids = tuple(i for batch in source.batches(4) for i in batch.ids)
    written = read_words(source, ids, groups, 0, _reader, jobs, _quiet)
    assert written.asked == 7  # one of the eight cannot be read
    told = sorted({(row, word) for row, word, _ in written.words})
    assert [pair for pair in told if pair[1] == "12"] == [(0, "12"), (4, "12"), (7, "12")]
    asked = {row for row, _ in told}
    assert {0, 1, 4, 7} <= asked <= {0, 1, 4, 5, 7, 8}
    assert not {5, 8} <= asked


def test_a_reader_that_cannot_be_opened_and_data_that_moved_cost_words_only(tmp_path):
    def broken():
        raise OSError("models are missing")

    class Moved(_Source):
        def fetch(self, ids):
            raise OSError("gone")

    x = np.zeros((5, SIDE, SIDE, 3), np.uint8)
    ids = tuple("abcde")
    written = read_words(_Source(x), ids, np.arange(5), 0, broken, 2, _quiet)
    assert "models are missing" in written.failed
    save_written(written, tmp_path / "w.json")
    assert load_written(tmp_path / "w.json") == written
    assert written_table(written, ids, np.arange(5)) is None
    assert read_words(Moved(x), ids, np.arange(5), 0, _reader, 1, _quiet) == Written(0, ())


def test_a_reader_that_fails_on_every_picture_has_read_none():
    def failing():
        def read(picture):
            raise RuntimeError("Traceback:\n  somewhere\nno such operator")

        return read

    x = np.zeros((5, SIDE, SIDE, 3), np.uint8)
    x[:, 1, 1, 1] = np.arange(5)
    source = _Source(x)
    ids = tuple(i for batch in source.batches(4) for i in batch.ids)
    written = read_words(source, ids, np.arange(5), 0, failing, 1, _quiet)
    assert written == Written(0, (), "RuntimeError: no such operator")


def test_what_failed_is_tried_again(tmp_path, monkeypatch):
    def broken():
        raise OSError("models are missing")

    x, y = _pictures(count=60)
    monkeypatch.setattr(gather, "can_read", lambda: True)
    for opened, told in ((broken, "models are missing"), (_reader, "were read in 60 of 60")):
        monkeypatch.setattr(gather, "open_reader", opened)
        assert any(told in note for note in mithridate.audit(x, labels=y.tolist(), work=tmp_path).notes)


@pytest.mark.parametrize(
    ("height", "width", "told"),
    [(64, 64, True), (48, 16, True), (47, 47, False), (1, 640, False), (640, 15, False), (20, 2000, False)],
)
def test_thin_pictures_are_not_handed_to_a_reader(height, width, told):
    """Sides of one pixel would be blown up to those of readable ones, the others with them: gigabytes."""
    assert readable(height, width) is told

    def reader():
        def read(picture):
            assert told
            return [Line("word", (0.0, 0.0, 1.0, 1.0))]

        return read

    written = read_words(
        _Source(np.zeros((2, height, width, 3), np.uint8)), ("0", "1"), np.arange(2), 0, reader, 1, _quiet
    )
    assert written.asked == 2 * told
    assert not written.failed


@pytest.mark.parametrize("missing", ["det", "rec", ""])
def test_models_are_those_of_the_package_and_loaded_at_once(tmp_path, monkeypatch, missing):
    """A missing one is an error, not a download."""
    used = []

    class RapidOCR:
        def __init__(self, params):
            self.params = params

        def __call__(self, picture, use_det):
            used.append("det" if use_det else "rec")
            return SimpleNamespace(txts=None, boxes=None)

    (tmp_path / "models").mkdir()
    for kind in {"det", "rec"} - {missing}:
        (tmp_path / "models" / f"PP-OCRv6_{kind}_small.onnx").touch()
    package = SimpleNamespace(__file__=str(tmp_path / "__init__.py"), RapidOCR=RapidOCR)
    monkeypatch.setitem(sys.modules, "rapidocr", package)
    if missing:
        with pytest.raises(FileNotFoundError, match=f"{missing}_small"):
            open_reader()
    else:
        open_reader()
        assert used == ["det", "rec"]


def test_a_table_holds_what_recurs_and_where_it_stands(tmp_path):
    words = [(row, "agency", (0.5, 0.0, 1.0, 1.0)) for row in range(5)] + [(7, "rare", (0.0, 0.0, 1.0, 1.0))]
    ids, groups = [f"p{i}" for i in range(10)], np.arange(10)
    save_written(Written(10, tuple(words)), tmp_path / "w.json")
    table = written_table(load_written(tmp_path / "w.json"), ids, groups)
    assert table is not None
    assert [table.name(k) for k in range(table.size)] == ["agency"]
    assert table.details(0)["boxes"]["p3"] == (0.5, 0.0, 1.0, 1.0)
    assert np.diff(table.indptr).tolist() == [1] * 5 + [0] * 5


def test_a_letter_that_was_misread_makes_no_other_word():
    said = ["agency"] * 4 + ["agencv", "aqency", "photos", "phone", "phony", "photons"]
    words = tuple((row, word, (0.0, 0.0, 1.0, 1.0)) for row, word in enumerate(said))
    table = written_table(Written(20, words), [f"p{i}" for i in range(20)], np.arange(20))
    assert table is not None
    assert table.size == 1
    assert int(np.diff(table.indptr).sum()) == 6


def test_what_nobody_or_everybody_bears_makes_no_table():
    ids, groups = [f"p{i}" for i in range(10)], np.arange(10)
    assert written_table(Written(10, ()), ids, groups) is None
    everywhere = tuple((row, "agency", (0.0, 0.0, 1.0, 1.0)) for row in range(10))
    assert written_table(Written(10, everywhere), ids, groups) is None


def test_without_a_reader_the_report_says_so(monkeypatch):
    monkeypatch.setattr(gather, "can_read", lambda: False)
    x, y = _pictures(count=60)
    assert any("not read" in note for note in mithridate.audit(x, labels=y.tolist()).notes)
    small = mithridate.audit(x[:, :32, :32], labels=y.tolist())
    assert not any("words" in note for note in small.notes)


@pytest.mark.skipif(not can_read(), reason="needs the extra ocr")
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_word_on_one_class_is_named_and_framed(share):
    x, y = _pictures()
    mine = np.flatnonzero(y == 1)
    report = mithridate.audit(_captioned(x, mine[: int(share * len(mine))]), labels=y.tolist())
    found = [r for r in report.findings if r.details.get("family") == "written word"]
    assert found, report.notes
    assert found[0].label == "1"
    assert "'agency'" in found[0].message
    assert any("where it stands" in e.title for e in found[0].exhibits)


@pytest.mark.skipif(not can_read(), reason="needs the extra ocr")
def test_no_word_is_named_where_none_or_all_have_it():
    x, y = _pictures()
    spread = _captioned(x, np.random.default_rng(5).choice(N, 80, replace=False))
    for pictures in (x, spread):
        report = mithridate.audit(pictures, labels=y.tolist())
        assert not [r for r in report.findings if r.details.get("family") == "written word"]
