"""Data that is odd but not poisoned: no crash, no alarm, and nothing passed over in silence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import mithridate
from mithridate.core.errors import UsageError
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
