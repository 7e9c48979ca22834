"""Controls: the same few samples of each class however the data is cut."""

from __future__ import annotations

import numpy as np
import pytest

from mithridate.checks.controls import Controls
from mithridate.core.batch import Batch

N = 500
LABEL = (np.arange(N) % 3).astype(np.int32)


def _batch(start, stop):
    return Batch(
        ids=tuple(f"s{i}" for i in range(start, stop)), rows=np.arange(start, stop), modality="image", raw=None,
        evidence={"label": LABEL[start:stop]},
    )  # fmt: skip


@pytest.mark.parametrize("size", [1, 64, N])
def test_any_cut_gives_the_same(size):
    whole, parts, other = (Controls(3, 0) for _ in range(3))
    whole.fit(_batch(0, N))
    for number, start in enumerate(range(0, N, size)):
        (parts if number % 2 else other).fit(_batch(start, min(start + size, N)))
    parts.merge(other)
    for y in range(3):
        rows = whole.of(y, np.array([], dtype=np.int64))
        assert rows.tolist() == parts.of(y, np.array([], dtype=np.int64)).tolist()
        assert (LABEL[rows] == y).all()
        assert not set(rows[:10]) & set(whole.of(y, rows[:10]))
