import numpy as np
import pytest
from data_fakes import evidence, run
from learned import cells, digits, logits, relabel
from sklearn.metrics import average_precision_score

from mithridate.core.results import Clear, Finding, NotApplicable, Severity


def noisy(data, seed, share=0.05):
    x, y = data()
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    given = relabel(y, rows, rng)
    return given, logits(x, given), np.isin(np.arange(len(y)), rows)


def suspicion(finding, n):
    scores = np.empty(n)
    scores[[int(target[1:]) for target in finding.targets]] = finding.scores
    return scores


@pytest.mark.parametrize("data", [digits, cells])
def test_random_flips_lead_the_list_and_no_published_score_ranks_better(data):
    rank = pytest.importorskip("cleanlab.rank")
    given, z, wrong = noisy(data, 0)
    (finding,) = run("label-errors", evidence(given, z))
    assert finding.severity is Severity.INFO
    ours = average_precision_score(wrong, suspicion(finding, len(given)))
    assert ours >= 0.85
    p = np.exp(z - z.max(1, keepdims=True), dtype=np.float64)
    p /= p.sum(1, keepdims=True)
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        theirs = average_precision_score(wrong, -rank.get_label_quality_scores(given, p, method=method))
        assert ours >= theirs - 0.01
    assert 0.6 * wrong.sum() <= finding.count <= 2 * wrong.sum()
    assert finding.innocents < finding.count / 2


def test_every_labelled_sample_is_ranked_and_only_those():
    given, z, _ = noisy(cells, 1)
    given[::7] = -1
    (finding,) = run("label-errors", evidence(given, z, classes=("a", "b")))
    assert set(finding.targets) == {f"s{i}" for i in np.flatnonzero(given >= 0)}


def test_clean_labels_that_content_agrees_with_are_clear():
    y = np.arange(200, dtype=np.int32) % 2
    z = np.where(np.eye(2)[y] > 0, 4.0, -4.0)
    (result,) = run("label-errors", evidence(y, z))
    assert isinstance(result, Clear)


def test_a_class_of_one_claims_no_other_sample():
    """Its threshold would be what a model that never saw the class says of its only sample: next to nothing."""
    y = np.zeros(61, int)
    y[60] = 1
    z = np.stack([np.linspace(3, 5, 61), np.zeros(61)], axis=1)
    z[60] = 9, 0
    (result,) = run("label-errors", evidence(y, z))
    assert isinstance(result, Clear)


def test_without_content_it_is_not_applicable():
    (result,) = run("label-errors", evidence(np.zeros(5, int), classes=("a",)))
    assert isinstance(result, NotApplicable)


def test_batches_and_shards_do_not_matter():
    given, z, _ = noisy(digits, 2)
    ev = evidence(given, z)
    whole = run("label-errors", ev)
    assert isinstance(whole[0], Finding)
    assert run("label-errors", ev, size=7) == whole
    assert run("label-errors", ev, size=1, jobs=3) == whole


def test_of_very_many_labels_only_the_worst_are_listed(monkeypatch):
    given, z, _ = noisy(digits, 0)
    z = np.round(z)  # so that samples tie
    (whole,) = run("label-errors", evidence(given, z))
    for most, left in ((1500, 1500), (3, whole.count)):  # never fewer than are worth a look
        monkeypatch.setattr("mithridate.checks.data.label_errors._LISTED", most)
        (some,) = run("label-errors", evidence(given, z))
        assert (some.targets, some.scores) == (whole.targets[:left], whole.scores[:left])
        assert (some.count, some.message) == (whole.count, whole.message)


def test_a_class_of_one_sample_is_not_judged():
    y = np.concatenate([np.arange(200) % 2, [2]]).astype(np.int32)
    z = np.where(np.eye(3)[y] > 0, 4.0, -4.0)
    z[-1], z[0] = (4.0, -4.0, -4.0), (-6.0, 6.0, -6.0)
    (finding,) = run("label-errors", evidence(y, z, classes=("a", "b", "c")))
    assert (finding.count, "s200" in finding.targets, "of 200 labels" in finding.message) == (1, False, True)
    alone = np.arange(60, dtype=np.int32)
    z = -4.0 * np.eye(60)
    (result,) = run("label-errors", evidence(alone, z, classes=tuple(map(str, alone))))
    assert isinstance(result, Clear)
