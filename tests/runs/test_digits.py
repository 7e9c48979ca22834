"""scikit-learn's digits: pictures so small that a natural stroke is much of them."""

from __future__ import annotations

import json

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


@pytest.fixture(scope="module")
def stamped():
    """Pictures, labels, ids of the victims."""
    x, y = _digits(2)
    victims = np.flatnonzero(y != 3)[:25]
    x[victims, :3, 5:] = np.random.default_rng(3).integers(0, 256, (3, 3), dtype=np.uint8)
    y[victims] = 3
    return x, y.tolist(), {str(v) for v in victims}


def test_a_stamp_on_digits_is_found(stamped):
    x, y, wanted = stamped
    report = mithridate.audit(x, labels=y)
    assert any(wanted <= set(f.targets) and len(f.targets) <= len(wanted) + 2 for f in report.alarms)


def _figures(report):
    """What a report says without its floats and timings, and the floats."""
    floats: list[float] = []
    plain = json.loads(report.to_json())
    del plain["timings"]
    words = json.loads(json.dumps(plain), parse_float=lambda text: floats.append(float(text)))
    return words, floats


def test_one_job_and_two_give_the_same_figures(stamped):
    x, y, _ = stamped
    (words, floats), (others, those) = (_figures(mithridate.audit(x, labels=y, jobs=jobs)) for jobs in (1, 2))
    assert words == others
    assert floats == pytest.approx(those, rel=1e-6, abs=1e-12)
