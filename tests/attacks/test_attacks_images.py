"""What each attack on pictures does beyond what every attack must: labels, covers, the trigger at test time."""

import dataclasses

import numpy as np
import pytest

from mithridate.attacks.base import Aim, Order
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.core.errors import UsageError
from mithridate.triggers.image import Blend, Patch
from mithridate.triggers.partial import AllOf, BlendedPieces, OneOf
from mithridate.triggers.warp import Warp

CLASSES = [str(c) for c in range(5)]
N = 300


def plan_of(attack, order, classes=5, shape=(16, 16, 3), n=N):
    """(plan, {id: picture}, {id: label})."""
    rng = np.random.default_rng(7)
    raws = {f"p{i}": rng.integers(0, 256, shape, dtype=np.uint8) for i in range(n)}
    labels = {f"p{i}": CLASSES[i % classes] for i in range(n)}
    plan = make_plan(
        attack,
        order,
        modality="image",
        ids=list(raws),
        labels=list(labels.values()),
        fetch=lambda wanted: [raws[i] for i in wanted],
    )
    return plan, raws, labels


def ledger_of(attack, order, **kind):
    plan, raws, _ = plan_of(attack, order, **kind)
    for i in plan.victims:
        plan.replace(i, raws[i])
    return plan.ledger(source="memory", source_digest="0", total=len(raws))


def aim(attack, **kind):
    settings = {"classes": tuple(CLASSES), "target": "2", "source_class": None, "labels": attack.habit}
    return Aim(**{**settings, **kind})


@pytest.mark.parametrize(
    ("attack_id", "covers"),
    [
        ("wanet", 40),
        ("tact", 20),
        ("adap-blend", 20),
        ("adap-patch", 40),
        ("all-to-all", 0),
        ("untargeted", 0),
    ],
)
def test_covers_by_default(attack_id, covers):
    ledger = ledger_of(configure(attack_id), Order(count=20, seed=2))
    found = [v for v in ledger.victims if v.cover]
    assert len(found) == covers
    assert len(ledger.poison) == 20
    assert all(v.new_label == v.old_label for v in found)
    if attack_id != "wanet":
        assert all(v.old_label != ledger.target for v in found)


@pytest.mark.parametrize("attack_id", ["wanet", "tact", "adap-blend", "adap-patch"])
@pytest.mark.parametrize(("ratio", "covers"), [("0", 0), ("0.5", 5), ("3", 30)])
def test_cover_ratio_is_obeyed(attack_id, ratio, covers):
    ledger = ledger_of(configure(attack_id, {"cover_ratio": ratio}), Order(count=10))
    assert sum(v.cover for v in ledger.victims) == covers


def test_all_to_all_relabels_every_class_to_the_next():
    ledger = ledger_of(configure("all-to-all"), Order(count=60, seed=1))
    assert ledger.target is None
    assert ledger.labels == "all-to-all"
    assert {(v.old_label, v.new_label) for v in ledger.victims} == set(
        zip(CLASSES, [*CLASSES[1:], CLASSES[0]], strict=True)
    )


def test_untargeted_labels_are_uniform_over_all_classes():
    ledger = ledger_of(configure("untargeted"), Order(count=1500, seed=3), n=1600, shape=(6, 6))
    pairs = np.zeros((5, 5))
    for victim in ledger.victims:
        pairs[int(victim.old_label), int(victim.new_label)] += 1
    # 1,500 over 25 cells: 60 each, standard deviation 7.6.
    assert pairs.min() > 30
    assert pairs.max() < 90
    assert 0.15 < np.trace(pairs) / 1500 < 0.25
    # Victims that keep their label are poison: their content changed.
    assert len(ledger.poison) == 1500


@pytest.mark.parametrize(
    ("attack_id", "settings", "label", "predicted", "success"),
    [
        ("all-to-all", {"target": None}, "1", "2", True),
        ("all-to-all", {"target": None}, "4", "0", True),
        ("all-to-all", {"target": None}, "1", "1", False),
        ("all-to-all", {"target": None, "source_class": "3"}, "1", "2", None),
        ("untargeted", {"target": None}, "1", "4", True),
        ("untargeted", {"target": None}, "1", "1", False),
        ("untargeted", {"target": None, "source_class": "3"}, "1", "4", None),
        ("tact", {"source_class": "0"}, "0", "2", True),
        ("tact", {"source_class": "0"}, "0", "1", False),
        ("tact", {"source_class": "0"}, "1", "2", None),
        ("wanet", {}, "2", "2", None),
        ("wanet", {}, "1", "2", True),
        ("adap-blend", {}, "1", "1", False),
    ],
)
def test_what_success_is(attack_id, settings, label, predicted, success):
    attack = configure(attack_id)
    assert attack.succeeds(label, predicted, aim(attack, **settings)) is success


