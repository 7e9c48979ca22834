"""What findings accuse, by content: the same wherever it lies, another as soon as anything changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from mithridate.core.batch import Batch
from mithridate.core.results import Clear, Finding, Severity
from mithridate.core.sound import Sound
from mithridate.runs import contents
from mithridate.runs.contents import with_files, with_samples
from mithridate.sources.digest import sample_digests
from mithridate.sources.open import open_source


def batch(raw, labels=None, modality="text"):
    ids = tuple(str(i) for i in range(len(raw)))
    return Batch(ids=ids, rows=np.arange(len(ids)), modality=modality, raw=raw, labels=labels)


def digest(sample, label="a", modality="image"):
    return sample_digests(batch([sample], (label,), modality))[0]


PIXELS = np.zeros((2, 2, 3), np.uint8)


def test_content_and_label_decide():
    arrays = [PIXELS + 1, PIXELS.astype(np.int16), PIXELS.reshape(2, 6, 1)]
    others = [*arrays, "text", "tex", b"text", ["te", "xt"], 1, "1", "1.0", True, None, "None", {"te": "xt"}]
    digests = [digest(PIXELS), digest(PIXELS, "b"), digest(PIXELS, None), *map(digest, others)]
    assert len(set(digests)) == len(digests)
    assert None not in digests
    assert digest(PIXELS.copy()) == digest(np.zeros((2, 2, 6), np.uint8)[..., ::2]) == digests[0]


def test_sounds():
    tone = Sound(samples=np.ones((8, 1), np.float32), rate=8000)
    assert digest(tone) == digest(Sound(samples=np.ones((8, 1), np.float32), rate=8000))
    assert digest(tone) != digest(Sound(samples=np.ones((8, 1), np.float32), rate=16000))
    assert digest(tone) != digest(Sound(samples=np.zeros((8, 1), np.float32), rate=8000))


def test_what_cannot_be_digested_has_none():
    assert digest(object()) is None
    assert digest(np.array([object()])) is None
    assert digest(["a", {1}]) is None


def test_rows_of_tables():
    table = pa.table(
        {"n": [1, 2, 1], "d": [date(2026, 1, 1)] * 3, "f": [0.5, float("nan"), 0.5], "t": ["a", None, "a"]}
    )
    first, second, third = sample_digests(batch(table, ("x", "x", "x"), "table"))
    assert first == third != second
    gaps = table.set_column(0, "n", pa.array([1.0, None, 1.0]))  # whole numbers beside a gap
    assert sample_digests(batch(gaps, ("x", "x", "x"), "table"))[0] == first
    renamed = table.rename_columns(["m", "d", "f", "t"])
    assert sample_digests(batch(renamed, ("x", "x", "x"), "table"))[0] != first


def accuses(*ids, severity=Severity.LIKELY):
    return Finding(
        check="c", severity=severity, message="m", targets=ids, scores=(1.0,) * len(ids), count=len(ids)
    )


def told(finding, source):
    (result,) = with_samples([finding], source)
    return result.details.get("contents")


def test_findings_get_the_contents_of_the_accused():
    one = open_source(["a", "b", "c", "d"], labels=["x", "y", "x", "y"])
    moved = open_source(["d", "c", "b", "a"], labels=["y", "x", "y", "x"])
    assert told(accuses("0", "1"), one) == told(accuses("3", "2"), moved)
    assert len(set(told(accuses("0", "1", "2", "3"), one))) == 4
    ranked = replace(accuses("0", "1", "2"), count=1)
    assert told(ranked, one) == told(accuses("0"), one)
    assert told(accuses("0", severity=Severity.INFO), one) is None
    assert told(accuses(), one) is None
    assert told(accuses("0", "nobody"), one) is None
    assert told(replace(accuses("0"), count=5), one) is None  # the others are in a file
    clear = Clear(check="c", message="m", limit="l")
    assert with_samples([clear], one) == [clear]


def test_too_many_have_none(monkeypatch):
    monkeypatch.setattr(contents, "MOST", 2)
    source = open_source(["a", "b", "c"], labels=["x", "y", "x"])
    assert told(accuses("0", "1", "2"), source) is None
    assert len(told(accuses("0", "1"), source)) == 2


@pytest.mark.parametrize("folder", [True, False])
def test_files_of_a_scan(tmp_path, folder):
    (tmp_path / "a.pt").write_bytes(b"1")
    root = tmp_path if folder else tmp_path / "a.pt"
    found = accuses("a.pt!data.pkl")
    inside, graph, gone = with_files(
        [found, replace(found, check="g"), accuses("gone")], root, "whole", ["c"]
    )
    assert len(inside.details["contents"]) == 1
    assert graph.details["contents"] == ["whole"]
    assert ("contents" in gone.details) == (not folder)  # a lone file is what it is about
    assert "contents" not in with_files([replace(found, check="g")], root, None, ["c"])[0].details
    (tmp_path / "a.pt").write_bytes(b"2")
    assert with_files([found], root, "whole", ["c"])[0].details != inside.details
