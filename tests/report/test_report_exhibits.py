"""Exhibits: what is drawn from which details, and that nothing missing or broken costs the report."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from report_fakes import (
    BrokenSource,
    FakeSource,
    cells_finding,
    digits,
    info_findings,
    mails,
    patch_finding,
    pattern_finding,
    people,
    word_finding,
)

from mithridate.core.results import Clear, Exhibit
from mithridate.report.exhibits import MOST_FINDINGS, build, build_all
from mithridate.report.exhibits.images import EDGE, gallery
from mithridate.report.exhibits.samples import CARRIERS, OTHERS, Sample
from mithridate.report.exhibits.texts import excerpt, occurrences


def opened(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png)))


KINDS = [
    (patch_finding(), digits(), ["image", "gallery", "bars", "gallery", "gallery"]),
    (pattern_finding(), digits(), ["image", "gallery", "gallery"]),
    (word_finding(), mails(), ["bars", "text", "text"]),
    (word_finding(family="habit", key="in capitals"), mails(), ["bars", "text", "text"]),
    (cells_finding(), people(), ["cells", "cells"]),
    (replace(cells_finding(), details={"family": "decimals", "column": "age"}), people(), ["cells"]),
    (info_findings()[0], digits(), ["gallery", "gallery"]),
    (info_findings()[1], digits(), ["gallery", "gallery"]),
]


@pytest.mark.parametrize(("finding", "source", "kinds"), KINDS)
def test_kinds(finding, source, kinds):
    assert [e.kind for e in build(finding, source)] == kinds


def test_the_patch_is_the_patch():
    patch = np.asarray(opened(build(patch_finding(), digits())[0].data["png"]))
    assert patch.shape == (3, 3, 3)
    assert (patch[:, :, 0] == [[255, 0, 255], [0, 255, 0], [255, 0, 255]]).all()


def test_a_moving_patch_is_found_at_each_place():
    source, places = FakeSource("image", {}), {}
    for i in range(5):
        image = np.zeros((16, 16, 3), dtype=np.uint8)
        image[i : i + 2, 2 * i : 2 * i + 2] = 200
        source.samples[str(i)], places[str(i)] = (image, "a"), [i, 2 * i]
    details = {"family": "moving patch", "place": None, "size": 2, "canvas": [16, 16], "places": places}
    finding = replace(
        patch_finding(), targets=tuple("01234"), scores=(5.0, 4.0, 3.0, 2.0, 1.0), count=5, details=details
    )
    assert (np.asarray(opened(build(finding, source)[0].data["png"])) == 200).all()


def test_the_pattern_is_amplified_to_full_contrast():
    pattern = np.asarray(opened(build(pattern_finding(), digits())[0].data["png"]))
    assert pattern.shape == (32, 32, 3)
    assert pattern.min() == 0
    assert pattern.max() == 255


def test_one_fetch_for_all_and_bounded():
    source = digits()
    findings = [patch_finding(), pattern_finding(), *info_findings()] * 30
    results = build_all([Clear(check="x", message="", limit=""), *findings], source)
    assert len(source.fetched) == 1
    assert len(source.fetched[0]) <= MOST_FINDINGS * (CARRIERS + OTHERS + 12)
    assert [len(r.exhibits) > 0 for r in results[1:]] == [True] * MOST_FINDINGS + [False] * 80


@pytest.mark.parametrize("source", [FakeSource("image", {}), BrokenSource("image", {})])
def test_samples_that_are_gone_leave_what_needs_none(source):
    assert [e.kind for e in build(patch_finding(), source)] == ["bars"]
    assert [e.kind for e in build(pattern_finding(), source)] == ["image"]


BROKEN = [
    {"canvas": [8, 8], "size": 0},
    {"canvas": "x", "size": 3, "place": [1, 1]},
    {"canvas": [8, 8, 3], "pattern": [1.0]},
    {"canvas": [0, 0], "size": 3, "place": [900, 900]},
    {"others": 7, "pairs": "ab", "label_counts": [1]},
]


@pytest.mark.parametrize("details", BROKEN)
def test_foreign_details_do_not_raise(details):
    build(replace(patch_finding(), details=details), digits())


SHAPES = [(8, 8), (8, 8, 1), (300, 200, 3), (40, 500, 4), (1, 1, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_thumbnails_are_small(shape):
    raw = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    exhibit = gallery("x", [Sample(id="1", raw=raw, label=None)])
    assert isinstance(exhibit, Exhibit)
    assert max(opened(exhibit.data["items"][0]["png"]).size) <= EDGE


OCCURRENCES = [
    ("a CF b cf, scf cfs", {"key": "cf"}, ["CF", "cf"]),
    ("Buy, now! buynow", {"key": "buy now", "family": "phrase"}, ["Buy, now"]),
    ("buy it now", {"key": "buy … now", "family": "skip phrase"}, ["buy", "now"]),
    ("buy it now", {"key": "buy ? now", "family": "skip phrase", "words": ["buy", "now"]}, ["buy", "now"]),
    ("now or buy", {"key": "buy now", "family": "phrase"}, ["now", "buy"]),
    ("a\u200bb", {"key": "U+200B", "code_points": ["U+200B"]}, ["\u200b"]),
    ("is it $9.99?", {"key": "$9.99"}, ["$9.99"]),
    ("nothing", {"key": "…"}, []),
]


@pytest.mark.parametrize(("text", "details", "found"), OCCURRENCES)
def test_occurrences(text, details, found):
    assert [text[a:b] for a, b in occurrences(text, details)] == found


@pytest.mark.parametrize("gap", [0, 5, 60, 90, 500, 3000])
def test_excerpts_keep_their_marks(gap):
    text = "x " * 300 + "trigger " + "y " * gap + "trigger" + " z" * 300
    shown, marks = excerpt(text, occurrences(text, {"key": "trigger"}))
    assert [shown[a:b] for a, b in marks] == ["trigger", "trigger"]
    assert len(shown) < 500


def test_code_points_are_named():
    finding = word_finding(family="character", key="U+200B", code_points=["U+200B"])
    assert "U+200B zero width space" in build(finding, mails())[1].title
