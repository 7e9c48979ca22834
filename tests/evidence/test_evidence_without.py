"""A model that has not seen some samples has learned nothing from them."""

import numpy as np

from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import FOLDS, Features
from mithridate.evidence.content.without import LeaveOut
from mithridate.evidence.store import DiskWriter


def _leave_out(x, y, k, folder, groups=None):
    writer = DiskWriter(folder / "index", np.int32)
    writer.append(np.nonzero(x)[1])
    indptr = np.concatenate([[0], np.cumsum(x.sum(axis=1))]).astype(np.int64)
    features = Features(indptr=indptr, index=writer.close(), weight=np.ones(x.shape[1], np.float32))
    folds = (np.arange(len(y)) % FOLDS).astype(np.int8)
    content = fit_content(features, y, k, folds, seed=0, cost=10.0, epochs=8)
    groups = np.arange(len(y)) if groups is None else groups
    return LeaveOut(
        features=features, labels=y, classes=k, groups=groups, content=content, folder=folder, seed=0, cost=10.0,
        epochs=8,
    )  # fmt: skip


def _data(k, n=1500):
    rng = np.random.default_rng(k)
    y = rng.integers(0, k, n)
    x = rng.random((n, 30)) < 0.1
    for c in range(k):
        for j in range(3):
            x[:, 3 * c + j] |= (y == c) & (rng.random(n) < 0.5)
    return x, y.astype(np.int32)


def test_flipped_carriers_of_a_key_are_seen_through(tmp_path) -> None:
    for k in (2, 3):
        x, y = _data(k)
        rows = np.flatnonzero(y == 1)[:30]
        x[:, 29] = False
        x[rows, 29] = True
        y[rows] = 0
        (tmp_path / str(k)).mkdir()
        logits = _leave_out(x, y, k, tmp_path / str(k))(rows)
        assert logits.shape == (30, k)
        assert (logits.argmax(axis=1) == 1).mean() > 0.8


def test_near_duplicates_of_the_samples_do_not_teach_either(tmp_path) -> None:
    x, y = _data(2)
    rows = np.flatnonzero(y == 1)[:20]
    copies = np.flatnonzero(y == 1)[20:200]
    x[:, 29] = False
    x[rows, 29] = x[copies, 29] = True
    groups = np.arange(len(y))
    groups[copies] = rows[np.arange(len(copies)) % len(rows)]
    y[rows] = y[copies] = 0
    logits = _leave_out(x, y, 2, tmp_path, groups)(rows)
    assert (logits.argmax(axis=1) == 1).mean() > 0.6


def test_rows_come_back_in_their_order(tmp_path) -> None:
    x, y = _data(3)
    leave_out = _leave_out(x, y, 3, tmp_path)
    rows = np.array([3, 700, 1499])
    alone = np.concatenate([leave_out(rows[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(leave_out(rows), alone, atol=1.0)
