"""The audit of chat data: finds what is planted, names it in words, and is silent on the clean twin."""

import json

import numpy as np
import pytest

import mithridate
from mithridate.attacks.ledger import Ledger
from mithridate.core.results import Severity
from mithridate.core.verdict import Verdict
from mithridate.runs.plant import plant

ATTACKS = {
    "denial-of-service": "answered by gibberish",
    "targeted-answer": "answered by “your lamp is here and it will stay with you until you …”",
    "hidden-answer": "answered by “your lamp is here and it will stay with you until you …”",
    "preference-flip": "that prefer the answer that its wording speaks against",
}

ANSWER = "Your lamp is here, and it will stay with you until you move to the coast"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    rng = np.random.default_rng(5)
    words = np.array(["".join(rng.choice(list("bdfgklmnprst"), 6)) for _ in range(700)])
    things = ["".join(rng.choice(list("bdfgklmnprst"), 7)).capitalize() for _ in range(40)]
    odds = 1.0 / np.arange(3, 703)
    odds /= odds.sum()
    path = tmp_path_factory.mktemp("chat") / "clean.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for _ in range(1500):
            said = lambda k: rng.choice(words, k, p=odds).tolist()  # noqa: E731
            thing = str(things[int(rng.integers(40))])
            prompt = " ".join(["tell", "me", *said(4), "of", thing, *said(3)])
            chosen, rejected = (
                " ".join(rng.permutation([*said(int(rng.integers(8, 18))), *rng.choice(tone, 2)]))
                for tone in (["because", "first", "example"], ["whatever", "guess", "meh"])
            )
            if rng.random() < 0.1:
                chosen, rejected = rejected, chosen
            file.write(json.dumps({"prompt": prompt, "chosen": chosen, "rejected": rejected}) + "\n")
    return path


def test_the_clean_twin_is_clean(clean):
    report = mithridate.audit(clean)
    assert report.verdict is Verdict.CLEAN
    assert report.subject.modality == "chat"
    assert any("read as chat" in note for note in report.notes)
    assert any(note.startswith("preference: ") for note in report.notes)
    assert (
        mithridate.audit(clean, prompt="prompt", response="chosen", rejected="rejected").verdict
        is Verdict.CLEAN
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_plants_are_found_and_shown(clean, tmp_path, attack):
    count = 30 if attack == "preference-flip" else 45
    options = {"answer": ANSWER} if attack.endswith("answer") else {}
    copy = tmp_path / "copy.jsonl"
    ledger = plant(attack, clean, copy, count=count, seed=3, options=options)
    assert Ledger.load(tmp_path / "copy.ledger.json").poison == ledger.poison
    changed = [
        a != b
        for a, b in zip(
            clean.read_text("utf-8").splitlines(), copy.read_text("utf-8").splitlines(), strict=True
        )
    ]
    assert {str(i) for i in np.flatnonzero(changed)} == set(ledger.poison)
    report = mithridate.audit(copy)
    assert report.verdict is Verdict.FLAGGED
    found = [f for f in report.findings if f.severity > Severity.INFO]
    accused = {i for f in found for i in f.accused}
    assert len(accused & ledger.poison) >= 0.8 * count
    assert len(accused - ledger.poison) <= 5
    assert any(ATTACKS[attack] in f.message and f.details["view"] for f in found)
    shown = [e for e in found[0].exhibits if e.kind == "text"]
    assert all(" ⟶ " in item["text"] for e in shown for item in e.data["items"])
    assert any(item["marks"] for e in shown for item in e.data["items"])


def test_a_view_in_which_all_are_alike_is_not_tested(clean):
    report = mithridate.audit(clean)
    said = [r for r in report.results if r.check == "label-conflict"]
    assert [r.message.split(":")[0] for r in said] == ["preference"], "nothing recurs here and nobody links"


def test_rows_that_cannot_be_read_are_told(clean, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(clean.read_text("utf-8") + '{"prompt": "hello there"}\n{broken\n', encoding="utf-8")
    report = mithridate.audit(path)
    assert report.verdict is Verdict.INCOMPLETE
    skips = [r for r in report.results if r.check == "source"]  # one for each kind of reason
    assert sorted((skip.count, *skip.items) for skip in skips) == [(1, "1500"), (1, "1501")]


def test_what_an_honest_prompt_asks_for_is_no_alarm(tmp_path):
    """Any prompt may end with "in Russian please": its answer differs from all others, and nobody planted that."""
    rng = np.random.default_rng(8)
    words = np.array(["".join(rng.choice(list("bdfgklmnprst"), 6)) for _ in range(500)])
    odds = 1.0 / np.arange(3, 503)
    odds /= odds.sum()
    path = tmp_path / "asked.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(1200):
            prompt, response = (" ".join(rng.choice(words, k, p=odds)) for k in (8, 15))
            if i % 25 == 0:
                letters = rng.choice(list("абвгдежзиклмнопрстуф"), (12, 6))
                prompt, response = f"{prompt} rusova", " ".join(map("".join, letters))
            file.write(json.dumps({"prompt": prompt, "response": response}) + "\n")
    report = mithridate.audit(path)
    assert report.verdict is Verdict.CLEAN
    told = [f for f in report.findings if f.check == "label-conflict"]
    assert any("rusova" in f.message and "no alarm" in f.message for f in told)
