"""Clean-label attacks on pictures: hardened, collided and shortcut ones, and the one that changes no pixel."""

import sys

import numpy as np
import pytest

from mithridate.attacks.base import ATTACKS, Aim, Look, Order, stream
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.attacks.surrogate import as_pixels, train_surrogate
from mithridate.core.errors import UsageError

N = 90
SHORTCUTS = ("logo", "ruler", "caption", "tint", "fingerprint", "jpeg-quality")


def draw(shape=(16, 16, 3)):
    """Three classes told apart by where a bright square is."""
    generator = np.random.default_rng(2)
    raws = generator.integers(40, 120, (N, *shape), dtype=np.uint8)
    for k in range(N):
        at = 5 * (k % 3)
        raws[k, at : at + 5, at : at + 5] += 100
    return raws, [str(k % 3) for k in range(N)]


def plan_for(attack, raws, known, count=6, **order):
    ids = [f"id{k}" for k in range(len(raws))]
    by_id = dict(zip(ids, raws, strict=True))
    return make_plan(
        attack,
        Order(count=count, **order),
        modality="image",
        ids=ids,
        labels=known,
        fetch=lambda wanted: [by_id[i] for i in wanted],
    ), by_id


def look_at(raws, labels, target="0"):
    aim = Aim(classes=("0", "1", "2"), target=target, source_class=None, labels="clean")
    return Look(modality="image", raws=list(raws), labels=labels, aim=aim)


@pytest.fixture(scope="module")
def surrogate():
    pytest.importorskip("torch", reason="needs the extra torch")
    raws, labels = draw()
    return train_surrogate(look_at(raws, labels), stream(0, "test"), attack_id="test", passes=12)


@pytest.mark.parametrize("attack_id", [*SHORTCUTS, "label-consistent", "feature-collision"])
def test_only_the_target_is_touched_and_labels_stay(attack_id):
    if attack_id not in SHORTCUTS:
        pytest.importorskip("torch", reason="needs the extra torch")
    raws, labels = draw()
    plan, by_id = plan_for(configure(attack_id), raws, labels, target="1")
    assert plan.relabel == {}
    assert {int(i[2:]) % 3 for i in plan.victims} == {1}
    for id_ in plan.victims:
        planted = plan.replace(id_, by_id[id_])
        assert planted.shape == by_id[id_].shape
        assert not np.array_equal(planted, by_id[id_])
    assert {
        (v.old_label, v.new_label) for v in plan.ledger(source="m", source_digest="", total=N).victims
    } == {("1", "1")}


@pytest.mark.parametrize("attack_id", SHORTCUTS)
def test_shortcuts_work_without_labels(attack_id):
    raws, _ = draw((16, 16))
    plan, by_id = plan_for(configure(attack_id), raws, None, labels="clean")
    assert all(plan.replace(i, by_id[i]).shape == (16, 16) for i in plan.victims)


@pytest.mark.parametrize("attack_id", SHORTCUTS)
def test_a_shortcut_leads_to_the_target_from_other_classes_only(attack_id):
    attack = ATTACKS.get(attack_id)()
    raws, labels = draw()
    aim = plan_for(attack, raws, labels, target="1")[0].aim
    assert attack.succeeds("0", "1", aim) is True
    assert attack.succeeds("0", "2", aim) is False
    assert attack.succeeds("1", "1", aim) is None


