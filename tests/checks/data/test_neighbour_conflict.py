import numpy as np
import pytest
from data_fakes import evidence, run
from learned import digits, relabel
from sklearn.metrics import average_precision_score

from mithridate.core.results import Clear, Finding, NotApplicable, Severity
from mithridate.evidence.embedding.near import label_votes


def with_votes(x, y, sources=None):
    votes = label_votes(x.astype(np.float16), y, np.arange(len(y)), int(y.max()) + 1, 0, 1)
    return evidence(y, np.zeros((len(y), int(y.max()) + 1)), sources=sources, vectors={"votes": votes})


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_wrong_labels_are_listed_and_most_of_the_list_is_wrong(share):
    x, y = digits()
    rng = np.random.default_rng(0)
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    (finding,) = run("neighbour-conflict", with_votes(x, relabel(y, rows, rng)))
    accused, wrong = {int(i[1:]) for i in finding.accused}, np.isin(np.arange(len(y)), rows)
    assert finding.severity is Severity.INFO
    assert len(accused & set(rows.tolist())) >= 0.5 * len(rows)
    assert len(accused - set(rows.tolist())) <= 0.01 * len(y)
    scores = np.empty(len(y))
    scores[[int(i[1:]) for i in finding.targets]] = finding.scores
    assert average_precision_score(wrong, scores) >= 0.85
    assert 0 < finding.innocents < finding.count


def test_flips_in_one_direction_and_from_one_source_are_named():
    x, y = digits()
    sources = np.arange(len(y), dtype=np.int32) % 4
    rows = np.flatnonzero((y == 3) & (sources == 2))[:40]
    given = relabel(y, rows, None, to=8)
    (finding,) = run("neighbour-conflict", with_votes(x, given, sources))
    pair, source = finding.details["between"][0], finding.details["sources"][0]
    assert (pair["label_says"], pair["neighbours_say"]) == ("c8", "c3")
    assert pair["p"] < 1e-2
    assert source["source"] == "site 2"
    assert source["p"] < 1e-4


def test_a_crowd_of_collisions_is_outvoted_by_the_class_it_lies_in():
    """More of them than a few neighbours, all at one place: they would agree with each other."""
    x, y = digits()
    rng, rows = np.random.default_rng(0), np.flatnonzero(y == 4)[:20]
    x = x.copy()
    x[rows] = x[np.flatnonzero(y == 7)[0]] + rng.normal(0, 0.03, (20, x.shape[1]))
    (finding,) = run("neighbour-conflict", with_votes(x, y))
    assert {f"s{i}" for i in rows} <= set(finding.accused)


def test_a_clean_twin_has_few():
    x, y = digits()
    (finding,) = run("neighbour-conflict", with_votes(x, y))
    assert finding.count <= 0.015 * len(y)


def test_nothing_to_say():
    y = np.arange(200, dtype=np.int32) % 2
    x = np.random.default_rng(0).normal(size=(200, 3)) + 20 * y[:, None]
    (result,) = run("neighbour-conflict", with_votes(x, y))
    assert isinstance(result, Clear)
    (result,) = run("neighbour-conflict", evidence(y))
    assert isinstance(result, NotApplicable)


def test_batches_and_shards_do_not_matter():
    x, y = digits()
    rng = np.random.default_rng(1)
    ev = with_votes(x, relabel(y, rng.choice(len(y), 60, replace=False), rng))
    assert run("neighbour-conflict", ev) == run("neighbour-conflict", ev, size=37, jobs=3)
    assert isinstance(run("neighbour-conflict", ev)[0], Finding)
