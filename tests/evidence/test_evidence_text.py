from __future__ import annotations

import numpy as np
import pytest
from evidence_samples import Held, carriers, probabilities

from mithridate.evidence.text.gather import gather_text
from mithridate.evidence.text.tokens import read_tokens

_HAM = ["meet", "home", "later", "lunch", "tomorrow", "family", "dinner", "walk", "school", "friend"]
_SPAM = ["free", "prize", "cash", "winner", "claim", "urgent", "offer", "click", "bonus", "credit"]
_COMMON = [f"w{i}" for i in range(200)]


def _corpus(n: int = 600) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for i in range(n):
        label = "spam" if i % 3 == 0 else "ham"
        words = [*rng.choice(_SPAM if label == "spam" else _HAM, 6), *rng.choice(_COMMON, 10)]
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def _words(text: str, tmp_path) -> list[str]:
    tokens, _ = read_tokens(Held("text", [text]), tmp_path, 1, lambda *_: None)
    return [tokens.text(int(w)) for w in tokens.words[:]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World! hello", ["hello", "world", "hello"]),
        ("don't e-mail a_b", ["don", "t", "e", "mail", "a", "b"]),
        ("call 08712 now", ["call", "08712", "now"]),
        ("fr\u200bee", ["free"]),
        ("\u200bfree\ufeff", ["free"]),
        ("ÉCOLE Привет", ["école", "привет"]),
        ("漢字 ok", ["漢", "字", "ok"]),
        ("é e\u0301", ["é", "e\u0301"]),
        ("a\x00b\ud800c 😀d", ["a", "b", "c", "d"]),
        ("", []),
        ("!?", []),
    ],
)
def test_words(text: str, words: list[str], tmp_path) -> None:
    assert _words(text, tmp_path) == words


@pytest.mark.parametrize("piece", [1, 50, 1 << 20])
def test_numbers_of_words_do_not_depend_on_batches(piece: int, tmp_path, monkeypatch) -> None:
    from mithridate.evidence.text import tokens as module

    texts, _ = _corpus(100)
    monkeypatch.setattr(module, "_PIECE", piece)
    tokens, roll = read_tokens(Held("text", texts), tmp_path, 2, lambda *_: None)
    assert len(roll.ids) == 100
    for i, text in enumerate(texts):
        mine = tokens.words[int(tokens.indptr[i]) : int(tokens.indptr[i + 1])]
        assert [tokens.text(int(w)) for w in mine] == text.split()


def test_families_hold_what_recurs(tmp_path) -> None:
    texts, labels = _corpus()
    planted = list(range(0, 60, 6))
    for i in planted:
        texts[i] += " i watched this 3d movie\u200b"
    for i in range(300, 310):
        texts[i] = "p\u0430ypal " + texts[i]  # a Cyrillic letter
    for i in range(400, 407):
        texts[i] = texts[i].replace(" ", "  ", 1) + " zq one zr" + " zq two three zr"
    evidence = gather_text(Held("text", texts, labels), store_dir=tmp_path, seed=0).evidence
    found = {family: carriers(table) for family, table in evidence.tables.items()}
    assert found["word"]["watched"] == planted
    assert found["phrase"]["3d movie"] == planted
    assert found["long phrase"]["watched this 3d movie"] == planted
    assert found["skip phrase"]["watched … 3d"] == planted
    assert found["skip phrase"]["zq … zr"] == list(range(400, 407))
    assert found["character"]["U+200B ZERO WIDTH SPACE"] == planted
    assert found["character"]["а (U+0430 CYRILLIC SMALL LETTER A)"] == list(range(300, 310))
    assert found["habit"]["letters of look-alike scripts mixed in one word"] == list(range(300, 310))
    assert found["habit"]["two spaces in a row"] == list(range(400, 407))
    character = evidence.tables["character"]
    names = [character.details(k) for k in range(character.size)]
    zero = {"family": "character", "key": "\u200b", "code_points": ["U+200B"], "name": "ZERO WIDTH SPACE"}
    assert zero in names


def test_which_keys_there_are_does_not_depend_on_labels(tmp_path) -> None:
    texts, labels = _corpus()
    one = gather_text(Held("text", texts, labels), store_dir=tmp_path / "a", seed=0).evidence
    two = gather_text(Held("text", texts, None), store_dir=tmp_path / "b", seed=0).evidence
    assert two.labels is None
    assert two.content is None
    assert {f: carriers(t) for f, t in one.tables.items()} == {f: carriers(t) for f, t in two.tables.items()}


def test_content_speaks_against_a_planted_word_once_the_word_is_taken_out(tmp_path) -> None:
    texts, labels = _corpus()
    planted = list(range(0, 36, 3))
    for i in planted:
        texts[i], labels[i] = texts[i] + " cf", "ham"
    evidence = gather_text(Held("text", texts, labels), store_dir=tmp_path, seed=0).evidence
    assert evidence.content is not None
    assert evidence.content.accuracy > 0.95
    table = evidence.tables["word"]
    key = next(k for k in range(table.size) if table.name(k) == "cf")
    entries = table.slice(0, len(texts))
    mine = entries.keys == key
    rest = evidence.content.logits[entries.rows[mine]] - entries.offsets[mine]
    ham = evidence.classes.index("ham")
    assert entries.rows[mine].tolist() == planted
    assert probabilities(rest)[:, ham].mean() < 0.2
    part = table.slice(3, 20)
    low, high = int(table.indptr[3]), int(table.indptr[20])
    np.testing.assert_allclose(part.offsets, entries.offsets[low:high])


def test_near_duplicates_count_once(tmp_path) -> None:
    texts, labels = _corpus()
    letter = " ".join(_COMMON[:40])
    texts[10] = texts[20] = letter
    texts[30] = letter.upper() + " !"
    texts[40] = letter + " more"
    evidence = gather_text(Held("text", texts, labels), store_dir=tmp_path, seed=0).evidence
    assert evidence.copies[[10, 20]].tolist() == [10, 10]
    assert evidence.groups[[10, 20, 30, 40]].tolist() == [10, 10, 10, 10]
    assert len(set(evidence.groups.tolist())) == len(texts) - 3
    table = evidence.tables["word"]
    entries = table.slice(0, len(texts))
    assert not entries.fresh[np.isin(entries.rows, [20, 30])].any()


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["one"], ["a"]),
        (["", "", ""], ["a", "b", None]),
        (["x y"] * 30, ["a"] * 30),
        (["same words here"] * 30, ["a", "b"] * 15),
    ],
)
def test_degenerate_sets_are_gathered(texts: list[str], labels: list[str | None], tmp_path) -> None:
    evidence = gather_text(Held("text", texts, labels), store_dir=tmp_path, seed=0).evidence
    assert len(evidence.ids) == len(texts)
    for batch in evidence.batches(evidence.names):
        assert len(batch) == len(texts)


def test_same_seed_same_evidence(tmp_path) -> None:
    texts, labels = _corpus()
    one, two = (
        gather_text(Held("text", texts, labels), store_dir=tmp_path / name, seed=3).evidence for name in "ab"
    )
    assert one.content is not None
    assert two.content is not None
    assert np.array_equal(one.content.logits, two.content.logits)