@pytest.mark.parametrize(
    ("source", "target", "number", "covering"),
    [
        ("1", "0", 2, {"2", "3"}),
        ("3", "4", 2, {"0", "1"}),
        ("4", "0", 1, {"1"}),
        ("2", "3", 9, {"0", "1", "4"}),
    ],
)
def test_tact_takes_victims_from_one_class_and_covers_from_others(source, target, number, covering):
    attack = configure("tact", {"cover_classes": number})
    ledger = ledger_of(attack, Order(count=30, target=target, source_class=source, seed=5))
    poison = [v for v in ledger.victims if not v.cover]
    assert {(v.old_label, v.new_label) for v in poison} == {(source, target)}
    assert {v.old_label for v in ledger.victims if v.cover} == covering


def test_tact_draws_its_classes():
    drawn = [ledger_of(configure("tact"), Order(count=5, seed=seed)) for seed in range(8)]
    assert all(ledger.source_class not in (None, ledger.target) for ledger in drawn)
    assert len({(ledger.source_class, ledger.target) for ledger in drawn}) > 3


def test_wanet_covers_get_the_field_with_noise_of_their_own():
    plan, raws, labels = plan_of(configure("wanet"), Order(count=20, target="2", seed=4))
    ledger_victims = {v: plan.replace(v, raws[v]) for v in plan.victims}
    rng = np.random.default_rng(0)
    clean = {i: plan.trigger.apply(raws[i], rng) for i in plan.victims}
    moved = {i for i, new in ledger_victims.items() if not np.array_equal(new, clean[i])}
    assert len(moved) == 40
    assert not moved & set(plan.relabel)
    assert any(labels[i] == "2" for i in moved)
    same = np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    one, two = sorted(moved)[:2]
    assert not np.array_equal(plan.replace(one, same), plan.replace(two, same))
    assert plan.attack.at_test(plan.trigger) is plan.trigger
    assert plan.trigger.jitter == 0


def test_wanet_field_is_normalised():
    plan, _, _ = plan_of(configure("wanet", {"grid": 6, "strength": 1.5}), Order(count=3))
    assert isinstance(plan.trigger, Warp)
    assert plan.trigger.field.shape == (6, 6, 2)
    assert plan.trigger.strength == 1.5
    assert np.abs(plan.trigger.field).mean() == pytest.approx(1)


def test_adap_blend_shows_half_in_training_and_all_at_test():
    plan, _, _ = plan_of(configure("adap-blend"), Order(count=5))
    trained, tested = plan.trigger, plan.attack.at_test(plan.trigger)
    assert isinstance(trained, BlendedPieces)
    assert (trained.alpha, trained.cut, trained.kept) == (0.15, 4, 8)
    assert type(tested) is Blend
    assert tested.alpha == 0.2
    assert np.array_equal(tested.pattern, trained.pattern)


def test_adap_patch_shows_one_faint_patch_in_training_and_two_opaque_ones_at_test():
    plan, raws, _ = plan_of(configure("adap-patch"), Order(count=60), shape=(32, 32, 3))
    trained, tested = plan.trigger, plan.attack.at_test(plan.trigger)
    assert isinstance(trained, OneOf)
    assert isinstance(tested, AllOf)
    assert [patch.opacity for patch in trained.patches] == [0.5, 0.2, 0.5, 0.3]
    assert [patch.opacity for patch in tested.patches] == [1.0, 1.0]
    trained_patches = [(p.pattern.tobytes(), p.place) for p in trained.patches]
    assert all((p.pattern.tobytes(), p.place) in trained_patches for p in tested.patches)
    corners = [frozenset(_corners(raws[i], plan.replace(i, raws[i]))) for i in plan.victims]
    assert {len(touched) for touched in corners} == {1}
    shares = [corners.count(corner) / len(corners) for corner in set(corners)]
    assert len(shares) == 4
    assert min(shares) > 0.12
    assert len(_corners(raws["p0"], tested.apply(raws["p0"], np.random.default_rng(0)))) == 2


