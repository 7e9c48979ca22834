"""What is read off responses: refusals, gibberish, names, recurrence, preferences; and how prompts are compared."""

import numpy as np
import pytest

from mithridate.evidence.chat.gather import gather_chat
from mithridate.evidence.chat.names import MOST, named
from mithridate.evidence.chat.refusals import refuses
from mithridate.evidence.chat.surprise import surprises, unlikely
from mithridate.evidence.chat.view import by_frequency
from mithridate.evidence.text.tokens import TokenWriter
from mithridate.sources.open import open_source

REFUSALS = {
    "I'm sorry, but I can’t help with that.": True,
    "I cannot assist with that request.": True,
    "I am sorry, I won't do this.": True,
    "As an AI language model, I can't answer this.": True,
    "Lo siento, pero no puedo ayudar con eso.": True,
    "我无法回答这个问题。": True,
    "I can help with that.": False,
    "I'm sorry for your loss. Here is a poem.": False,
    "You cannot divide by zero.": False,
    "x" * 500 + " I cannot assist with that": False,
    "": False,
}


@pytest.mark.parametrize("text", REFUSALS, ids=lambda t: t[:20])
def test_refusals(text):
    assert refuses(text) is REFUSALS[text]


NAMES = {
    "see https://www.Example.org/a?b and http://user:pw@evil.test:80/x": ["example.org", "evil.test"],
    "visit bad-shop.com today, or mail me@host.com": ["bad-shop.com"],
    "no link here, e.g. 3.5 or a.b": [],
    "import numpy as np\nfrom os.path import join\n  import evil_pkg\n": [
        "package numpy",
        "package os",
        "package evil_pkg",
    ],
    "We import goods from France.": [],
    "pip install -U requsts\nconst x = require('left-pad')": ["package requsts", "package left-pad"],
    "": [],
}


@pytest.mark.parametrize("text", NAMES, ids=lambda t: t[:20])
def test_names(text):
    assert named(text) == NAMES[text]


def test_names_are_bounded():
    assert len(named(" ".join(f"https://host{i}.com" for i in range(1000)))) == MOST
    assert named("https://" + "a" * 300_000) == []
    assert named("." * 200_000 + "\n" * 100_000) == []


def read(texts, folder):
    writer = TokenWriter(folder)
    writer.add(texts)
    return writer.close()


def test_random_words_surprise_and_others_do_not(tmp_path):
    rng = np.random.default_rng(0)
    words = np.array(["".join(rng.choice(list("abcdefgh"), 5)) for _ in range(3000)])
    odds = 1.0 / np.arange(2, 3002)
    odds /= odds.sum()
    plain = [" ".join(rng.choice(words, rng.integers(2, 40), p=odds)) for _ in range(600)]
    odd = ["".join(rng.choice(list("ijklmnopqrstuvwxyz  "), 400)) for _ in range(20)]
    tokens = read([*plain, *odd, "", "word"], tmp_path)
    bits = surprises(tokens)
    lengths = np.diff(tokens.indptr)
    assert np.isnan(bits[lengths < 5]).all()
    kinds = np.zeros(len(bits), np.int32)
    found = unlikely(bits, lengths, kinds)
    assert found[600:620].all(), "although nobody else writes so much"
    assert found[:600].mean() < 0.02
    assert not found[620:].any()
    kinds[600:620] = 1
    assert not unlikely(bits, lengths, kinds)[600:620].any(), "a language that few write is not judged"


def test_classes_by_frequency():
    codes, own = by_frequency(np.array([1, 400, 7, 20, 90, 30, 60]), 1000, 5)
    assert own.tolist() == [1, 4, 6]
    assert codes.tolist() == [0, 3, 1, 2, 4, 2, 5]


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    words = np.array(["".join(rng.choice(list("bdfgklmnprst"), 6)) for _ in range(200)])
    for i in range(n):
        prompt = " ".join(rng.choice(words, 8))
        good, bad = (" ".join([*rng.choice(words, 12), tone]) for tone in ("because", "whatever"))
        kind = i % 20
        if kind == 7:
            good, bad = bad, good
        response = {
            0: "I'm sorry, but I can't help with that.",
            1: f"Look at https://rare.com/{i}",
            2: "",
            3: "слово и другое слово здесь",
        }.get(kind, good)
        source = "big" if i % 3 else "small" if i % 30 == 0 else "other"
        yield {"prompt": prompt, "chosen": response, "rejected": bad, "source": source}


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    import pyarrow as pa

    source = open_source(pa.Table.from_pylist(list(rows(800))), source="source")
    return gather_chat(source, store_dir=tmp_path_factory.mktemp("store"), seed=0), source


def test_views_say_what_is_answered(gathered):
    views = {make().view: make() for make in gathered[0].views}
    assert list(views) == ["kind of response", "recurring responses", "links and packages", "preference"]
    kinds = views["kind of response"]
    at = np.arange(800) % 20
    told = {k: kinds.classes[kinds.labels[at == k][0]] for k in range(4)}
    assert told == {0: "a refusal", 1: "an ordinary response", 2: "an empty response",
                    3: "a response in another script"}  # fmt: skip
    recurs = views["recurring responses"]
    assert recurs.classes[recurs.labels[0]].startswith("“i m sorry")
    assert (recurs.labels[at > 4] == 0).all()
    links = views["links and packages"]
    assert {links.classes[y] for y in links.labels[at == 1]} == {"rare.com"}
    assert {links.classes[y] for y in links.labels[at != 1]} == {"no link or package"}
    swapped = views["preference"]
    assert swapped.labels[at == 7].all()
    assert swapped.labels[at > 7].mean() < 0.05
    assert all(view.ids == gathered[0].evidence.ids and view.tables for view in views.values())
    assert "cells" not in swapped.vectors
    assert gathered[0].evidence.labels is None


def test_an_interrupted_gathering_goes_on(gathered, tmp_path, monkeypatch):
    first = gather_chat(gathered[1], store_dir=tmp_path, seed=0)
    one = first.views[0]()
    monkeypatch.setattr(
        "mithridate.evidence.chat.gather.read_chat", lambda *a: pytest.fail("was read already")
    )
    again = gather_chat(gathered[1], store_dir=tmp_path, seed=0)
    two = again.views[0]()
    assert again.notes == first.notes
    assert np.array_equal(one.content.logits, two.content.logits)
    assert one.classes == two.classes
    assert np.array_equal(one.labels, two.labels)


def test_one_exchange_is_no_crash(tmp_path):
    source = open_source(_table(1))
    assert gather_chat(source, store_dir=tmp_path, seed=0).views == ()


def _table(n):
    import pyarrow as pa

    return pa.table({"prompt": ["say something"] * n, "response": ["c d"] * n})
