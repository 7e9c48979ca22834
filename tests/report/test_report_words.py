"""Numbers in words, and text made visible."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_fakes import everything, patch_finding

from mithridate.report.safe import chips, marked, plain
from mithridate.report.words import count_of, duration, innocents, p_short, p_words

P = [
    (None, "", "No chance is involved"),
    (0.9, "p = 0.9", "in most clean data sets"),
    (0.004, "p = 0.004", "about 1 of 250 clean"),
    (0.00123, "p = 0.0012", "about 1 of 810 clean"),
    (2.4e-7, "p = 2.4e-7", "one of a million clean"),
    (3e-13, "p = 3e-13", "one of a trillion clean"),
    (0.0, "p < 1e-30", "one of a million billion clean"),
]


@pytest.mark.parametrize(("p", "short", "words"), P)
def test_p(p, short, words):
    assert p_short(p) == short
    assert words in p_words(p)
    assert words.replace("data sets", "models") in p_words(p, "models")


@pytest.mark.parametrize(
    ("n", "noun", "words"),
    [
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (1000, "image", "1,000 images"),
        (0, "entry", "0 entries"),
    ],
)
def test_count(n, noun, words):
    assert count_of(n, noun) == words


@pytest.mark.parametrize(
    ("timings", "words"),
    [
        ({}, ""),
        ({"a": 1.0, "b": 2.04}, "3.0 s"),
        ({"total": 41.2, "a": 3}, "41 s"),
        ({"total": 605}, "10 min 5 s"),
    ],
)
def test_duration(timings, words):
    assert duration(replace(everything(), timings=timings)) == words


@pytest.mark.parametrize(
    ("expected", "words"),
    [(None, ""), (float("nan"), ""), (0.02, "hardly any"), (0.7, "about 1 is"), (6.4, "about 6 are")],
)
def test_innocents(expected, words):
    said = innocents(replace(patch_finding(), innocents=expected))
    assert (words in said) if words else said == ""


VISIBLE = [
    ("plain ascii", "plain ascii"),
    ("straße 日本 ñ", "straße 日本 ñ"),
    ("a\u200bb\u202ec", "a[U+200B]b[U+202E]c"),
    ("a\nb\tc", "a b c"),
    ("\x1b[31m", "[U+001B][31m"),
    ("\u00a0\u3164\ufe0f\U000e0041\U000e0100", "[U+00A0][U+3164][U+FE0F][U+E0041][U+E0100]"),
    ("a" + "\u0301" * 4, "a\u0301\u0301[U+0301][U+0301]"),
    ("\ud800", "[U+D800]"),
]


@pytest.mark.parametrize(("text", "shown"), VISIBLE)
def test_visible(text, shown):
    assert plain(text) == shown


def test_chips_and_marks():
    assert chips("<a\u200b>") == '&lt;a<span class="chip">U+200B</span>&gt;'
    assert marked("ab<c>d", [[2, 5]]) == "ab<mark>&lt;c&gt;</mark>d"
    assert marked("abcd", [[2, 4], [0, 3], [9, 10]]) == "<mark>abc</mark><mark>d</mark>"
    assert marked("ab", "junk") == "ab"
