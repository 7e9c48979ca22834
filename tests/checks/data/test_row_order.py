import numpy as np
import pytest
from data_fakes import SHARE, evidence, run
from learned import cells, digits, logits, relabel

from mithridate.core.results import Clear, Severity


def block(data, start, length=30):
    x, y = data()
    rows = np.arange(start, start + length)
    given = relabel(y, rows, np.random.default_rng(start))
    return given, logits(x, given), rows


@pytest.mark.parametrize(
    ("data", "start"),
    [(cells, s) for s in (0, 120, 250, 380, 450, 470, 530)] + [(digits, s) for s in (0, 900, 1700)],
)
def test_a_mislabelled_block_is_found(data, start):
    given, z, rows = block(data, start)
    findings = run("row-order", evidence(given, z))
    assert len(findings) == 1
    (finding,) = findings
    assert finding.severity is Severity.SUSPICIOUS
    assert finding.p_value <= SHARE
    accused = {int(i[1:]) for i in finding.accused}
    assert len(accused & set(rows)) >= 24
    assert len(accused - set(rows)) <= 3


@pytest.mark.parametrize("data", [cells, digits])
@pytest.mark.parametrize("order", ["as it is", "by class", "by difficulty"])
def test_order_alone_is_no_block(data, order):
    x, y = data()
    z = logits(x, y)
    margin = z[np.arange(len(y)), y] - np.where(np.eye(z.shape[1])[y] > 0, -np.inf, z).max(1)
    by = {"as it is": np.arange(len(y)), "by class": y, "by difficulty": np.abs(margin)}[order]
    rows = np.argsort(by, kind="stable")
    (result,) = run("row-order", evidence(y[rows], z[rows]))
    assert isinstance(result, Clear), result.message
    assert "neighbouring rows" in result.limit


def test_scattered_noise_is_no_block():
    x, y = digits()
    rng = np.random.default_rng(0)
    given = relabel(y, np.flatnonzero(rng.random(len(y)) < 0.08), rng)
    (result,) = run("row-order", evidence(given, logits(x, given)))
    assert isinstance(result, Clear)


def test_frames_of_one_misread_film_count_once():
    x, y = cells()
    z, given = logits(x, y), y.copy()
    given[100:140] = 1 - given[100]
    z[100:140] = z[100]
    groups = np.arange(len(y))
    groups[100:140] = 100
    assert isinstance(run("row-order", evidence(given, z, groups=groups))[0], Clear)


def test_batches_and_shards_do_not_matter():
    given, z, _ = block(cells, 200)
    ev = evidence(given, z)
    whole = run("row-order", ev)
    assert run("row-order", ev, size=7) == whole
    assert run("row-order", ev, size=1, jobs=3) == whole


def test_more_rows_than_buckets():
    rng = np.random.default_rng(0)
    n = 40_000
    y = rng.integers(0, 2, n).astype(np.int32)
    z = np.where(np.eye(2)[y] > 0, 2.0, -2.0) + rng.normal(0, 0.7, (n, 2))
    y[20_000:20_060] = 1 - y[20_000:20_060]
    (finding,) = run("row-order", evidence(y, z))
    assert abs(finding.details["first_row"] - 20_000) <= 3
    assert abs(finding.details["last_row"] - 20_059) <= 3