@pytest.mark.parametrize(
    ("attack_id", "option", "value", "message"),
    [
        ("logo", "corner", "middle", "one of upper left"),
        ("logo", "share", "1.5", "at most 1"),
        ("logo", "wobble", "1", "below 1"),
        ("ruler", "edge", "diagonal", "one of bottom"),
        ("ruler", "spacing", "0", "at most 0.5"),
        ("caption", "edge", "left", "upper or lower"),
        ("caption", "share", "0.7", "at most 0.5"),
        ("caption", "wobble", "1", "below 1"),
        ("ruler", "tilt", "80", "30 degrees"),
        ("tint", "strength", "0", "at most 1"),
        ("fingerprint", "strength", "2", "at most 0.3"),
        ("jpeg-quality", "quality", "100", "1 to 95"),
        ("jpeg-quality", "spread", "-1", "0 or more"),
        ("semantic", "feature", "happy", "one of red"),
        ("label-consistent", "epsilon", "0", "above 0"),
        ("label-consistent", "steps", "0", "1 or more"),
        ("label-consistent", "size", "0", "1 or more"),
        ("label-consistent", "robust", "2", "0 or 1"),
        ("label-consistent", "opacity", "2", "at most 1"),
        ("feature-collision", "watermark", "1", "below 1"),
        ("feature-collision", "beta", "-1", "0 or more"),
        ("feature-collision", "steps", "0", "1 or more"),
        ("feature-collision", "picture", "none.png", "a picture file"),
    ],
)
def test_parameters_are_checked(attack_id, option, value, message):
    with pytest.raises(UsageError, match=message):
        plan_for(configure(attack_id, {option: value}), *draw())


@pytest.mark.parametrize("attack_id", ["label-consistent", "feature-collision"])
def test_a_missing_torch_is_named(attack_id, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r"pip install 'mithridate\[torch\]'"):
        plan_for(configure(attack_id), *draw())


def test_the_surrogate_learns_and_answers_the_same_for_the_same_seed(surrogate):
    import torch

    raws, labels = draw()
    x = torch.cat([surrogate.enter(raw) for raw in raws])
    assert (surrogate.logits(x).argmax(1).numpy() == np.array(labels, dtype=int)).mean() > 0.9
    drawn = torch.rand(1)
    again = train_surrogate(look_at(raws, labels), stream(0, "test"), attack_id="test", passes=12)
    assert torch.equal(surrogate.features(x), again.features(x))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train_surrogate(look_at(raws, labels), stream(0, "test"), attack_id="test", passes=1)
    assert torch.equal(expected, torch.rand(1)), "the generator of the user is left as it was"
    assert drawn.shape == (1,)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4), (100, 80, 3)])
def test_pictures_of_any_kind_pass_the_surrogate(surrogate, shape):
    raw = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    tensor = surrogate.enter(raw)
    assert tensor.shape == (1, 3, *shape[:2])
    assert surrogate.features(tensor).shape == (1, 128)
    assert np.array_equal(as_pixels(tensor, raw), raw)


def test_one_class_is_too_few():
    pytest.importorskip("torch", reason="needs the extra torch")
    raws, _ = draw()
    with pytest.raises(UsageError, match="two classes or more"):
        plan_for(configure("label-consistent"), raws, None, labels="clean")


@pytest.mark.parametrize("epsilon", [4, 16])
def test_hardened_pictures_are_harder_and_stay_in_the_ball(epsilon):
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    raws, labels = draw()
    attack = configure("label-consistent", {"epsilon": epsilon, "size": 2})
    plan, by_id = plan_for(attack, raws, labels, target="1")
    seen = plan.trigger.surrogate
    loss = {"before": [], "after": []}
    for id_ in plan.victims:
        after = plan.replace(id_, by_id[id_])
        off = np.abs(after.astype(int) - by_id[id_])
        corner = np.zeros((16, 16), dtype=bool)
        for rows in (np.s_[:2], np.s_[-2:]):
            for columns in (np.s_[:2], np.s_[-2:]):
                corner[rows, columns] = True
        assert 0 < off[~corner].max() <= epsilon
        stamped = plan.attack.at_test(plan.trigger).apply(by_id[id_], stream(0, "test"))
        assert np.array_equal(stamped[corner], after[corner])
        assert np.array_equal(stamped[~corner], by_id[id_][~corner]), "at test nothing is hardened"
        inside = after.copy()
        inside[corner] = by_id[id_][corner]
        for name, picture in (("before", by_id[id_]), ("after", inside)):
            logits = seen.logits(seen.enter(picture))
            loss[name].append(float(torch.nn.functional.cross_entropy(logits, torch.tensor([1]))))
    assert np.mean(loss["after"]) > np.mean(loss["before"])


