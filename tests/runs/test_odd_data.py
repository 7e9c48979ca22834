"""Data that is odd but not poisoned: no crash, no alarm, and nothing passed over in silence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import mithridate
from mithridate.core.errors import UsageError
from mithridate.core.results import Skip
from mithridate.core.verdict import Verdict

N = 300
LABEL = [str(i % 2) for i in range(N)]
NUMBERS = np.random.default_rng(0).normal(size=N)


@pytest.mark.parametrize(
    "columns",
    [
        {"a": NUMBERS, "b": np.full(N, np.nan)},
        {"a": np.where(np.arange(N) % 3, NUMBERS, np.nan), "b": np.where(np.arange(N) % 5, NUMBERS, np.inf)},
        {"a": NUMBERS, "b": [b"\xff\x00"] * N},
    ],
    ids=["all NaN", "NaN and infinity", "bytes"],
)
def test_columns(columns):
    table = pa.table(columns | {"label": LABEL})
    assert mithridate.audit(table, label="label").verdict is Verdict.CLEAN


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (pa.table({"a": NUMBERS, "label": [[1]] * N}), {"label": "label"}, "one value for each sample"),
        ([], {}, "an empty one"),
        (["a", None], {}, "NoneType at 1"),
        (NUMBERS.reshape(-1, 1), {"seed": -1}, "seed"),
    ],
)
def test_refused_with_a_reason(data, options, message):
    with pytest.raises(UsageError, match=message):
        mithridate.audit(data, **options)


def test_labels_that_are_not_there():
    texts = [f"some words {i}" for i in range(40)]
    assert mithridate.audit(texts, labels=[None] * 40).verdict is Verdict.INCOMPLETE
    report = mithridate.audit(texts, labels=[None] * 10 + ["a", "b"] * 15)
    assert any("10 of 40 samples have no label" in note for note in report.notes)


@pytest.mark.parametrize("seed", range(3))
def test_drawings_recur_by_nature(seed):
    """Letters on whole pixels: any part of a stroke is at one place in many pictures, exactly."""
    from PIL import Image, ImageDraw, ImageFont

    rng, font = np.random.default_rng(seed), ImageFont.load_default(size=14)
    x = np.zeros((N, 20, 20), dtype=np.uint8)
    for i in range(N):
        picture = Image.new("L", (20, 20))
        left, top = rng.integers(3, 8), rng.integers(0, 4)
        ImageDraw.Draw(picture).text((left, top), "HTL"[i % 3], fill=255, font=font)
        x[i] = np.asarray(picture)
    report = mithridate.audit(x, labels=[i % 3 for i in range(N)])
    assert report.verdict is Verdict.CLEAN


BLOBS = [bytes([i % 256, i // 256]) * 20 for i in range(N)]


@pytest.mark.parametrize(
    ("columns", "item"),
    [
        ({"a": LABEL, "blob": BLOBS}, "column 'blob'"),
        ({"a": LABEL, "blob": pa.array(BLOBS).dictionary_encode()}, "column 'blob'"),
        ({"a": LABEL, "more": [[float(i), 1.0] for i in range(N)]}, "column 'more'"),
        ({"a": LABEL, "more": [{"bytes": b, "page": 1} for b in BLOBS]}, "column 'more'"),
        ({"key": [f"k{i}" for i in range(N)]}, "the table"),
        ({"key": [f"k{i}" for i in range(N)], "none": [""] * N}, "the table"),
    ],
)
def test_what_a_table_cannot_read_is_not_clean(columns, item):
    report = mithridate.audit(pa.table(columns | {"label": LABEL}), label="label")
    assert report.verdict is Verdict.INCOMPLETE
    (skip,) = (r for r in report.results if isinstance(r, Skip))
    assert skip.items == (item,)
    assert not any("names the rows" in note for note in report.notes if "blob" in note or "more" in note)


def test_free_text_in_a_table_is_told():
    table = pa.table(
        {"title": [f"the title of {i}" for i in range(N)], "body": [f"words of a text {i}" for i in range(N)]}
    )
    report = mithridate.audit(table.append_column("kind", [LABEL]), label="kind")
    assert any(note.startswith("column 'body' is free text") for note in report.notes)


def test_reasons_are_told_apart():
    clips = [np.random.default_rng(i).normal(0, 0.1, 800).astype(np.float32) for i in range(30)]
    clips[3], clips[4], clips[5] = clips[3][:0], clips[4][:0], np.full(800, np.nan, np.float32)
    clips[6] = np.where(np.arange(800) < 3, np.nan, clips[6])
    report = mithridate.audit(clips, labels=LABEL[:30], rate=8000)
    skips = [(r.count, r.reason) for r in report.results if isinstance(r, Skip)]
    assert skips == [
        (2, "2 items could not be read: holds no samples (0 s)"),
        (2, "2 items could not be read, the first because of: 800 of 800 values are NaN or infinite"),
    ]


def test_constant_sounds_are_looked_at_all_the_same():
    for level in (0.1, 0.1 / 3, 0.03):
        sounds = [np.full(800, level * i % 1.0, np.float32) for i in range(30)]
        assert mithridate.audit(sounds, labels=[i % 2 for i in range(30)], rate=8000).verdict is not None
