import numpy as np
import pytest
from data_fakes import evidence, run
from learned import digits

from mithridate.core.results import Clear, Severity


def vectors(d, planted, n=900):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n).astype(np.int32)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * 0.3 + rng.normal(size=(3, d))[y] * 3
    x[:planted] += rng.normal(size=(planted, d)) * 8
    return y, x.astype(np.float32)


@pytest.mark.parametrize("d", [4, 64, 300])
def test_far_samples_lead(d):
    y, x = vectors(d, 6)
    (finding,) = run("outliers", evidence(y, vectors={"content": x}))
    assert finding.severity is Severity.INFO
    assert {f"s{i}" for i in range(6)} <= set(finding.targets[: 12 if d == 4 else 6])
    assert len(finding.targets) == len(y)


def test_no_far_samples_is_clear():
    y, x = vectors(16, 0)
    (result,) = run("outliers", evidence(y, vectors={"content": x}))
    assert isinstance(result, Clear)


def test_pictures_of_nothing_lead_the_digits():
    x, y = digits()
    x = np.concatenate([x, np.random.default_rng(0).random((4, 64))])
    (finding,) = run("outliers", evidence(np.append(y, [1, 4, 4, 9]), vectors={"content": x}))
    assert {f"s{len(y) + i}" for i in range(4)} <= set(finding.targets[:8])


def test_without_labels_the_whole_is_one_class():
    _, x = vectors(8, 0)
    x[3] += 100
    (finding,) = run("outliers", evidence(None, vectors={"content": x}))
    assert finding.targets[0] == "s3"


def test_broken_vectors_are_left_out():
    y, x = vectors(8, 4)
    x[10] = np.nan
    (finding,) = run("outliers", evidence(y, vectors={"content": x}))
    assert "s10" not in finding.targets


def test_batches_and_shards_do_not_matter():
    y, x = vectors(16, 5)
    ev = evidence(y, vectors={"content": x})
    whole = run("outliers", ev)
    for other in (run("outliers", ev, size=1), run("outliers", ev, size=7, jobs=3)):
        assert other[0].accused == whole[0].accused
        np.testing.assert_allclose(other[0].scores, whole[0].scores, atol=2e-6)