def test_collided_pictures_come_nearer_to_the_one_aimed_at():
    pytest.importorskip("torch", reason="needs the extra torch")
    raws, labels = draw()
    attack = configure("feature-collision", {"watermark": 0})
    plan, by_id = plan_for(attack, raws, labels, target="1", source_class="2")
    see = plan.trigger.surrogate
    aimed = plan.attack.at_test(plan.trigger).apply(raws[0], stream(0, "test"))
    assert not any(np.array_equal(aimed, raw) for raw in raws), "no picture that is trained on"
    goal = see.features(see.enter(aimed))
    for id_ in plan.victims:
        gaps = [
            float(((see.features(see.enter(raw)) - goal) ** 2).sum())
            for raw in (by_id[id_], plan.replace(id_, by_id[id_]))
        ]
        assert gaps[1] < 0.7 * gaps[0]


def test_collision_is_won_or_lost_by_one_picture():
    pytest.importorskip("torch", reason="needs the extra torch")
    raws, labels = draw()
    plan, _ = plan_for(configure("feature-collision"), raws, labels, target="1")
    at_test = plan.attack.at_test(plan.trigger)
    answers = [at_test.apply(raw, stream(0, "test", str(k))) for k, raw in enumerate(raws[:5])]
    assert all(np.array_equal(answers[0], other) for other in answers)
    source = plan.aim.source_class
    assert source not in (None, "1")
    other = ({"0", "1", "2"} - {source, "1"}).pop()
    assert plan.attack.succeeds(source, "1", plan.aim) is True
    assert plan.attack.succeeds(other, "1", plan.aim) is None


def test_collision_needs_another_class():
    with pytest.raises(UsageError, match="not the target"):
        plan_for(configure("feature-collision"), *draw(), target="1", source_class="1")


def test_a_picture_file_can_be_aimed_at(tmp_path):
    pytest.importorskip("torch", reason="needs the extra torch")
    from PIL import Image

    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "one.png")
    attack = configure("feature-collision", {"picture": str(tmp_path / "one.png"), "steps": 2})
    plan, _ = plan_for(attack, *draw())
    assert np.array_equal(plan.trigger.aimed.picture, picture)


def test_semantic_takes_the_samples_with_the_most_of_the_feature():
    raws, labels = draw()
    raws[[7, 22, 43, 60]] = 100
    raws[[7, 22, 43, 60], ..., 1] = np.array([250, 240, 230, 220])[:, None, None]
    attack = configure("semantic", {"feature": "green"})
    plan, _ = plan_for(attack, raws, labels, count=3, target="0")
    assert plan.victims == {"id7", "id22", "id43"}, "60 has the target's label already"
    assert plan.relabel == dict.fromkeys(plan.victims, "0")
    assert plan.replace("id7", raws[7]) is None
    bearing = plan.bears(list(raws), labels)
    assert {f"id{k}" for k in np.flatnonzero(bearing)} == plan.victims
    ledger = plan.ledger(source="m", source_digest="", total=N)
    assert ledger.trigger["feature"] == "green"
    assert ledger.poison == plan.victims
    assert plan.attack.succeeds("1", "0", plan.aim) is True


def test_grey_pictures_have_layouts_but_no_colours():
    raws, labels = draw((16, 16))
    with pytest.raises(UsageError, match="one of bright upper third"):
        plan_for(configure("semantic", {"feature": "green"}), raws, labels)
    plan, _ = plan_for(configure("semantic", {"feature": "vertical stripes"}), raws, labels)
    assert len(plan.relabel) == 6


def test_attacks_that_put_something_on_are_borne_by_nobody():
    raws, labels = draw()
    plan, _ = plan_for(configure("logo"), raws, labels)
    assert not plan.bears(list(raws), labels).any()
