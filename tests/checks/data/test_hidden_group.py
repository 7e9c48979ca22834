import numpy as np
import pytest
from data_fakes import evidence, run
from sklearn.metrics import average_precision_score

from mithridate.core.results import Clear, Finding, NotApplicable, Severity


def classes(seed, n=600, d=30, k=4):
    """Smooth classes whose spread differs widely from direction to direction."""
    rng = np.random.default_rng(seed)
    y = np.arange(n * k, dtype=np.int32) % k
    spread = np.exp(rng.normal(size=(k, d)))
    return 5 * rng.normal(size=(k, d))[y] + spread[y] * rng.normal(size=(n * k, d)), y, spread, rng


def planted(seed, count=15):
    """A group of class 2, apart by a direction in which that class hardly spreads; plain distance does not show it."""
    x, y, spread, rng = classes(seed)
    rows = rng.choice(np.flatnonzero(y == 2), count, replace=False)
    thin = np.argsort(spread[2])[:3]
    x[np.ix_(rows, thin)] += 8 * spread[2][thin]
    return x, y, np.isin(np.arange(len(y)), rows)


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_found_in_its_class_and_leads_the_list(seed):
    x, y, bad = planted(seed)
    (finding,) = run("hidden-group", evidence(y, vectors={"embedding": x.astype(np.float16)}))
    assert finding.severity is Severity.INFO
    assert finding.label == "c2"
    scores = np.full(len(y), -9.0)
    scores[[int(i[1:]) for i in finding.targets]] = finding.scores
    assert average_precision_score(bad, scores) >= 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_twin_has_none(seed):
    x, y, _, _ = classes(seed)
    (result,) = run("hidden-group", evidence(y, vectors={"embedding": x.astype(np.float16)}))
    assert isinstance(result, Clear)


def test_batches_and_shards_do_not_matter():
    x, y, _ = planted(0)
    ev = evidence(y, vectors={"embedding": x.astype(np.float16)})
    whole, parts = run("hidden-group", ev), run("hidden-group", ev, size=101, jobs=3)
    assert isinstance(whole[0], Finding)
    assert whole == parts


def test_small_classes_and_none():
    y = np.arange(60, dtype=np.int32) % 3
    (result,) = run("hidden-group", evidence(y, vectors={"embedding": np.zeros((60, 4), np.float16)}))
    assert isinstance(result, NotApplicable)
    y = np.arange(300, dtype=np.int32) % 3
    (result,) = run("hidden-group", evidence(y, vectors={"embedding": np.zeros((300, 4), np.float16)}))
    assert isinstance(result, Clear)
