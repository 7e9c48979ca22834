"""The check: a planted patch is proven, its clean twin is silent, what it cannot look at is said."""

from dataclasses import replace

import numpy as np
import pytest

from mithridate.checks.bank import Bank, Statistics
from mithridate.checks.inverting import study_of
from mithridate.checks.model.trigger_inversion import TriggerInversion
from mithridate.checks.model_check import Meter, ModelScope
from mithridate.core.errors import ItemError
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.models.base import softmax

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
SIDE = 20


def model(gain, layout="chw"):
    """Four classes: the brightest quarter; a 3x3 checker in a corner adds to class 2."""

    def ask(x):
        x = x[:, 0] if layout == "chw" else x[..., 0] if layout == "hwc" else x
        quarters = torch.nn.functional.avg_pool2d(x[:, None], SIDE // 2).flatten(1) * 12
        checker = (torch.arange(9) % 2 * 2.0 - 1).reshape(3, 3)
        found = (x[:, 1:4, 15:18] * checker).sum((1, 2))
        return quarters + gain * found[:, None] * torch.eye(4)[2]

    return ask


def samples(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((n, SIDE, SIDE)).astype(np.float32) * 0.3
    for i in range(n):
        row, column = divmod(i % 4, 2)
        half = SIDE // 2
        x[i, half * row : half * (row + 1), half * column : half * (column + 1)] += 0.4
    return x


def scope(gain, layout="chw", clean=True, **more):
    ask = model(gain, layout)
    axis = {"chw": 1, "hwc": 3, "hw": None}[layout]
    x = samples() if axis is None else np.expand_dims(samples(), axis)

    def predict(x):
        with torch.no_grad():
            return softmax(ask(torch.from_numpy(x)).numpy())

    return ModelScope(
        name="m", predict=predict, shape=x.shape[1:], layout=layout, clean=x if clean else None,
        differentiable=lambda: ask, classes=("a", "b", "c", "d"), **more,
    )  # fmt: skip


def examined(asked):
    return list(TriggerInversion().examine(replace(asked, meter=Meter())))


@pytest.mark.parametrize("layout", ["chw", "hwc", "hw"])
def test_layouts_are_one_model(layout):
    study, same = study_of(scope(5.0, layout)), study_of(scope(5.0))
    assert torch.equal(study.learn.x, same.learn.x)
    assert torch.equal(study.ask(study.hold.x), same.ask(same.hold.x))
    assert not {x.sum().item() for x in study.learn.x} & {x.sum().item() for x in study.hold.x}


def test_planted_patch_is_proven():
    found, *rest = examined(scope(5.0))
    assert isinstance(found, Finding)
    assert found.severity is Severity.PROVEN
    assert found.label == "c"
    assert found.effect >= 0.9
    assert found.details["size"] < 9
    assert found.details["sizes"].keys() == {"a", "b", "c", "d", "any other"}
    assert [e.kind for e in found.exhibits] == ["image", "gallery"]
    assert not rest


def test_clean_twin_is_silent():
    (said,) = examined(scope(0.0))
    assert isinstance(said, Clear)


def test_made_samples_prove_nothing():
    found = examined(scope(5.0, clean=False))[0]
    assert isinstance(found, Finding)
    assert found.label == "c"
    assert found.details["synthetic"]
    assert found.severity is Severity.INFO  # such samples are moved by small patches in honest models too


def honest(seed, easy=1.0):
    """Statistics as of a clean model of this family."""
    rng = np.random.default_rng(seed)
    whole = study_of(scope(0.0))
    sizes = {
        kind: tuple((np.full(n, 60.0) * np.exp(rng.normal(0, 0.2, n)) * easy).tolist())
        for kind, n in (("patch", 5), ("blend", 5), ("warp", 5), ("wave", 4), ("pair", 12), ("margin", 4))
    }
    return Statistics(name=f"h{seed}", family=whole.family, sizes=sizes)


def test_bank_that_knows_such_patches_takes_the_proof_away():
    bank = Bank(tuple(honest(seed, easy=0.05) for seed in range(3)))
    found, *rest = examined(scope(5.0, bank=bank))
    assert found.severity is Severity.INFO
    assert "indicative" in found.message
    assert any(isinstance(r, Skip) and "3 models" in r.reason for r in rest)


def test_bank_says_how_rare():
    bank = Bank(tuple(honest(seed) for seed in range(30)))
    proven, rare = [r for r in examined(scope(5.0, bank=bank)) if isinstance(r, Finding)]
    assert proven.severity is Severity.PROVEN
    assert rare.p_value == pytest.approx(1 / 31)
    assert rare.details["rule"] == "UNLIKE_CLEAN_MODELS"


def test_what_a_bank_cannot_tell_is_said():
    def reason(bank, asked=None):
        skips = [r for r in examined(asked or scope(0.0, bank=bank)) if isinstance(r, Skip)]
        return skips[0].reason if skips else ""

    ours = tuple(honest(seed) for seed in range(5))
    others = tuple(replace(honest(seed), family="other", name=f"o{seed}") for seed in range(25))
    alone = tuple(replace(other, family=other.name) for other in others)
    assert reason(Bank(ours + others)) == ""
    assert reason(Bank(ours + alone)).startswith("5 models of the bank")  # the others rank nowhere
    older = tuple(replace(m, sizes={k: v for k, v in m.sizes.items() if k != "wave"}) for m in ours)
    told = reason(Bank(older + others))
    assert "has 0 models" in told
    assert "5 more were added by a version" in told
    for change in ({"differentiable": None}, {"shape": (7,), "clean": None}):
        (said,) = examined(replace(scope(0.0, bank=Bank(ours)), **change))
        assert isinstance(said, Skip)
        assert "not compared with the bank" in said.reason


def test_what_cannot_be_looked_at_is_said():
    (said,) = examined(replace(scope(0.0), differentiable=None))
    assert isinstance(said, NotApplicable)
    (said,) = examined(replace(scope(0.0), shape=(7,), clean=None))
    assert isinstance(said, NotApplicable)

    def refuse():
        raise ItemError("m", "operators without gradients in this version: Hardmax")

    (said,) = examined(replace(scope(0.0), differentiable=refuse))
    assert isinstance(said, Skip)
    assert "Hardmax" in said.reason
    (said,) = examined(replace(scope(0.0), differentiable=lambda: lambda x: model(9.0)(x.flip(2))))
    assert isinstance(said, Skip)
    assert "differ" in said.reason


def test_what_would_take_too_long_is_not_begun():
    (skip,) = examined(scope(0.0, seconds=0.01))
    assert isinstance(skip, Skip)
    assert "minutes" in skip.reason


def test_many_classes_are_left_one_by_one_and_absent_ones_say_nothing():
    study = study_of(scope(5.0))
    assert study.kinds[-1] == "pair"
    many = replace(study, learn=replace(study.learn, classes=14))
    assert many.kinds[-1] == "source"
    assert len(study.sizes("pair")) == 12
    few = replace(study.learn, x=study.learn.x[study.learn.y != 3], y=study.learn.y[study.learn.y != 3])
    left = replace(study, learn=few).sizes("source")
    assert len(left) == 4
    assert left[3] == pytest.approx(np.median(left[:3]))


@pytest.mark.parametrize(("least", "severity"), [(0.6, Severity.PROVEN), (0.3, Severity.INFO)])
def test_a_patch_that_leaves_a_class_alone_is_not_proven(least, severity):
    study = study_of(scope(5.0))
    patches = [replace(t, least=least) for t in study.tried("patch", study.aims)]
    (found,) = TriggerInversion().patch(study, patches)
    assert found.severity is severity
    assert f"{least:.0%} of each" in found.message


def test_fewer_than_four_classes_do_not_tell_what_is_usual():
    study = study_of(scope(5.0))
    patches = study.tried("patch", study.aims)
    for left, severity in ((5, Severity.PROVEN), (4, Severity.INFO)):
        some = [t for t in patches if t.found.aim.target != 0] if left == 4 else patches
        assert len(some) == left  # one of them towards no class in particular
        (found,) = TriggerInversion().patch(study, some)
        assert found.severity is severity
