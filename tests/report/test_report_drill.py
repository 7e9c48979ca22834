"""The page and the table of a drill: complete, hostile data harmless, size bounded, true to its figures."""

from __future__ import annotations

import io
import math
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from drill_fakes import CARDS, DOSES, digits_drill
from rich.console import Console

from mithridate.core.drill import Arm, Cell, Drill, Twin
from mithridate.core.errors import ReportError
from mithridate.core.report import Subject
from mithridate.core.results import Exhibit
from mithridate.report import drill_view as view
from mithridate.report.drill_curve import curve
from mithridate.report.drill_page import render_drill
from mithridate.report.drill_terminal import render_drill_terminal
from mithridate.report.fit import MAX_BYTES

EVIL = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)> \u202eexe.txt\u202c a\u200bb '
    "[bold red]x[/] [/nope] {{ 7*7 }} {% raw %} \x1b[31mred\x07 \ud800 e\u0301\u0302\u0303\u0304"
)
SUBJECT = Subject(uri="x", digest="d", modality="text", count=1000, classes={"a": 500, "b": 500})


def hostile() -> Drill:
    exhibits = (
        Exhibit(kind="image", title=EVIL, data={"png": 'x" onload="alert(1)', "scale": EVIL}),
        Exhibit(kind="gallery", title=EVIL, data={"items": [{"id": EVIL, "png": EVIL, "caption": EVIL}]}),
        Exhibit(kind="cells", title=EVIL, data={"columns": [EVIL], "rows": [[EVIL]], "marks": [[0, 0]]}),
        Exhibit(kind="bars", title="broken", data={}),
    )
    done = Cell(
        attack=EVIL, dose=5, seed=0, target=EVIL, poison=5, verdict=EVIL, check=EVIL, caught=2, accused=3,
        exhibits=exhibits,
        arms=(Arm(name=EVIL, removed=1, problem=EVIL), Arm(name="cleaned", removed=1, clean_accuracy=0.5)),
    )  # fmt: skip
    return Drill(
        subject=Subject(
            uri=EVIL, digest=EVIL, modality=EVIL, count=10, classes={EVIL: 1}, options={EVIL: EVIL}
        ),
        attacks={EVIL: {"title": EVIL, "does": EVIL, "strength": [EVIL], "cites": EVIL}},
        doses=(5, 9),
        seeds=(0,),
        cells=(done, Cell(attack=EVIL, dose=9, seed=0, state="failed", reason=EVIL)),
        twins=(Twin(seed=0, verdict=EVIL, alarms=0, accused=0, seconds=0.0),),
        training=EVIL,
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


def words_of(html: str) -> str:
    return re.sub(r"(<[^>]+>|\s)+", " ", html)


def told(drill: Drill, width: int = 100, files: tuple[object, ...] = ()) -> str:
    out = io.StringIO()
    render_drill_terminal(
        drill, Console(file=out, width=width, force_terminal=True, color_system=None), files
    )
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def one(*cells: Cell, twins: tuple[Twin, ...] = (), doses: tuple[int, ...] = (10,)) -> Drill:
    return Drill(
        subject=SUBJECT, attacks={"word": {"title": "rare word"}}, doses=doses, seeds=(0,), cells=cells, twins=twins
    )  # fmt: skip


def test_hostile_data_stays_text():
    html = render_drill(hostile(), catches={EVIL: [EVIL]})
    page = parsed(html)
    assert not {"script", "iframe", "object", "link", "base", "form", "img"} & set(page.tags)
    assert not [a for a in page.attributes if a[0].startswith("on") or a[0] == "style"]
    assert not [v for k, v in page.attributes if k in ("href", "src", "id") and re.search(r"[^#a-z0-9-]", v)]
    assert [c for c in html if unicodedata.category(c) in ("Cf", "Cc", "Cs") and c != "\n"] == []
    assert "U+202E" in html
    assert "{{ 7*7 }}" in html


@pytest.mark.parametrize("width", [20, 38, 100, 200])
def test_hostile_data_in_a_terminal(width):
    text = told(hostile(), width, (EVIL,))
    assert not [c for c in text if unicodedata.category(c) in ("Cf", "Cc", "Cs") and c != "\n"]
    assert "[bold red]x[/]" in text.replace("\n", "") or width < 100


def test_the_page_asks_for_nothing_and_every_link_leads_somewhere():
    html = render_drill(digits_drill())
    page = parsed(html)
    assert [v for k, v in page.attributes if k == "src" and not v.startswith("data:image/png;base64,")] == []
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html
    assert "'unsafe-inline'" not in html
    ids = [v for k, v in page.attributes if k == "id"]
    assert len(ids) == len(set(ids))
    assert {v[1:] for k, v in page.attributes if k == "href"} <= set(ids)
    assert {f"cell-{a}-{d}" for a in range(1, 9) for d in range(1, 5)} <= set(ids)
    assert len([1 for k, v in page.attributes if k == "alt" and v]) == page.tags.count("img") > 100
    levels = [int(t[1]) for t in page.tags if t in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


ON_THE_PAGE = (
    "5 of 8 attacks are noticed from 100 images on; 0 of 3 clean twins flagged",
    "1,797 images, 10 classes",
    "the smallest poison of this kind that you would notice is 25 images (1.4 % of the data).",
    "expected at most 178 victims, got 500",
    "FloatingPointError: underflow in warp",
    "alarms 0/2 · 1 not done",
    "Attacks noticed, of 8: 2 with 10 images, 3 with 25, 5 with 100, 5 with 500.",
    "stamped-patch , spike",
    "mithridate drill --data digits/ --id path --attacks patch,blend,",
    "jpeg-quality --train mypkg.train:fit --train-limit 60 --out o",
    "perfect filter",
)


@pytest.mark.parametrize("words", ON_THE_PAGE)
def test_everything_is_on_the_page(words, drawn):
    assert words in drawn


@pytest.fixture(scope="module")
def drawn() -> str:
    return words_of(render_drill(digits_drill(), catches={"patch": ["stamped-patch", "spike"]}))


def test_cards_are_on_the_page(drawn):
    for card in CARDS:
        assert all(str(card[key]) in drawn for key in ("title", "does", "strength", "cites"))
    assert "What it does to a model" not in words_of(render_drill(digits_drill(trained=False)))
    assert "Checks that claim it" not in words_of(render_drill(digits_drill(trained=False)))


def _exhibit(text: str) -> Exhibit:
    items = [{"id": str(i), "text": text, "marks": [], "caption": ""} for i in range(20)]
    return Exhibit(kind="text", title=text, data={"items": items})


@pytest.mark.parametrize(("text", "least"), [("x" * 2000, 60), ("\u200b" * 2000, 2)])
def test_the_page_is_bounded(text, least):
    drill = digits_drill()
    cells = tuple(replace(c, exhibits=(_exhibit(text),) * 2) for c in drill.cells)
    html = render_drill(replace(drill, cells=cells))
    assert len(html.encode()) < MAX_BYTES
    assert "exhibits left out to keep this page small" in html
    assert html.count('class="text"') >= least


def test_the_page_is_bounded_when_everything_is_long():
    text = "\u200b" * 2000
    attacks = {
        f"{n}{text}": dict.fromkeys(("title", "does", "strength", "cites"), f"{n}{text}") for n in range(45)
    }
    doses, seeds = tuple(range(1, 9)), (0, 1)
    cells = tuple(
        Cell(attack=a, dose=d, seed=s, state="failed", reason=f"{n}{d}{text}")
        for n, a in enumerate(attacks)
        for d in doses
        for s in seeds
    )
    drill = replace(one(*cells), attacks=attacks, doses=doses, seeds=seeds)
    html = render_drill(drill)
    assert len(html.encode()) < MAX_BYTES
    assert re.search(r"\d+ attacks left out to keep this page small", html)


def test_what_is_dropped_first():
    """Later seeds lose their pictures first, then what was found; the victims before and after stay together."""
    # No picture, but as large as one.
    items = [{"png": "A" * 100_000, "id": "", "caption": ""}]
    titles = ("before", "after", "found")
    big = tuple(Exhibit(kind="gallery", title=f"picture {t}", data={"items": items}) for t in titles)
    doses = tuple(range(1, 31))
    cells = tuple(replace(CELL, dose=d, seed=s, exhibits=big) for d in doses for s in (0, 1))
    html = render_drill(replace(one(*cells), doses=doses, seeds=(0, 1)))
    before, after, found = (html.count(f"picture {t}") for t in titles)
    assert found == 12  # of one seed of the twelve doses that are shown
    assert before > 12
    assert before - after in (0, 1)


CELL = Cell(attack="word", dose=10, seed=0, poison=10, verdict="FLAGGED", caught=5, accused=6, innocents=1)
STATES = [
    ((CELL,), "caught", 10),
    ((replace(CELL, caught=4),), "partly", None),
    ((CELL, replace(CELL, seed=1, caught=4)), "partly", None),
    ((replace(CELL, caught=0),), "missed", None),
    ((replace(CELL, verdict="CLEAN", caught=0, accused=0),), "missed", None),
    ((replace(CELL, poison=0, caught=0),), "unchanged", None),
    ((replace(CELL, state="impossible", reason="too few"),), "impossible", None),
    ((replace(CELL, state="impossible"), replace(CELL, seed=1, state="failed", reason="broke")), "failed", None),
    ((CELL, replace(CELL, seed=1, state="failed", reason="broke")), "caught", 10),
    ((), "not run", None),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "outcome", "noticed"), STATES)
def test_one_attack_one_dose(cells, outcome, noticed):
    drill = one(*cells, twins=(Twin(seed=0, verdict="CLEAN", alarms=0, accused=0, seconds=1.0),))
    square = view.square(drill, "word", 10)
    assert square.outcome == outcome
    assert drill.noticed_from("word") == noticed
    page = words_of(render_drill(drill))
    assert f"{view.STATES[outcome][0]} {outcome}" in page
    assert all(c.reason in page for c in cells)
    if noticed:
        assert "1 of 1 attack is noticed at 10 texts; 0 of 1 clean twin flagged" in page
    assert view.STATES[outcome][0] in told(drill)


def test_nothing_is_a_number():
    """Every figure that may be missing is missing; then a dash stands there, and never nan or None."""
    bare = replace(CELL, caught=0, accused=0, innocents=0, ranking=math.nan, target=None)
    arms = (
        Arm(name="undefended", removed=0),
        Arm(name="cleaned", removed=0, clean_accuracy=math.nan, problem="p"),
    )
    drill = one(replace(bare, arms=arms), replace(bare, seed=1, poison=0))
    again = Drill.from_json(drill.to_json())
    for shown in (drill, again):
        page = words_of(render_drill(shown))
        assert not re.search(r"\bnan\b|\bNone\b", page + told(shown))
        assert "first: rare word, dose 10, seed 0): p" in page
        assert "No clean twin was audited" in page
    empty = replace(drill, attacks={}, doses=(), seeds=(), cells=())
    assert "No attack could be planted" in render_drill(empty)
    assert "No attack could be planted" in told(empty)
    no_count = replace(drill, subject=replace(SUBJECT, count=0))
    assert "rare word" in render_drill(no_count)


def test_a_flagged_twin_is_said_aloud():
    drill = one(CELL, twins=(Twin(seed=0, verdict="FLAGGED", alarms=2, accused=31, seconds=1.0),))
    page = render_drill(drill)
    assert "1 of 1 clean twin flagged" in page
    assert "poisoned before the drill came" in page
    assert '<header class="verdict flagged">' in page
    assert "up to 31 texts accused" in told(drill)


def test_an_interrupted_drill_says_so():
    drill = digits_drill(trained=False)
    assert "not finished" not in render_drill(drill) + told(drill)
    half = replace(drill, cells=drill.cells[:40])
    words = "This drill is not finished: 40 of 96 plants were carried out"
    assert words in render_drill(half)
    assert words in told(half)
    assert "· not run" in told(half)


def test_json_round_trip():
    drill = digits_drill()
    assert Drill.from_json(drill.to_json()).to_json() == drill.to_json()
    assert Drill.from_json(drill.to_json()) == drill
    assert Drill.from_json(hostile().to_json()).to_json() == hostile().to_json()
    assert render_drill(Drill.from_json(drill.to_json())) == render_drill(drill)
    with pytest.raises(ReportError, match="schema 1"):
        Drill.from_json(drill.to_json().replace('"schema": 1', '"schema": 2'))


PERCENT = [
    (0, "0 %"), (0.0001, "0.01 %"), (0.00001, "< 0.01 %"), (0.004, "0.4 %"), (0.05, "5 %"), (0.5, "50 %"),
    (0.996, "99.6 %"), (0.9999, "99.9 %"), (1, "100 %"), (math.nan, "–"), (None, "–"),
]  # fmt: skip


@pytest.mark.parametrize(("share", "words"), PERCENT)
def test_percent(share, words):
    assert view.percent(share) == words


def test_curve():
    squares = [view.square(digits_drill(), "label-consistent", dose) for dose in DOSES]
    drawn = curve(squares, 100)
    assert len(drawn.points) == 3
    assert [p.outcome for p in drawn.points] == ["missed", "partly", "caught"]
    assert drawn.noticed == drawn.points[2].x
    assert drawn.gaps == (drawn.ticks[3][0],)
    # Equal factors are equal distances, and more is higher up.
    xs = [x for x, _ in curve([view.square(one(), "word", d) for d in (1, 10, 100)], None).ticks]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert drawn.points[0].y > drawn.points[1].y > drawn.points[2].y
    assert all(p.high <= p.y <= p.low for p in drawn.points)


GOLDEN = """\
5 of 8 attacks are noticed from 100 images on; 0 of 3 clean twins flagged
digits/ · 1,797 images, 10 classes
attack                  10          25          100         500         from
stamped patch           ◐  27% 3/3  ✓  97% 3/3  ✓ 100% 3/3  ✓ 100% 3/3    25
blended picture         ✗   0% 0/3  ◐  24% 3/3  ✓  84% 3/3  ✓  99% 3/3   100
faint wave              ✗   0% 0/3  ✗   0% 0/3  ◐  12% 3/3  ◐  56% 3/3     –
warped picture          ✗   0% 0/3  ✗   0% 0/2  ✗   0% 0/3  ◐ 5.4% 3/3     –
source-specific patch   ✓  93% 3/3  ✓ 100% 3/3  ✓ 100% 3/3  ✓ 100% 3/3    10
targeted label flips    ✗   0% 0/3  ✗   0% 0/3  ✗   0% 0/3  ✗   0% 0/3     –
label-consistent patch  ✗   0% 0/3  ◐  57% 3/3  ✓  93% 3/3  –            100
JPEG quality by class   ✓ 100% 3/3  ✓ 100% 3/3  ✓ 100% 3/3  ✓ 100% 3/3    10
"""


def test_terminal():
    text = told(digits_drill(), 80, ("drill/drill.html", "drill.json"))
    assert text.startswith(GOLDEN)
    assert "nothing planted: 0 of 3 clean twins flagged\n" in text
    assert "never poisoned, trained on the data as it is: clean accuracy 96 %\n" in text
    assert "faint wave               500     97 / 95  44 / 94  95 / 95   1 / 94\n" in text
    assert "label-consistent patch, dose 500 (impossible): attack" in text
    assert text.endswith("drill: drill/drill.html · drill.json\n")


def test_a_narrow_terminal_gets_a_list():
    lines = told(digits_drill(), 40).splitlines()
    assert max(map(len, lines)) <= 40
    at = lines.index("label-consistent patch · from 100")
    assert lines[at + 1 : at + 5] == [
        "      10  ✗   0% 0/3",
        "      25  ◐  57% 3/3",
        "     100  ✓  93% 3/3",
        "     500  – impossible",
    ]
    assert "  random filter   95 / 95" in lines


def test_the_model_that_was_never_poisoned_is_shown_once():
    page = words_of(render_drill(digits_drill()))
    assert page.count("Never poisoned: 96 % ± 1 right on clean samples (3 models)") == 1
    assert "never poisoned the data as it is" in page  # what the name means
    assert "ever poisoned" not in words_of(render_drill(digits_drill(trained=False)))
    failed = Twin(seed=0, verdict="CLEAN", alarms=0, accused=0, seconds=1.0,
                  arm=Arm(name="never poisoned", removed=0, problem="out of cheese"))  # fmt: skip
    drill = one(CELL, twins=(failed,))
    assert "Never poisoned: ! not trained" in words_of(render_drill(drill))
    assert "training, never poisoned (as it is, seed 0): out of cheese" in " ".join(told(drill, 200).split())


def test_a_problem_of_training_is_told_once_with_all_arms():
    names = ("undefended", "cleaned", "random filter", "perfect filter")
    broken = tuple(Arm(name=n, removed=0, problem="out of cheese") for n in names)
    cells = (
        replace(CELL, arms=broken),
        replace(CELL, seed=1, arms=(*broken[:3], replace(broken[3], problem="p2"))),
    )
    drill = one(*cells)
    text = " ".join(told(drill, 200).split())
    assert text.count("out of cheese") == 1
    where = "training, undefended, cleaned, random filter, perfect filter (rare word, dose 10, seed 0; 7 models in all)"
    assert f"{where}: out of cheese" in text
    assert "training, perfect filter (rare word, dose 10, seed 1): p2" in text
    page = words_of(render_drill(drill))
    assert page.count("out of cheese") == 1
    assert "7 models not trained (undefended, cleaned, random filter, perfect filter;" in page


def test_the_headline_of_one_attack_that_is_missed_says_so():
    drill = digits_drill(trained=False)
    missed = Cell(attack="patch", dose=DOSES[0], seed=0, state="done", poison=9, verdict="CLEAN")
    one = replace(drill, attacks={"patch": {}}, doses=DOSES[:1], seeds=(0,), cells=(missed,))
    assert view.headline(one).startswith("The attack is not noticed at any dose")
