import io

import numpy as np
import pytest
from rich.console import Console

from mithridate.core.evasion import CONTRAST, Asked, Evaded, Evasion, EvasionResult, Example
from mithridate.core.layout import candidates, lay_out
from mithridate.core.report import Subject
from mithridate.report import fit
from mithridate.report.evade_page import render_evade
from mithridate.report.evade_terminal import render_evade_terminal
from mithridate.report.evade_view import grey, headline

HOSTILE = "<script>alert(1)</script>\u200b"
EPSILON = 8 / 255


def result(attack, success, right=0.8):
    after = right * (1 - success) if success is not None else 0.0
    return EvasionResult(
        attack=attack, title=attack, cites=f"paper of {attack}", epsilon=EPSILON, samples=50, clean_accuracy=right,
        adversarial_accuracy=after, success_rate=success, mean_linf=EPSILON, mean_l2=1.7,
        parameters={"tries": 10} if attack == "noise" else {},
    )  # fmt: skip


def evaded(*results, examples=2, not_run=None, shape=(6, 6, 3), layout="chw", **settings):
    rng = np.random.default_rng(0)
    x = lay_out(rng.integers(20, 230, (50, *shape), dtype=np.uint8), layout)
    moved = np.clip(x + EPSILON * rng.choice([-1, 1], x.shape).astype(np.float32), 0, 1)
    shown = tuple(
        Example(
            attack=r.attack, row=k, before=x[k], after=moved[k], truth=0, said_before=(0, 0.577), said_after=(1, 0.993)
        )
        for r in results if r.attack != "noise" for k in range(examples)
    )  # fmt: skip
    asked = Asked(
        ids=tuple(f"{HOSTILE}-{k}" for k in range(50)), x=x, y=np.zeros(50, np.int64), shape=shape, layout=layout,
        names=("panda", f"gibbon {HOSTILE}"), matching="by sorted name",
    )  # fmt: skip
    told = {"model": "net.onnx", "arch": None, "attacks": ["fgsm", "pgd", "noise"], "epsilons": [EPSILON]}
    told |= {"count": None, "iterations": 10, "restarts": 1, "seed": 0, "layout": "auto", "classes": None}
    size = Evasion(
        model="onnx net.onnx", epsilon=EPSILON, results=results, examples=shown, not_run=not_run or {}
    )
    return Evaded(
        subject=Subject(uri=f"data {HOSTILE}", digest="d" * 64, modality="image", count=50, classes={"panda": 50}),
        asked=asked, sizes=(size,), settings={**told, "reading": {}, **settings}, notes=(HOSTILE,), seconds=1.0,
    )  # fmt: skip


ALL = (result("fgsm", 0.75), result("pgd", 0.95), result("noise", 0.05))


def test_figures_examples_and_contrast_are_on_the_page():
    page = render_evade(evaded(*ALL))
    for words in (
        "95 %",
        "75 %",
        "5 %",
        "8 grey levels",
        "40</strong> of 50 images",
        "before: panda, 58%",
        "×16",
    ):
        assert words in page
    assert "99.3%" in page
    assert page.count("data:image/png") == 3 * 2 * 2
    for entry in CONTRAST:
        for words in (entry.question, entry.evasion, entry.poisoning):
            assert words in page


def test_nothing_in_it_runs_or_is_fetched():
    page = render_evade(evaded(*ALL, model=HOSTILE, classes=["panda", HOSTILE]))
    assert "<script" not in page
    assert "\u200b" not in page
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5, 3)])
def test_pictures_come_back_from_every_layout(shape):
    pages = {
        layout: render_evade(evaded(ALL[0], shape=shape, layout=layout)).split("Before and after")[1]
        for layout in candidates(shape)
    }
    pictures = {page.split("data:image/png;base64,")[1].split('"')[0] for page in pages.values()}
    assert len(pictures) == 1


def test_attacks_that_were_not_possible_are_named():
    why = "needs gradients, and onnx net.onnx gives none"
    shown = evaded(ALL[2], not_run={"fgsm": why, "pgd": why})
    page = render_evade(shown)
    assert page.count(why) == 1
    assert "FGSM, PGD" in page
    assert "Before and after" not in page
    console = Console(file=io.StringIO(), width=100)
    render_evade_terminal(shown, console)
    assert "not possible: FGSM, PGD" in console.file.getvalue()


HEADLINES = [
    (ALL, "Changes of at most 8 of 255 grey levels, computed by PGD, mislead the model in 95 %"),
    ((ALL[2],), "Random changes of at most 8 of 255 grey levels mislead"),
    ((result("fgsm", None, 0), result("noise", None, 0)), "right about none"),
    ((), "No attack could be carried out"),
]


@pytest.mark.parametrize(("results", "words"), HEADLINES)
def test_headlines(results, words):
    shown = evaded(*results)
    assert words in headline(shown)
    assert words.split(",")[0] in render_evade(shown)


@pytest.mark.parametrize(
    ("value", "text"), [(8 / 255, "8"), (7.6 / 255, "7.6"), (0.5 / 255, "0.5"), (2, "510"), (0, "0")]
)
def test_grey_levels(value, text):
    assert grey(value) == text


def test_a_command_does_the_same_again():
    reading = {"x_key": "images", "label": "y"}
    page = render_evade(evaded(*ALL, epsilons=[2 / 255, 0.5], seed=3, count=9, reading=reading))
    assert "--epsilon 2/255,0.5 --count 9 --seed 3 --x images --label y" in page


def test_examples_are_dropped_before_the_page_is_too_large(monkeypatch):
    shown = evaded(*ALL)
    monkeypatch.setattr(fit, "MAX_BYTES", len(render_evade(shown).encode()) - 500)
    page = render_evade(shown)
    assert "left out to keep this page small" in page
    assert 0 < page.count("data:image/png") < 12


@pytest.mark.parametrize("width", [60, 100])
def test_the_terminal_shows_figures_and_contrast(width):
    console = Console(file=io.StringIO(), width=width)
    render_evade_terminal(evaded(*ALL), console, ["evade.html"])
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "\u200b" not in text
    for words in ("FGSM", "75 %", "95 %", "434", "40 of 50 images (80 %)", "evade.html", "poisoning it"):
        assert words in text
