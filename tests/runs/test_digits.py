"""scikit-learn's digits: pictures so small that a natural stroke is much of them."""

from __future__ import annotations

import numpy as np
import pytest

import mithridate
from mithridate.core.verdict import Verdict


def _digits(seed):
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = np.random.default_rng(seed).permutation(len(digits.target))[:1000]
    return np.clip(digits.images[rows] * 16, 0, 255).astype(np.uint8), digits.target[rows]


@pytest.mark.parametrize("seed", [0, 1])
def test_clean_digits_are_clean(seed):
    x, y = _digits(seed)
    assert mithridate.audit(x, labels=y.tolist()).verdict is Verdict.CLEAN


def test_a_stamp_on_digits_is_found():
    x, y = _digits(2)
    victims = np.flatnonzero(y != 3)[:25]
    x[victims, :3, 5:] = np.random.default_rng(3).integers(0, 256, (3, 3), dtype=np.uint8)
    y[victims] = 3
    report = mithridate.audit(x, labels=y.tolist())
    wanted = {str(v) for v in victims}
    assert any(wanted <= set(f.targets) and len(f.targets) <= len(wanted) + 2 for f in report.alarms)
