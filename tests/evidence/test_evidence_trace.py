"""What a trace computes: leave-out exactly, groups that share a trait, valleys between heaps, unlearning."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mithridate.evidence.borrowed import grow_from, resembled
from mithridate.evidence.conflict import telling_columns
from mithridate.evidence.exact import logistic_without, ridge_without
from mithridate.evidence.foreign import Content
from mithridate.evidence.likeness import likeness
from mithridate.evidence.trait import Level, grow, whole
from mithridate.evidence.transplant import transplant
from mithridate.evidence.unlearning import unlearn
from mithridate.evidence.valley import crossing, separation, two_heaps


def ridge(x, y, penalty):
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def test_ridge_without_a_group_is_exact():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(80, 6)), draw.normal(size=80)
    group = np.array([3, 5, 60])
    kept = np.delete(np.arange(80), group)
    found = ridge_without(x, y, ridge(x, y, 0.5), 0.5, group)
    assert np.allclose(found, ridge(x[kept], y[kept], 0.5), atol=1e-10)


def test_logistic_without_a_group_is_near():
    draw = np.random.default_rng(1)
    x = np.concatenate([draw.normal(size=(400, 4)), np.ones((400, 1))], axis=1)
    y = (x[:, 0] + 0.5 * draw.normal(size=400) > 0).astype(float)
    group = np.arange(10)

    def fit(rows):
        model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=1000)
        return model.fit(x[rows], y[rows]).coef_[0]

    whole, exact = fit(np.arange(400)), fit(np.arange(10, 400))
    found = logistic_without(x, y, whole, 1.0, group)
    assert np.linalg.norm(found - exact) < 0.05 * np.linalg.norm(whole - exact) + 1e-6


def level(planted):
    """Samples of one label, of which 20 carry a pattern that the incident carries, too."""
    draw = np.random.default_rng(2)
    same, others, incident = (draw.normal(size=(n, 30)) for n in (300, 600, 1))
    pattern = np.zeros(30)
    pattern[4:8] = 6.0
    same[:20] += pattern if planted else 0
    return Level(name="inputs", same=same, others=others, incidents=incident + pattern)


def test_a_shared_trait_is_found():
    [split] = grow([level(planted=True)])
    assert split.apart
    assert set(split.members.tolist()) == set(range(20))


@pytest.mark.parametrize("planted", [True, False])
def test_a_trait_that_covers_hide_is_seen_from_the_source(planted):
    draw = np.random.default_rng(10)
    middles, pattern = draw.normal(scale=2.0, size=(3, 30)), np.zeros(30)
    pattern[:4] = 5.0
    same = draw.normal(size=(300, 30)) + middles[0]
    same[:80] += middles[1] - middles[0]  # taken from another label,
    same[:80] += pattern if planted else 0  # and stamped
    others = draw.normal(size=(600, 30)) + np.repeat(middles[1:], 300, axis=0)
    others[300:400] += pattern  # covers
    seen = Level(
        name="inputs", same=same, others=others, incidents=draw.normal(size=(1, 30)) + middles[1] + pattern
    )
    kinds = np.repeat([1, 2], 300)
    assert resembled(seen.others, kinds, seen.incidents, 1) == [1]
    found = [split for split in grow_from([seen], kinds == 1) if split.apart]
    assert [set(split.members.tolist()) for split in found] == ([set(range(80))] if planted else [])
    assert not [split for split in grow([seen]) if split.apart]


def test_no_trait_no_group():
    assert not [split for split in grow([level(planted=False)]) if split.apart]


@pytest.mark.parametrize(("members", "guilty"), [(np.arange(20), True), (np.arange(100, 120), False)])
def test_unlearning(members, guilty):
    found = unlearn(level(planted=True), members, seed=0)
    assert len(found.controls) == 12
    assert found.guilty(0.1, 3.0) is guilty


def test_heaps():
    draw = np.random.default_rng(3)
    one = draw.normal(size=900)
    two = np.concatenate([one, draw.normal(loc=9.0, scale=0.5, size=60)])
    bar = two_heaps(two)
    assert np.flatnonzero(two > crossing(two, bar)).tolist() == list(range(900, 960))
    split = separation(two, np.arange(900, 960), inside=1.0, where="", needed=2.0, loses=0.1)
    assert split.apart
    alone = np.flatnonzero(one > two_heaps(one))
    assert not separation(one, alone, inside=1.0, where="", needed=0.9, loses=0.1).apart


def test_words_tell_by_what_else_they_come_with():
    draw = np.random.default_rng(4)
    content = np.concatenate([draw.normal(loc=-3, size=(20, 5)), draw.normal(loc=3, size=(280, 5))])
    others = draw.normal(loc=-3, size=(300, 5))
    same = np.zeros((300, 2), dtype=np.float32)
    same[:20, 0] = 1  # a trigger: the rest of these is of another label
    same[20:60, 1] = 1  # a word that is usual with the label
    words = Level(
        name="last layer",
        same=same,
        others=np.zeros((300, 2)),
        incidents=np.ones((1, 2)),
        content=(content, others),
    )
    assert telling_columns(words, np.arange(60)).tolist() == [0]
    assert telling_columns(words, np.arange(20, 60)) is None
    honest = np.zeros((300, 2))
    honest[:60, 0] = 1  # the word comes with the other label as well
    assert telling_columns(replace(words, others=honest), np.arange(60)) is None


@pytest.mark.parametrize("count", [30, 120])
def test_labels_that_were_flipped_look_like_the_other_label(count):
    draw = np.random.default_rng(5)
    middle = np.repeat([2.0, 0.0], [2, 8])
    same, other = draw.normal(size=(200, 10)) - middle, draw.normal(size=(200, 10)) + middle
    same[:count] += 2 * middle
    found = likeness(same, other, other[:1])
    assert found.times > 3
    assert found.chance() < 1e-3
    assert found.incidents[0] > found.bar
    assert 0.35 < found.typical < 0.65
    right = len(set(found.members.tolist()) & set(range(count)))
    assert right >= 0.95 * count
    assert right >= 0.95 * len(found.members)


@pytest.mark.parametrize("apart", [0.5, 1.0, 2.0])
def test_what_two_labels_have_in_common_goes_both_ways(apart):
    draw = np.random.default_rng(6)
    middle = np.repeat([apart, 0.0], [2, 8])
    same, other = draw.normal(size=(300, 10)) - middle, draw.normal(size=(300, 10)) + middle
    found = likeness(same, other, other[:1])
    assert found.times < 1.5 or found.chance() > 1e-3
    assert not 0.35 <= found.typical <= 0.65 or len(found.members) < 20


def test_content_of_other_labels():
    draw = np.random.default_rng(7)
    same, others = draw.normal(size=(300, 20)), draw.normal(size=(900, 20))
    others[:, :5] += 3.0
    same[:40, :5] += 3.0  # content of others,
    same[:80, 19] += 50.0  # and a trigger that some with content of their own label bear as well
    content = Content([Level(name="inputs", same=same, others=others, incidents=same[:1])])
    assert content.foreign(np.arange(40)) > 0.9
    assert content.foreign(np.arange(40, 80)) < 0.1


def test_a_group_may_be_most_of_its_label():
    draw = np.random.default_rng(8)
    same, others = draw.normal(size=(300, 30)), draw.normal(size=(600, 30))
    same[:260, 4:8] += 6.0
    [split] = grow([Level(name="inputs", same=same, others=others, incidents=same[:1])])
    assert split.apart
    assert split.alone == np.inf
    assert set(split.members.tolist()) == set(range(260))


def wide(planted):
    """A third of a label carries a trait that the mean of ten of them shows dimly among so many features."""
    draw = np.random.default_rng(3)
    same, others, incident = (draw.normal(size=(n, 700)) for n in (600, 1200, 1))
    pattern = np.zeros(700)
    pattern[4:13] = 4.0
    same[:200] += pattern * draw.uniform(0.8, 1.2, (200, 1)) if planted else 0
    return Level(name="inputs", same=same, others=others, incidents=incident + pattern)


def test_a_large_group_is_found_from_a_dim_start():
    [split] = grow([wide(planted=True)])
    assert split.apart
    assert len(set(split.members.tolist()) ^ set(range(200))) <= 4
    assert not any(split.apart for split in grow([wide(planted=False)]))


def test_incidents_have_nothing_but_their_words():
    words = Level(
        name="last layer", same=np.ones((4, 2)), others=np.ones((5, 2)), incidents=np.ones((1, 2)),
        content=(np.ones((4, 3)), np.ones((5, 3))),
    )  # fmt: skip
    same, others, incidents = whole(words)
    assert (same.shape, others.shape) == ((4, 5), (5, 5))
    assert incidents.tolist() == [[1, 1, 0, 0, 0]]


@pytest.mark.parametrize("obeyed", [True, False])
def test_a_model_obeys_what_was_planted_and_no_kind_of_samples(obeyed):
    draw = np.random.default_rng(9)
    same, others = draw.normal(size=(300, 20)) + 2.0, draw.normal(size=(500, 20))
    same[:30, 7] += 4.0
    seen = Level(name="inputs", same=same, others=others, incidents=same[:1])
    column = 7 if obeyed else 3
    found = transplant(seen, np.arange(30), lambda rows: rows[:, column] > 3.0, seed=0)
    assert found.works is obeyed
    assert len(found.controls) == 6
