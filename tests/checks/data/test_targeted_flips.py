import numpy as np
import pytest
from data_fakes import SHARE, evidence, run
from learned import digits, logits, relabel

from mithridate.core.results import Clear, Finding, NotApplicable, Severity


def overlapping(n, seed, flips=0, noise=0.0, redrawn=0.0):
    """Two classes on a line with exact logits; `flips` of class 1 labelled 0, then diffuse noise."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.35).astype(np.int32)
    x = rng.normal(np.where(y == 1, 2.2, -2.2), 1.0)
    given = y.copy()
    wrong = rng.choice(np.flatnonzero(y == 1), flips, replace=False)
    given[wrong] = 0
    given = np.where(rng.random(n) < noise, 1 - given, given)
    given = np.where(rng.random(n) < redrawn, rng.permutation(given), given)
    z = 4.4 * x + np.log(0.35 / 0.65)
    return given, np.stack([-z / 2, z / 2], 1), wrong


@pytest.mark.parametrize("seed", range(10))
def test_one_sided_flips_are_told_as_an_attack(seed):
    given, z, wrong = overlapping(6000, seed, flips=63)  # 3 % of the class
    (finding,) = run("targeted-flips", evidence(given, z, classes=("ham", "spam")))
    assert finding.severity is Severity.SUSPICIOUS
    assert finding.p_value <= SHARE
    assert finding.label == "ham"
    assert "'spam'" in finding.message
    accused = {int(i[1:]) for i in finding.accused}
    assert len(accused & set(wrong)) >= 0.8 * len(wrong)
    assert len(accused - set(wrong)) <= 0.25 * len(accused)
    assert 0.015 <= finding.effect <= 0.045


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "made", [{}, {"noise": 0.05}, {"noise": 0.1}, {"redrawn": 0.1}, {"flips": 8}], ids=lambda m: str(m)
)
def test_honest_confusion_and_diffuse_noise_are_not(made, seed):
    given, z, _ = overlapping(6000, seed, **made)
    (result,) = run("targeted-flips", evidence(given, z))
    assert isinstance(result, Clear), result.message
    assert "labelled" in result.limit


def six_classes(seed, flips):
    rng = np.random.default_rng(seed)
    centres = np.eye(6) * 3.2
    y = rng.integers(0, 6, 6000).astype(np.int32)
    x = centres[y] + rng.normal(size=(6000, 6))
    z = -0.5 * np.square(x[:, None] - centres).sum(2)
    rows = rng.choice(np.flatnonzero(y == 3), flips, replace=False)
    return relabel(y, rows, rng, to=5), z, rows


@pytest.mark.parametrize("seed", range(5))
def test_flips_among_several_classes(seed):
    given, z, rows = six_classes(seed, 60)
    (finding,) = run("targeted-flips", evidence(given, z))
    assert (finding.details["content_says"], finding.details["label_says"]) == ("c3", "c5")
    assert finding.p_value <= SHARE
    assert len({int(i[1:]) for i in finding.accused} & set(rows)) >= 50


@pytest.mark.parametrize("seed", range(5))
def test_several_clean_classes_are_clear(seed):
    given, z, _ = six_classes(seed, 0)
    assert isinstance(run("targeted-flips", evidence(given, z))[0], Clear)


@pytest.mark.parametrize("noise", [0.0, 0.08])
def test_clean_and_noisy_digits_are_clear(noise):
    x, y = digits()
    rng = np.random.default_rng(4)
    given = relabel(y, np.flatnonzero(rng.random(len(y)) < noise), rng)
    (result,) = run("targeted-flips", evidence(given, logits(x, given)))
    assert isinstance(result, Clear), result.message


@pytest.mark.parametrize("planted", [True, False])
def test_a_source_with_changed_labels(planted):
    given, z, _ = overlapping(4000, 5)
    source = np.random.default_rng(5).integers(0, 8, 4000)
    if planted:
        mine = np.flatnonzero(source == 6)[:120]
        given[mine] = 1 - given[mine]
    results = run("targeted-flips", evidence(given, z, sources=source))
    found = [r for r in results if isinstance(r, Finding) and r.details.get("source")]
    assert [r.details["source"] for r in found] == (["site 6"] if planted else [])
    if planted:
        hit = np.isin([int(i[1:]) for i in found[0].accused], mine)
        assert hit.mean() >= 0.9
        assert hit.sum() >= 90


def test_near_duplicates_count_once():
    given, z, _ = overlapping(6000, 0, flips=1)
    victim = int(np.argmax(np.where(given == 0, z[:, 1], -np.inf)))
    again = np.full(200, victim)
    groups = np.concatenate([np.arange(6000), np.full(200, victim)])
    ev = evidence(np.concatenate([given, given[again]]), np.concatenate([z, z[again]]), groups=groups)
    assert isinstance(run("targeted-flips", ev)[0], Clear)


def test_one_class_is_not_applicable():
    z = np.zeros((30, 2))
    (result,) = run("targeted-flips", evidence(np.zeros(30, int), z, classes=("a", "b")))
    assert isinstance(result, NotApplicable)


def test_batches_and_shards_do_not_matter():
    given, z, _ = overlapping(3000, 1, flips=60)
    ev = evidence(given, z, sources=np.arange(3000) % 3)
    whole = run("targeted-flips", ev)
    assert run("targeted-flips", ev, size=7) == whole
    assert run("targeted-flips", ev, size=1, jobs=2) == whole
