import numpy as np
import pytest

from mithridate.evidence.half import widen


def test_every_finite_value_stays_what_it_is():
    stored = np.arange(65536, dtype=np.uint16).view(np.float16)
    stored = stored[np.isfinite(stored)]
    assert np.array_equal(widen(stored), stored.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_it_fills_what_it_is_given(dtype):
    stored = np.random.default_rng(0).normal(size=(6, 4)).astype(dtype)[::2]
    out = np.full((3, 4), np.nan, dtype=np.float32)
    assert widen(stored, out) is out
    assert np.array_equal(out, stored.astype(np.float32))
