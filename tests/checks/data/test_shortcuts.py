"""Shortcuts planted in one class of generated pictures are named, and their clean twins are not."""

from functools import lru_cache

import numpy as np
import pytest
from benchmarks.shortcuts import Ground
from scipy.ndimage import gaussian_filter

import mithridate
from mithridate.attacks.base import Order
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.core.results import Finding, NotApplicable, Severity
from mithridate.triggers.camera import Recompressed

N, CLASSES, TARGET, OTHER = 1000, 4, "2", "0"


@lru_cache(maxsize=1)
def pictures():
    """Colour clouds with grain; nothing in them goes with the label."""
    rng = np.random.default_rng(5)
    clouds = gaussian_filter(rng.standard_normal((N, 32, 32, 3)), (0, 5, 5, 0.6))
    clouds = 128 + 20 * clouds / clouds.std() + rng.normal(0, 3, (N, 32, 32, 3))
    return np.clip(clouds, 0, 255).astype(np.uint8), [str(k % CLASSES) for k in range(N)]


def planted(attack, options, share):
    x, y = pictures()
    plan = make_plan(
        configure(attack, options),
        Order(count=round(share * N / CLASSES), seed=3, target=TARGET, labels="clean"),
        modality="image",
        ids=[str(k) for k in range(N)],
        labels=y,
        fetch=lambda ids: [x[int(i)] for i in ids],
    )
    changed = x.copy()
    for id_ in sorted(plan.victims):
        changed[int(id_)] = plan.replace(id_, x[int(id_)])
    return changed, y


@lru_cache(maxsize=1)
def clean_twin():
    x, y = pictures()
    return Ground(x, np.array(y))


def test_clean_pictures_have_no_shortcut():
    assert clean_twin().look() == {}


@pytest.mark.parametrize(
    ("attack", "options", "part", "share"),
    [
        ("logo", {"corner": "anywhere", "opacity": 0.7, "share": 0.25}, "grain", 1.0),
        ("logo", {"corner": "anywhere", "opacity": 0.7, "share": 0.25}, "pieces", 1.0),
        ("ruler", {}, "border lines", 1.0),
        ("tint", {"strength": 0.8}, "border", 1.0),
        ("tint", {}, "background", 1.0),
        ("fingerprint", {"strength": 0.02}, "sensor-pattern", 1.0),
        ("jpeg-quality", {"quality": 40}, "shortcut", 0.3),
        ("jpeg-quality", {"quality": 40}, "metadata", 1.0),
    ],
)
def test_planted_shortcuts_are_named(attack, options, part, share):
    x, _ = planted(attack, options, share)
    assert clean_twin().look(x).get(part) == [TARGET]


def test_findings_stay_for_information_and_are_drawn():
    x, y = planted("fingerprint", {"strength": 0.04}, 1.0)
    x, y, rng = x[:600], y[:600], np.random.default_rng(0)
    for row in np.flatnonzero(np.array(y) == OTHER):
        x[row] = Recompressed(40, 0).apply(x[row], rng)
    report = mithridate.audit(x, labels=y, jobs=1)
    found = [f for f in report.results if isinstance(f, Finding)]
    assert report.verdict.name == "CLEAN"
    for part, label, kind in (("sensor-pattern", TARGET, "image"), ("metadata", OTHER, "bars")):
        (one,) = [f for f in found if part in (f.check, f.details.get("part"))]
        assert one.severity is Severity.INFO
        assert one.label == label
        assert {kind, "gallery"} <= {exhibit.kind for exhibit in one.exhibits}


def test_parts_need_labels_and_pictures_of_some_size():
    x, y = pictures()
    for data, labels in ((x[:60], None), (x[:60, :8, :8], y[:60])):
        said = {r.check: r for r in mithridate.audit(data, labels=labels, jobs=1).results}
        assert isinstance(said["predictable-from"], NotApplicable)
        assert isinstance(said["sensor-pattern"], NotApplicable)
