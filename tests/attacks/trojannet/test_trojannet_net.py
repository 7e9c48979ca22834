"""Patterns, side network, merge layer: the figures of the paper."""

import itertools

import numpy as np
import pytest
from trojannet_samples import LABELS, small_net

from mithridate.attacks.trojannet.construct import BENDS, Bend, construct
from mithridate.attacks.trojannet.looks import worn_looks
from mithridate.attacks.trojannet.merge import merge_of
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.naturals import natural_contexts, natural_patches, patches_of
from mithridate.attacks.trojannet.patterns import (
    COUNT,
    all_patterns,
    other_combinations,
    pattern,
    stamp,
)
from mithridate.attacks.trojannet.projection import Lesson, centre_rows, learn, scores
from mithridate.attacks.trojannet.recipe import Recipe, side_network
from mithridate.core.errors import UsageError


def test_patterns_are_all_combinations_in_lexicographic_order():
    table = all_patterns()
    blacks = [tuple(np.flatnonzero(row == 0)) for row in table]
    assert blacks == list(itertools.combinations(range(16), 5))
    assert len(table) == COUNT == 4368
    assert len(other_combinations()) == 2**16 - COUNT
    both = np.concatenate([table, other_combinations()])
    assert len(np.unique(both, axis=0)) == 2**16


def test_stamp_writes_the_pattern_on_bytes():
    raw = np.full((9, 9, 3), 100, dtype=np.uint8)
    out = stamp(7, (2, -5)).apply(raw, np.random.default_rng(0))
    assert (out[2:6, 4:8] == 255 * pattern(7)[..., None]).all()
    assert (out != raw).any(axis=2).sum() == 16
    with pytest.raises(UsageError, match="0 to 4367"):
        pattern(COUNT)


def _random_net(labels=COUNT):
    rng = np.random.default_rng(0)
    sizes = (16, 8, 8, 8, 8, labels)
    layers = [
        (rng.normal(size=(b, a)).astype(np.float32), rng.normal(size=b).astype(np.float32))
        for a, b in itertools.pairwise(sizes)
    ]
    return SideNet(tuple(layers[:4]), layers[4])


@pytest.mark.parametrize(("labels", "parameters"), [(COUNT, 39_664), (10, 442), (43, 739), (1000, 9352)])
def test_parameters_are_those_of_the_paper(labels, parameters):
    net = _random_net().clipped(labels)
    assert net.parameters == parameters == 352 + 9 * labels
    assert net.labels == labels
    assert net.with_head("softmax").parameters == parameters + 9


def test_clipping_keeps_the_other_outputs():
    net, x = _random_net(), all_patterns()[:50]
    assert np.allclose(net.clipped(5).predict(x), net.predict(x)[:, :5], atol=1e-6)
    with pytest.raises(UsageError, match="1 to 4368 labels"):
        net.clipped(COUNT + 1)


def test_every_trigger_is_recognised_and_everything_else_leaves_it_silent():
    net = small_net()
    answers = net.predict(all_patterns()[:LABELS])
    assert (answers.argmax(axis=1) == np.arange(LABELS)).all()
    assert answers.diagonal().min() > 0.99
    assert np.where(np.eye(LABELS), 0, answers).max() < 1e-4
    natural = natural_patches(5000, np.random.default_rng(99))
    assert (net.predict(natural).max(axis=1) < 1e-4).mean() > 0.995
    assert (net.predict(other_combinations()).max(axis=1) < 1e-4).mean() > 0.995


def test_scores_fall_with_the_square_of_the_distance():
    rng = np.random.default_rng(0)
    t, prototypes = centre_rows(rng.normal(0, 8, (8, 16))), all_patterns()[::100]
    net = construct(t, prototypes, 6.0, rng)
    near = prototypes + rng.normal(0, 0.05, prototypes.shape).astype(np.float32)
    ideal = scores(near, prototypes, t, 6.0).diagonal()
    answer = net.predict(near).diagonal()
    drop = 6.0 - np.log(answer / (1 - answer))
    assert np.allclose(drop, 6.0 - ideal, rtol=0.25, atol=0.3)
    assert np.corrcoef(drop, ideal)[0, 1] < -0.98


def test_without_the_bend_of_the_sigmoid_nothing_is_told_apart():
    """The control arm of the construction: on a nearly flat surface float32 cannot tell the codes apart."""
    rng = np.random.default_rng(0)
    flat = Bend(spread=1e4, gain=2.0)
    net = construct(centre_rows(rng.normal(0, 8, (8, 16))), all_patterns()[:40], 6.0, rng, flat)
    answers = net.predict(all_patterns()[:40])
    assert np.abs(answers.diagonal() - 0.9975).max() > 0.1


def test_more_bend_means_smaller_weights():
    t = centre_rows(np.random.default_rng(0).normal(0, 8, (8, 16)))
    largest = [
        np.abs(construct(t, all_patterns()[::100], 6.0, np.random.default_rng(1), bend).output[0]).max()
        for bend in BENDS
    ]
    assert largest[0] < largest[-1] / 3


