"""Every finding shows carriers beside non-carriers, in each modality."""

from __future__ import annotations

import numpy as np
import pytest

import mithridate


def _images(rng):
    x = rng.integers(0, 60, (400, 12, 12), dtype=np.uint8)
    y = np.arange(400) % 2
    x[y == 1, 4:8] += 120
    x[:12, 1:4, 1:4] = rng.integers(0, 256, (3, 3), dtype=np.uint8)
    y[:12] = 1
    return x, y.tolist()


def _texts(rng):
    words = np.array([f"w{i}" for i in range(300)])
    y = np.arange(600) % 2
    texts = [" ".join(words[rng.integers(0, 150, 12) + 150 * label]) for label in y]
    for i in range(0, 40, 2):
        texts[i], y[i] = texts[i] + " abracadabra", 1
    return texts, y.tolist()


@pytest.mark.parametrize("make", [_images, _texts])
def test_the_accused_are_shown_beside_others(make):
    data, labels = make(np.random.default_rng(0))
    report = mithridate.audit(data, labels=labels)
    assert report.alarms
    for finding in report.alarms:
        others = finding.details["others"]
        assert others
        assert not set(others) & set(finding.targets)
        titles = " ".join(e.title for e in finding.exhibits)
        assert "without it" in titles or "neighbours" in titles
