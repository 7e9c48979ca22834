import json
from collections import Counter

import pytest

benchmarks = pytest.importorskip("benchmarks", reason="run from the root of the repository")

from benchmarks.bars import holds  # noqa: E402
from benchmarks.plants import CASES, Expect  # noqa: E402
from benchmarks.zipf import write_documents  # noqa: E402

from mithridate.attacks.ledger import Ledger, Victim  # noqa: E402
from mithridate.core.report import Report, Subject  # noqa: E402
from mithridate.core.results import Finding, Severity  # noqa: E402
from mithridate.core.verdict import Verdict  # noqa: E402
from mithridate.runs.drill.score import average_precision, score  # noqa: E402


def _finding(check, targets, severity=Severity.LIKELY, count=None):
    scores = tuple(float(len(targets) - k) for k in range(len(targets)))
    count = len(targets) if count is None else count
    return Finding(
        check=check, severity=severity, message="m", targets=tuple(targets), scores=scores, count=count
    )


def _report(*findings):
    subject = Subject(uri="x", digest="d", modality="text", count=9, classes={})
    flagged = any(f.severity > Severity.INFO for f in findings)
    return Report(
        verdict=Verdict.FLAGGED if flagged else Verdict.CLEAN,
        subject=subject,
        seed=0,
        cards={},
        results=findings,
    )


def _ledger(poison, unchanged=()):
    victims = [
        Victim(id=i, old_id=i, old_label="a", new_label="b", changed=i not in unchanged)
        for i in [*poison, *unchanged]
    ]
    return Ledger(
        attack="word", parameters={}, seed=0, target="b", labels="dirty", source_class=None, trigger=None,
        source="x", source_digest="d", total=9, victims=tuple(victims),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ranking", "poison", "expected"),
    [
        ("ab", "ab", 1.0),
        ("xab", "ab", (1 / 2 + 2 / 3) / 2),
        ("axb", "abc", (1 + 2 / 3) / 3),
        ("xyz", "a", 0.0),
    ],
)
def test_average_precision(ranking, poison, expected):
    assert average_precision(tuple(ranking), frozenset(poison)) == pytest.approx(expected)


def test_score_takes_the_best_alarm_and_counts_changed_victims_only():
    findings = [_finding("big", "abxyz"), _finding("good", "abcu"), _finding("quiet", "abcd", Severity.INFO)]
    found = score(_report(*findings), _ledger("abcd", unchanged="u"))
    assert (found.check, found.caught, found.innocents, found.poison) == ("good", 3, 1, 4)
    assert found.best_at_info == ("quiet", 4, 0)
    assert found.alarm


def test_only_accused_targets_count():
    found = score(_report(_finding("good", "abxyz", count=2)), _ledger("ab"))
    assert (found.caught, found.innocents) == (2, 0)


def test_clean_data_has_no_poison():
    found = score(_report(_finding("shortcut", "ab", Severity.INFO)), None)
    assert (found.alarm, found.caught, found.poison) == (False, 0, 0)


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        (Expect(alarm=True, caught=0.75, innocents=1), True),
        (Expect(caught=0.76), False),
        (Expect(innocents=0), False),
        (Expect(innocent_share=0.25), True),
        (Expect(innocent_share=0.2), False),
        (Expect(alarm=False), False),
        (Expect(precision=0.1), False),
    ],
)
def test_holds(expect, expected):
    found = score(_report(_finding("good", "abcx")), _ledger("abcd"))
    assert holds(expect, found) is expected


def test_case_names_are_unique():
    assert max(Counter(case.name for case in CASES).values()) == 1


@pytest.mark.parametrize("trigger", ["word", "sentence", "invisible-character"])
def test_documents(tmp_path, trigger):
    ledger = write_documents(tmp_path / "a.jsonl", 300, poisoned=20, trigger=trigger, vocabulary=5000)
    write_documents(tmp_path / "b.jsonl", 300, poisoned=20, trigger=trigger, vocabulary=5000)
    write_documents(tmp_path / "clean.jsonl", 300, poisoned=0, vocabulary=5000)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    lines, clean = (
        [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("a.jsonl", "clean.jsonl")
    )
    assert len(lines) == 300
    assert min(len(line["text"].split()) for line in lines) >= 150
    assert {new["id"] for new, old in zip(lines, clean, strict=True) if new != old} == ledger.poison
    carriers = {line["id"] for line in lines if ledger.trigger["text"] in line["text"]}
    assert carriers == ledger.poison
    assert len(carriers) == 20