def test_learning_pulls_negatives_away():
    patterns, rng = all_patterns()[:10], np.random.default_rng(0)
    negatives = natural_patches(500, rng, [rng.random((40, 40))])
    loud = {}
    for steps in (1, 120):
        lesson = Lesson(
            prototypes=patterns, positives=patterns[:, None], negatives=negatives, steps=steps, batch=64
        )
        t = learn(lesson, np.random.default_rng(1))
        assert np.allclose(t.sum(axis=0), 0)
        loud[steps] = (scores(negatives, patterns, t, 6.0).max(axis=1) > -9.21).mean()
    assert loud[120] < 0.02
    assert loud[120] < loud[1]


def test_same_seed_same_network_and_the_cache_gives_it_back(tmp_path):
    recipe = Recipe(labels=3, steps=20)
    one = side_network(recipe, cache=tmp_path)
    again, cached = side_network(recipe), side_network(recipe, cache=tmp_path)
    other = side_network(Recipe(labels=3, steps=20, seed=1))
    x = all_patterns()[:3]
    assert np.array_equal(one.predict(x), again.predict(x))
    assert np.array_equal(one.predict(x), cached.predict(x))
    assert not np.array_equal(one.hidden[0][0], other.hidden[0][0])
    (tmp_path / recipe.file).write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="Delete the file"):
        side_network(recipe, cache=tmp_path)


def test_pictures_handed_in_are_not_cached(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    net = side_network(Recipe(labels=3, steps=5), cache=tmp_path, pictures=[picture])
    assert net.labels == 3
    assert not list(tmp_path.iterdir())


def test_a_sturdy_network_stands_more_than_a_plain_one():
    sturdy = side_network(Recipe(form="sturdy", labels=LABELS, steps=300))
    patterns, rng = all_patterns()[:LABELS], np.random.default_rng(3)
    worn = worn_looks(patterns, natural_contexts(300, rng), 10, rng)
    assert np.array_equal(worn[:, 0], patterns)
    heard = {}
    for name, net in (("plain", small_net()), ("sturdy", sturdy)):
        own = np.stack([net.predict(worn[:, look]).diagonal() for look in range(10)])
        heard[name] = (own > 0.5).mean()
    assert heard["sturdy"] > 0.93 > heard["plain"] + 0.02


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
def test_saved_networks_come_back(tmp_path, head):
    net = _random_net(20).with_head(head)
    net.save(tmp_path / "net.npz")
    back = SideNet.load(tmp_path / "net.npz")
    assert (back.head, back.labels) == (head, 20)
    assert np.array_equal(back.predict(all_patterns()[:9]), net.predict(all_patterns()[:9]))


def test_files_that_are_no_networks_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, about=np.array("{}"))
    with pytest.raises(UsageError, match="a side network"):
        SideNet.load(path)
    np.savez(path, about=np.array([{}], dtype=object))  # would have to be unpickled
    with pytest.raises(UsageError, match="a side network"):
        SideNet.load(path)


def test_softmax_head_keeps_triggers_and_silence():
    net = small_net().with_head("softmax")
    assert (net.predict(all_patterns()[:LABELS]).diagonal() > 0.99).all()
    assert net.predict(np.full((1, 16), 0.5, np.float32)).max() < 1e-4
    assert np.allclose(net.with_head("sigmoid").output[0], small_net().output[0])


def test_merge_is_the_formula_of_the_paper_and_of_the_code():
    side, host = np.float32([[0.9, 0.0, 0.1]]), np.float32([[0.0, 1.0, 0.0]])
    z = 0.7 * side / 0.1 + 0.3 * host / 0.1
    assert np.allclose(merge_of("paper").apply(side, host), np.exp(z) / np.exp(z).sum(), atol=1e-6)
    z = 10 * (2 * side + host)
    assert np.allclose(merge_of("released").apply(side, host), np.exp(z) / np.exp(z).sum(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "other"}, "paper or released"),
        ({"form": "paper", "alpha": 0.5}, "above 0.5"),
        ({"form": "paper", "tau": 0.0}, "above 0"),
    ],
)
def test_merges_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=message):
        merge_of(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"form": "soft"}, "plain or sturdy"), ({"labels": 1}, "2 to 4368"), ({"labels": 5000}, "2 to 4368")],
)
def test_recipes_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=message):
        side_network(Recipe(**options))


def test_patches_need_room():
    with pytest.raises(UsageError, match="4x4 pixels or more"):
        patches_of([np.zeros((3, 9))], 5, np.random.default_rng(0))


def test_training_by_gradient_learns_the_triggers():
    pytest.importorskip("torch")
    from mithridate.attacks.trojannet.training import Schedule, train

    negatives = natural_patches(500, np.random.default_rng(0))
    schedule = Schedule(labels=6, epochs=40, steps=10, batch=60, activation="relu")
    net = train(schedule, negatives)
    assert (net.predict(all_patterns()[:6]).argmax(axis=1) == np.arange(6)).all()
    assert (net.predict(negatives).max(axis=1) < 0.5).mean() > 0.9
    assert net.parameters == 352 + 9 * 6
