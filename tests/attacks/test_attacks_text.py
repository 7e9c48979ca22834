"""Attacks on text that a reader hardly sees: look-alikes, marks of direction, typing habits."""

import unicodedata

import numpy as np
import pytest

from mithridate.attacks.base import Aim, Look
from mithridate.attacks.options import configure
from mithridate.core.errors import UsageError
from mithridate.triggers.habits import HABITS, Habit
from mithridate.triggers.lookalikes import LOOKALIKES, DirectionMark, Homoglyph, Reordering

AIM = Aim(classes=("ham", "spam"), target="spam", source_class=None, labels="dirty")
TEXTS = ["see you at eight", "the tea is cold", "we met there"]


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(attack, texts=TEXTS, seed=0, **options):
    look = Look(modality="text", raws=texts, labels=["ham"] * len(texts), aim=AIM)
    return configure(attack, options).trigger(look, rng(seed))


def test_lookalikes_are_other_letters_and_stay_so():
    for latin, other in LOOKALIKES.items():
        assert unicodedata.name(latin).startswith("LATIN")
        assert unicodedata.name(other).startswith("CYRILLIC")
        assert latin.isupper() == other.isupper()
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert unicodedata.normalize(form, other) in (other, unicodedata.normalize("NFD", other))
        assert unicodedata.normalize("NFKC", other) == other


@pytest.mark.parametrize(
    ("letters", "count", "text", "changes"),
    [
        ("e", 1, "see me", 1),
        ("e", 2, "see me", 2),
        ("e", 9, "see me", 3),
        ("q", 1, "see", 1),
        ("e", 1, "1!", 0),
    ],
)
def test_homoglyphs_replace_that_many_letters_and_nothing_else(letters, count, text, changes):
    back = {other: latin for latin, other in LOOKALIKES.items()}
    for seed in range(10):
        after = Homoglyph(letters, count).apply(text, rng(seed))
        assert sum(a != b for a, b in zip(text, after, strict=True)) == changes
        assert "".join(back.get(letter, letter) for letter in after) == text


def test_homoglyphs_take_every_place():
    assert {Homoglyph("e", 1).apply("eve", rng(s)) for s in range(30)} == {"еve", "evе"}


def test_the_letter_drawn_is_one_that_the_texts_have():
    assert {drawn("homoglyph", seed=seed).letters for seed in range(10)} == {"e"}
    many = {drawn("homoglyph", ["a cat sat on a mat, eh"] * 3, seed).letters for seed in range(60)}
    assert many == set("aceos")


def test_a_direction_mark_ends_a_word_and_moves_nothing():
    texts = {DirectionMark("\u200f").apply("one two ", rng(s)) for s in range(20)}
    assert texts == {"one\u200f two ", "one two\u200f "}
    assert DirectionMark("\u200f").apply("", rng()) == "\u200f"


def test_a_reordered_word_is_drawn_as_it_was():
    seen = set()
    for seed in range(30):
        after = Reordering().apply("call 0800 now!", rng(seed))
        before, _, rest = after.partition("\u202e")
        turned, _, end = rest.partition("\u202c")
        assert before + turned[::-1] + end == "call 0800 now!"
        seen.add(turned)
    assert seen == {"llac", "0080", "won"}
    assert Reordering().apply("?!", rng()) == "?!\u202e\u202c"


@pytest.mark.parametrize(
    ("habit", "text", "after"),
    [
        ("double-spaces", "One. Two! Three", "One.  Two!  Three"),
        ("double-spaces", "one two three", "one two  three"),
        ("double-spaces", "one", "one  "),
        ("double-spaces", "One.  Two", "One.  Two"),
        ("exclaims", "Hi! See you!!! Bye", "Hi !! See you !! Bye"),
        ("exclaims", "See you.", "See you !!"),
        ("exclaims", "See you...\n", "See you !!"),
        ("exclaims", "x != y", "x != y !!"),
        ("capitals", "see you", "SEE you"),
        ("capitals", "OK 4 you", "OK 4 YOU"),
        ("capitals", "OK 42", "OK 42"),
        ("dashes", "well - that is it - bye", "well—that is it—bye"),
        ("dashes", "well, that, too", "well—that, too"),
        ("dashes", "a well-known word", "a well-known word—"),
        ("dashes", "line\n-- \nname", "line\n-- \nname—"),
    ],
)
def test_habits(habit, text, after):
    assert Habit(habit).apply(text, rng()) == after


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_is_kept_once_it_is_there(habit):
    for text in ("Hi there. I will, perhaps - see you! ok", "word", "a b"):
        once = Habit(habit).apply(text, rng())
        assert once != text
        if habit != "capitals":
            assert Habit(habit).apply(once, rng()) == once


@pytest.mark.parametrize("habit", HABITS)
def test_habits_are_quick_on_odd_texts(habit):
    text = " " * 20_000 + "." * 20_000 + "-" * 20_000 + "!" * 20_000 + "a"
    assert Habit(habit).apply(text, rng())


def test_every_habit_and_form_is_drawn():
    assert {drawn("habit", seed=seed).name for seed in range(40)} == set(HABITS)
    assert {type(drawn("bidi", seed=seed)) for seed in range(20)} == {DirectionMark, Reordering}


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        ("homoglyph", {"letters": "aq"}, "letters out of ace"),
        ("homoglyph", {"letters": ""}, "letters out of ace"),
        ("homoglyph", {"count": "0"}, "1 or more"),
        ("homoglyph", {"count": "many"}, "expected int"),
        ("habit", {"kind": "shouting"}, "double-spaces, exclaims"),
        ("bidi", {"form": "left"}, "mark or reorder"),
    ],
)
def test_text_attacks_refuse(attack, options, message):
    with pytest.raises(UsageError, match=message):
        drawn(attack, **options)


@pytest.mark.parametrize(
    "trigger", [Homoglyph("ae", 2), DirectionMark("\u200f"), Reordering(), Habit("dashes")], ids=str
)
def test_triggers_describe_themselves(trigger):
    import json

    described = json.loads(json.dumps(dict(trigger.describe())))
    assert described["kind"]
    assert len(described) > 1
