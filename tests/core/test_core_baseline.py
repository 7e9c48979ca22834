"""A baseline hides what was accused before, and nothing that came since."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import pytest

from mithridate.core.baseline import folded, only_new
from mithridate.core.errors import ReportError
from mithridate.core.fingerprint import fingerprint
from mithridate.core.report import Report, Subject
from mithridate.core.results import Clear, Finding, Severity, Skip
from mithridate.core.verdict import Verdict, verdict


def finding(contents, *, check="label-conflict", label="ham", severity=Severity.LIKELY, **details):
    """Accuses samples of these contents; ids are row numbers, which say nothing."""
    n = len(contents)
    return Finding(
        check=check, severity=severity, message=f"{n} samples share a word", targets=tuple(str(i) for i in range(n)),
        scores=(1.0,) * n, count=n, label=label, p_value=1e-9,
        details={"family": "word", "key": "zyzzyva", "contents": list(contents), **details},
    )  # fmt: skip


def report(*results, classes=("ham", "spam"), modality="text"):
    subject = Subject(
        uri="mails.csv", digest="ab" * 32, modality=modality, count=600, classes=dict.fromkeys(classes, 300)
    )
    return Report(verdict=verdict(results), subject=subject, seed=0, cards={}, results=results)


def read(one):
    """As it comes back from a file."""
    return Report.from_json(one.to_json())


OLD = [f"c{i}" for i in range(12)]
NEW = [f"n{i}" for i in range(12)]


@pytest.mark.parametrize(
    ("now", "known"),
    [
        (finding(OLD), True),
        (finding(OLD[::-1]), True),  # other row numbers
        (finding(OLD[:5]), True),  # fewer
        (finding([*OLD, *NEW[:2]]), True),  # a few more
        (finding([*OLD, *NEW[:3]]), False),
        (finding([*OLD[:4], *NEW[:2]]), False),  # too many for so few
        (finding(NEW), False),  # the same word, the same label, as many, but others
        (finding([*OLD, *OLD]), False),  # copies of what was accused are more poison
        (finding(OLD, label="spam"), False),
        (finding(OLD, check="recurring-stamp"), False),
        (finding(OLD, severity=Severity.PROVEN), False),
        (finding(OLD, severity=Severity.SUSPICIOUS), True),
        (finding(OLD, key="zyzzyva offer"), True),  # the same samples, in other words
        (finding(OLD, rule="OTHER"), False),
        (replace(finding(OLD), details={"key": "zyzzyva"}), False),  # no contents
        (replace(finding(OLD), count=11), False),  # contents that are not those of the accused
        (
            finding(OLD, folded=[folded(finding(OLD[:6], check="spike"))]),
            False,
        ),  # a new thing behind an old one
    ],
)
def test_what_is_known(now, known):
    baseline = read(report(finding(OLD)))
    compared = only_new(report(now), baseline)
    assert [f.known for f in compared.alarms] == [known]
    assert compared.verdict == (Verdict.CLEAN if known else Verdict.FLAGGED)
    assert len(compared.news) == (not known)
    assert read(compared) == compared
    assert f"known findings {int(known)} of 1" in compared.notes[0]


def test_what_is_folded_into_a_finding_is_looked_at_too():
    spike = finding(OLD[:6], check="spike")
    baseline = read(report(finding(OLD, folded=[folded(spike)])))
    assert only_new(report(finding(OLD, folded=[folded(spike)])), baseline).news == ()
    assert only_new(report(spike), baseline).news == ()
    grown = finding([*OLD[:3], *NEW[:3]], check="spike")  # its other samples are not accused by what hides it
    (news,) = only_new(report(finding(OLD, folded=[folded(grown)])), baseline).news
    assert news.details["news"] == {"newcomers": 0, "known": 12}


def test_newcomers_add_up_over_baselines():
    first = report(finding(OLD))
    second = only_new(report(finding([*OLD, "a"])), read(first))
    third = only_new(report(finding([*OLD, "a", "b"])), read(second))
    assert second.news == third.news == ()
    assert third.alarms[0].details["known"] == {"newcomers": 2}
    fourth = only_new(report(finding([*OLD, "a", "b", "c"])), read(third))
    assert len(fourth.news) == 1
    assert fourth.news[0].details["news"] == {"newcomers": 3, "known": 12}
    # a person who looked at it and made a new baseline without the old one starts again
    assert (
        only_new(report(finding([*OLD, "a", "b", "c"])), read(report(finding([*OLD, "a", "b", "c"])))).news
        == ()
    )


def test_what_was_info_is_new_when_it_is_more():
    quiet = finding(OLD, severity=Severity.INFO)
    assert only_new(report(finding(OLD)), report(quiet)).verdict is Verdict.FLAGGED
    assert only_new(report(quiet), report(quiet)).findings[0].known
    many = replace(quiet, count=15, targets=tuple("abcdefghijklmno"), scores=(1.0,) * 15)
    assert not only_new(report(many), report(quiet)).findings[0].known


def test_what_could_not_be_examined_is_never_known():
    skip = Skip(check="source", reason="broken", remedy="mend it", items=("7",), count=1)
    assert only_new(report(finding(OLD), skip), report(finding(OLD), skip)).verdict is Verdict.INCOMPLETE


def test_two_old_findings_of_one_kind_may_be_told_as_one():
    assert only_new(report(finding(OLD)), report(finding(OLD[:5]), finding(OLD[5:]))).news == ()


@pytest.mark.parametrize(
    ("baseline", "told"),
    [
        (report(modality="table"), "expected a report about text"),
        (replace(report(), verdict=Verdict.HEALED), "HEALED"),
    ],
)
def test_a_baseline_of_something_else_is_refused(baseline, told):
    with pytest.raises(ReportError, match=told):
        only_new(report(finding(OLD)), baseline)


def test_a_baseline_of_other_data_knows_nothing_and_is_said():
    other = report(finding(NEW, label="cat"), classes=("cat", "dog"))
    compared = only_new(report(finding(OLD)), other)
    assert compared.verdict is Verdict.FLAGGED
    assert "no label in common: is it of other data?" in compared.notes[-1]


@pytest.mark.parametrize(
    "details",
    [
        {"contents": 5},
        {"contents": [1, None, {}]},
        {"contents": OLD[:3], "folded": "x"},
        {"folded": [7, {"severity": "WORST"}, {"severity": "LIKELY", "contents": {"a": 1}, "check": []}]},
        {"contents": OLD, "known": {"newcomers": 10**9}},
    ],
)
def test_an_odd_baseline_knows_nothing(details):
    baseline = report(replace(finding(OLD), details=details))
    assert len(only_new(report(finding(OLD)), baseline).news) == 1


def test_newcomers_cannot_be_negative():
    baseline = report(finding(OLD, known={"newcomers": -100}))
    assert len(only_new(report(finding([*OLD, *NEW[:3]])), baseline).news) == 1


def test_a_report_that_was_compared_says_with_what():
    one = only_new(report(Clear(check="c", message="m", limit="l")), report())
    assert json.loads(one.to_json())["baseline"] == "ab" * 32
    assert "baseline" not in json.loads(report().to_json())


SAME = [
    finding(OLD),
    finding(NEW[:3], severity=Severity.INFO),
    replace(
        finding(OLD),
        targets=("x",) * 12,
        p_value=0.5,
        effect=3.0,
        details={"key": "zyzzyva", "family": "word"},
    ),
]
OTHERS = [
    finding(OLD),
    finding(OLD, label=None),
    finding(OLD, check="b"),
    finding(OLD, key="b"),
    finding(OLD, family="phrase"),
    finding(OLD, place=[1, 2]),
    finding(OLD, rule="A"),
    finding(OLD, rule="B"),
    finding(OLD, cells={"a": 1}),
]


def test_fingerprints():
    assert len({fingerprint(f) for f in SAME}) == 1
    assert all(fingerprint(a) != fingerprint(b) for a, b in permutations(OTHERS, 2))
    assert fingerprint(SAME[0]) == "09f2548668c1ad86", (
        "it appears in reports: a change makes every old finding new"
    )
