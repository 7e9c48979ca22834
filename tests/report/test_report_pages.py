"""The page, the notebook and the terminal: complete, hostile data harmless, size bounded."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from report_fakes import everything, patch_finding, word_finding
from rich.console import Console

from mithridate.core.report import Report, Subject
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.report.html import MAX_BYTES, render_html
from mithridate.report.notebook import render_notebook
from mithridate.report.terminal import render_terminal

EVIL = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)> \u202eexe.txt\u202c a\u200bb '
    "[bold red]x[/] [/nope] {{ 7*7 }} {% raw %} \x1b[31mred\x07 \ud800 e\u0301\u0302\u0303\u0304"
)


def hostile() -> Report:
    """Every string that may come from data is an attack."""
    exhibits = (
        Exhibit(kind="image", title=EVIL, data={"png": 'x" onload="alert(1)', "scale": EVIL}),
        Exhibit(kind="gallery", title=EVIL, data={"items": [{"id": EVIL, "png": EVIL, "caption": EVIL}]}),
        Exhibit(
            kind="text",
            title=EVIL,
            data={"items": [{"id": EVIL, "text": EVIL, "marks": [[3, 99], "x", [-5, 2]], "caption": EVIL}]},
        ),
        Exhibit(kind="cells", title=EVIL, data={"columns": [EVIL], "rows": [[EVIL]], "marks": [[0, 0]]}),
        Exhibit(kind="bars", title=EVIL, data={"names": [EVIL], "values": [1.0], "reference": None}),
        Exhibit(kind="bars", title="broken", data={}),
    )
    accused = Finding(
        check=EVIL,
        severity=Severity.LIKELY,
        message=EVIL,
        targets=(EVIL,),
        scores=(1.0,),
        count=1,
        label=EVIL,
        limit=EVIL,
        details={"key": EVIL},
        exhibits=exhibits,
        targets_file=EVIL,
    )
    return Report(
        verdict=Verdict.FLAGGED,
        subject=Subject(
            uri=EVIL, digest=EVIL, modality=EVIL, count=1, classes={EVIL: 1}, options={EVIL: EVIL}
        ),
        seed=0,
        cards={
            EVIL: {"title": EVIL, "remedy": EVIL, "arguments": {EVIL: EVIL}, "assumes": EVIL, "cites": EVIL}
        },
        results=(
            accused,
            replace(accused, severity=Severity.INFO),
            Clear(check=EVIL, message=EVIL, limit=EVIL + "2"),
            Skip(check=EVIL, reason=EVIL, remedy=EVIL, items=(EVIL,), count=200, items_file=EVIL),
            NotApplicable(check=EVIL, reason=EVIL),
        ),
        timings={EVIL: 1.0},
    )


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]


def parsed(html: str) -> _Tags:
    parser = _Tags()
    parser.feed(html)
    return parser


@pytest.mark.parametrize("render", [render_html, render_notebook])
def test_hostile_data_stays_text(render):
    html = render(hostile())
    page = parsed(html)
    assert not {"script", "iframe", "object", "link", "base", "form"} & set(page.tags)
    assert "img" not in page.tags
    assert not [
        a
        for a in page.attributes
        if a[0].startswith("on") or (a[0] in ("href", "src") and a[1][:1] not in "#d")
    ]
    hidden = [c for c in html if unicodedata.category(c) in ("Cf", "Cc", "Cs") and c != "\n"]
    assert hidden == []
    assert "U+202E" in html
    assert "U+200B" in html
    assert "{{ 7*7 }}" in html


@pytest.mark.parametrize("width", [20, 38, 100, 200])
def test_hostile_data_in_a_terminal(width):
    out = io.StringIO()
    render_terminal(hostile(), Console(file=out, width=width, force_terminal=True, color_system=None), [EVIL])
    text = out.getvalue()
    assert not [c for c in text if unicodedata.category(c) in ("Cf", "Cc", "Cs") and c != "\n"]
    assert "[bold red]x[/]" in text.replace("\n", "") or width < 100


def test_the_page_asks_for_nothing():
    html = render_html(everything())
    page = parsed(html)
    assert [v for k, v in page.attributes if k == "src" and not v.startswith("data:image/png;base64,")] == []
    assert "http://" not in html
    assert "https://" not in html
    assert "default-src 'none'" in html
    assert not [v for k, v in page.attributes if k == "style"]


def test_everything_is_on_the_page():
    report = everything()
    text = re.sub(r"<[^>]+>|\s+", " ", render_html(report))
    for result in report.results:
        if isinstance(result, Finding):
            assert report.cards[result.check]["title"] in text
        if isinstance(result, Finding | Clear) and result.limit:
            assert result.limit in text
        if isinstance(result, Skip | NotApplicable):
            assert result.reason in text
    for words in (
        "FLAGGED",
        "mithridate clean mithridate-report --to cleaned",
        "1,797 images, 10 classes",
        "and 50 more",
    ):
        assert words in text


def test_pictures_have_words_and_headings_do_not_jump():
    page = parsed(render_html(everything()))
    assert len([1 for k, v in page.attributes if k == "alt" and v]) == page.tags.count("img") > 30
    levels = [int(t[1]) for t in page.tags if t in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def big(text: str, findings: int) -> Report:
    report = everything()
    items = [{"id": str(i), "text": text, "marks": [], "caption": ""} for i in range(20)]
    exhibit = Exhibit(kind="text", title=text, data={"items": items})
    finding = replace(
        word_finding(),
        message=text,
        targets=(text,) * 60,
        scores=(1.0,) * 60,
        count=60,
        exhibits=(exhibit,) * 4,
    )
    return replace(report, results=(*report.results, *[finding] * findings))


@pytest.mark.parametrize("text", ["x" * 2000, "\u200b" * 2000, "&" * 2000])
def test_the_page_is_bounded(text):
    html = render_html(big(text, 120))
    assert len(html.encode()) < MAX_BYTES
    assert "left out to keep this page small" in html
    assert "Stamped patch" in html


VERDICTS = [
    (Verdict.CLEAN, (), "Nothing planted was found"),
    (Verdict.INCOMPLETE, (Skip(check="s", reason="r", remedy=""),), "not everything was looked at"),
    (Verdict.FLAGGED, (patch_finding(),), "looks planted"),
]


@pytest.mark.parametrize(("verdict", "results", "words"), VERDICTS)
def test_bare_reports(verdict, results, words):
    subject = Subject(uri="x", digest="d", modality="text", count=0, classes={})
    report = Report(verdict=verdict, subject=subject, seed=0, cards={}, results=results)
    assert words in render_html(report)
    assert words in render_notebook(report)
    render_terminal(report, Console(file=io.StringIO()))


GOLDEN = """\
FLAGGED · 1,797 images, 10 classes · 41 s
   1  Stamped patch             13 images labelled "0" carry the same 3×3 patch at (5, 5); their
                                content says otherwise   p < 1e-30   [picture]
   2  Pattern over the whole    100 images carry one faint pattern over the whole picture   p =
      image                     2.4e-7   [picture]
   3  Trigger word              the word "cfq" stands in 10 texts labelled "ham"; what else they say
                                speaks for "spam"   p = 3.1e-9
   4  Trigger character         10 texts hide a zero-width space   p = 3.1e-9
   5  Trigger value             capital-gain = 4242 together with native-country = Iceland: 10 rows
                                labelled ">50K"   p = 0.0002
info  Label errors              7 labels are worth a look
info  Duplicates                2 pairs of images are the same
"""


def test_terminal():
    out = io.StringIO()
    render_terminal(
        everything(), Console(file=out, width=100), ["mithridate-report/report.html", "report.json"]
    )
    lines = "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())
    assert lines.startswith(GOLDEN)
    assert "could not have seen: fewer than 9 images with one patch;" in lines
    assert "5/ü[U+202E]gnp.jpg" in lines
    assert lines.endswith("report: mithridate-report/report.html · report.json\n")
