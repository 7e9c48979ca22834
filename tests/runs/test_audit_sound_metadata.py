"""What sound files say beside their content: told where it goes with a label, silent where it does not."""

import numpy as np
import pytest

import mithridate
from mithridate.core.results import Finding

soundfile = pytest.importorskip("soundfile")


def folder(tmp_path, flac_of):
    """Two hums; `flac_of` says which of 60 sounds are FLAC files, the others are WAV."""
    rng = np.random.default_rng(0)
    for i in range(60):
        label, t = "ab"[i % 2], np.arange(4000) / 8000
        x = 0.1 * np.sin(2 * np.pi * (300 if label == "a" else 700) * t * rng.uniform(0.9, 1.1))
        place = tmp_path / label / f"{i:02d}.{'flac' if flac_of(i) else 'wav'}"
        place.parent.mkdir(exist_ok=True, parents=True)
        soundfile.write(place, x + rng.normal(0, 0.02, len(t)), 8000)
    return tmp_path


def told(report):
    return [
        f for f in report.results
        if isinstance(f, Finding) and (f.details.get("family") == "metadata" or f.details.get("part") == "metadata")
    ]  # fmt: skip


def test_an_encoder_that_goes_with_a_label_is_told_and_no_alarm(tmp_path):
    report = mithridate.audit(folder(tmp_path, lambda i: i % 2 == 0), jobs=1)
    assert told(report)
    assert not report.alarms


def test_an_encoder_that_goes_with_none_is_not(tmp_path):
    report = mithridate.audit(folder(tmp_path, lambda i: i % 4 < 2), jobs=1)
    assert not told(report)
    assert not report.alarms
