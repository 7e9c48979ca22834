import numpy as np
import pytest
from data_fakes import evidence, run
from learned import digits, relabel

from mithridate.core.results import Clear, Finding, NotApplicable, Severity
from mithridate.evidence.embedding.near import label_votes


def with_votes(x, y, sources=None):
    votes = label_votes(x.astype(np.float16), y, np.arange(len(y)), int(y.max()) + 1, 0, 1)
    return evidence(y, sources=sources, vectors={"votes": votes})


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_wrong_labels_are_listed_and_most_of_the_list_is_wrong(share):
    x, y = digits()
    rng = np.random.default_rng(0)
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    (finding,) = run("neighbour-conflict", with_votes(x, relabel(y, rows, rng)))
    accused = {int(i[1:]) for i in finding.accused}
    assert finding.severity is Severity.INFO
    assert len(accused & set(rows.tolist())) >= 0.85 * len(rows)
    assert len(accused - set(rows.tolist())) <= 0.25 * len(rows) + 10
    assert finding.innocents < finding.count


def test_flips_in_one_direction_and_from_one_source_are_named():
    x, y = digits()
    sources = np.arange(len(y), dtype=np.int32) % 4
    rows = np.flatnonzero((y == 3) & (sources == 2))[:25]
    given = relabel(y, rows, None, to=8)
    (finding,) = run("neighbour-conflict", with_votes(x, given, sources))
    pair, source = finding.details["between"][0], finding.details["sources"][0]
    assert (pair["label_says"], pair["neighbours_say"]) == ("c8", "c3")
    assert pair["p"] < 1e-3
    assert source["source"] == "site 2"
    assert source["p"] < 1e-4


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