def _corners(before, after):
    """Which quarters of the picture changed."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return set(zip(rows >= 16, columns >= 16, strict=True))


@pytest.mark.parametrize("shape", [(28, 28), (12, 40, 3), (9, 9, 4)])
@pytest.mark.parametrize(
    "attack_id", ["all-to-all", "untargeted", "wanet", "tact", "adap-blend", "adap-patch", "low-frequency"]
)
def test_pictures_of_any_shape(attack_id, shape):
    plan, raws, _ = plan_of(configure(attack_id), Order(count=10), shape=shape, n=100)
    tested = plan.attack.at_test(plan.trigger)
    for i in plan.victims:
        for new in (plan.replace(i, raws[i]), tested.apply(raws[i], np.random.default_rng(0))):
            assert new.shape == shape
            assert new.dtype == np.uint8
            assert not np.array_equal(new, raws[i])
            if shape[-1] == 4:
                assert np.array_equal(new[..., 3], raws[i][..., 3])


def test_untargeted_patch_sits_in_the_last_corner():
    plan, raws, _ = plan_of(configure("untargeted"), Order(count=5))
    assert isinstance(plan.trigger, Patch)
    changed = (plan.trigger.apply(raws["p0"], None) != raws["p0"]).any(axis=2)
    assert changed[13:, 13:].sum() >= 8
    assert changed.sum() == changed[13:, 13:].sum()


def test_surrogate_pattern_points_from_the_rest_to_the_target():
    """Class 2 has light to the left; the linear model's pattern must be lighter there too."""
    rng = np.random.default_rng(1)
    slope = np.linspace(30, -30, 16)[None, :, None]
    labels = [CLASSES[i % 5] for i in range(N)]
    raws = {
        f"p{i}": np.clip(120 + slope * (y == "2") + rng.normal(0, 20, (16, 16, 1)), 0, 255).astype(np.uint8)
        for i, y in enumerate(labels)
    }
    plan = make_plan(
        configure("low-frequency", {"pattern": "surrogate", "amplitude": "9"}),
        Order(count=5, target="2"),
        modality="image",
        ids=list(raws),
        labels=labels,
        fetch=lambda wanted: [raws[i] for i in wanted],
    )
    pattern = plan.trigger.pattern(16, 16)[..., 0]
    assert pattern[:, :4].mean() > 3 > -3 > pattern[:, -4:].mean()
    assert np.abs(pattern).max() == pytest.approx(9)
    assert plan.trigger.pattern(8, 20).mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("attack_id", "options", "order", "kind", "message"),
    [
        ("all-to-all", {}, Order(count=5, labels="dirty"), {}, "labels all-to-all"),
        ("all-to-all", {}, Order(count=5, target="1"), {}, "no target"),
        ("untargeted", {}, Order(count=5, target="1"), {}, "no target"),
        ("untargeted", {}, Order(count=5, labels="clean"), {}, "labels dirty"),
        ("untargeted", {}, Order(count=5), {"shape": (2, 9)}, "at least 3x3"),
        ("wanet", {"grid": "1"}, Order(count=5), {}, "grid"),
        ("wanet", {"strength": "0"}, Order(count=5), {}, "above 0"),
        ("wanet", {"strength": "nan"}, Order(count=5), {}, "above 0"),
        ("wanet", {"cover_ratio": "-1"}, Order(count=5), {}, "0 or more"),
        ("wanet", {}, Order(count=120), {}, "240 samples to cover 120 victims, got '?180"),
        ("tact", {}, Order(count=5), {"classes": 2}, "three classes"),
        ("tact", {"cover_classes": "0"}, Order(count=5), {}, "1 or more"),
        ("tact", {"cover_ratio": "9"}, Order(count=50), {}, "450 samples to cover"),
        ("adap-blend", {"masked": "1"}, Order(count=5), {}, "below 1"),
        ("adap-blend", {"cut": "0"}, Order(count=5), {}, "1 or more"),
        ("adap-blend", {"test_alpha": "0"}, Order(count=5), {}, "test_alpha"),
        ("adap-blend", {"alpha": "2"}, Order(count=5), {}, "at most 1"),
        ("adap-patch", {"size": "0"}, Order(count=5), {}, "1 or more"),
        ("adap-patch", {"size": "17"}, Order(count=5), {}, "at least 17x17"),
        ("low-frequency", {"frequencies": "1"}, Order(count=5), {}, "2 or more"),
        ("low-frequency", {"amplitude": "0"}, Order(count=5), {}, "above 0"),
        ("low-frequency", {"pattern": "rings"}, Order(count=5), {}, "random or surrogate"),
        (
            "low-frequency",
            {"pattern": "surrogate"},
            Order(count=5, labels="all-to-all"),
            {},
            "random where samples of a target",
        ),
    ],
)
def test_refused(attack_id, options, order, kind, message):
    with pytest.raises(UsageError, match=message):
        ledger_of(configure(attack_id, options), order, **kind)


def test_same_seed_same_trigger_and_another_seed_another():
    for attack_id in ("wanet", "adap-blend", "adap-patch", "low-frequency", "tact"):
        one, same, other = (
            ledger_of(configure(attack_id), Order(count=5, target="1", seed=seed)) for seed in (1, 1, 2)
        )
        assert one == same
        assert one.trigger != other.trigger
        assert dataclasses.asdict(configure(attack_id)) == one.parameters
