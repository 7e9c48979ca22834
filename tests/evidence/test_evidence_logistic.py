from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from evidence_samples import probabilities

from mithridate.evidence.content import fit
from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import FOLDS, Features, assign_folds
from mithridate.evidence.store import DiskWriter, Scratch


def _features(x: np.ndarray, tmp_path, weight: np.ndarray | None = None) -> Features:
    writer = DiskWriter(tmp_path / "features", np.int32)
    writer.append(np.nonzero(x)[1])
    indptr = np.concatenate([[0], np.cumsum(x.sum(axis=1))]).astype(np.int64)
    weight = np.ones(x.shape[1], np.float32) if weight is None else weight
    return Features(indptr=indptr, index=writer.close(), weight=weight)


def _data(k: int, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(k)
    y = rng.integers(0, k, n)
    x = rng.random((n, 40)) < 0.1
    for c in range(k):
        x[:, c] |= (y == c) & (rng.random(n) < 0.6)
    return x, y.astype(np.int32)


@pytest.mark.parametrize("k", [2, 3])
def test_weights_are_those_of_scikit_learn(k: int, tmp_path) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = _data(k)
    folds = (np.arange(len(y)) % FOLDS).astype(np.int8)
    model = fit_content(_features(x, tmp_path), y, k, folds, seed=0, cost=1.0, epochs=60, refit=False)
    unit = x / np.maximum(np.sqrt(x.sum(axis=1, keepdims=True)), 1e-9)
    seen = folds != 0
    target = (y == 1) if k == 2 else (y == 2)
    reference = LogisticRegression(C=1.0, solver="liblinear", tol=1e-8).fit(unit[seen], target[seen])
    mine = model.weights[:, 0, 0 if k == 2 else 2]
    slope = mine @ reference.coef_[0] / (reference.coef_[0] @ reference.coef_[0])
    np.testing.assert_allclose(mine, slope * reference.coef_[0], atol=0.02 * slope)


@pytest.mark.parametrize("k", [2, 3])
def test_a_sample_without_the_key_has_the_logits_without_its_offset(k: int, tmp_path) -> None:
    x, y = _data(k)
    folds = (np.arange(len(y)) % FOLDS).astype(np.int8)
    model = fit_content(_features(x, tmp_path), y, k, folds, seed=0, cost=1.0, epochs=10)
    writer = DiskWriter(tmp_path / "keys", np.int32)
    carriers = np.flatnonzero(x[:, 0] & x[:, 5])
    writer.append(np.zeros(len(carriers)))
    indptr = np.concatenate([[0], np.cumsum(x[:, 0] & x[:, 5])]).astype(np.int64)
    offsets = model.offsets(indptr, writer.close(), np.array([[0, 5, 5, -1]]))(0, len(y))
    weights = (
        model.weights[[0, 5]][:, folds[carriers]].sum(axis=0) / np.sqrt(x[carriers].sum(axis=1))[:, None]
    )
    want = np.concatenate([-weights / 2, weights / 2], axis=1) if k == 2 else weights
    np.testing.assert_allclose(offsets, want, rtol=1e-4, atol=1e-5)


def test_probabilities_are_calibrated_and_out_of_fold(tmp_path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 4000).astype(np.int32)
    x = rng.random((4000, 40)) < np.where((np.arange(40) % 2) == y[:, None], 0.38, 0.25)
    noise = rng.integers(0, 2, 4000).astype(np.int32)
    folds = (np.arange(4000) % FOLDS).astype(np.int8)
    learned = fit_content(_features(x, tmp_path), y, 2, folds, seed=0, cost=10.0, epochs=8)
    p = probabilities(learned.logits)[:, 1]
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (p >= low) & (p < low + 0.2)
        assert inside.sum() < 100 or abs(y[inside].mean() - p[inside].mean()) < 0.06
    guessed = fit_content(_features(x, tmp_path), noise, 2, folds, seed=0, cost=10.0, epochs=8)
    assert abs(guessed.accuracy - 0.5) < 0.04


def test_unlabelled_samples_are_predicted_and_teach_nothing(tmp_path) -> None:
    x, y = _data(2)
    y[::3] = -1
    folds = (np.arange(len(y)) % FOLDS).astype(np.int8)
    model = fit_content(_features(x, tmp_path), y, 2, folds, seed=0, cost=1.0, epochs=8)
    assert np.isfinite(model.logits).all()
    assert np.unique(model.logits[y < 0]).size > 10


def test_samples_without_features_and_a_class_of_one(tmp_path) -> None:
    x, y = _data(3)
    x[:20] = False
    y[y == 2] = 1
    y[0] = 2
    model = fit_content(_features(x, tmp_path), y, 3, np.zeros(len(y), np.int8), seed=0, cost=1.0, epochs=4)
    assert np.isfinite(model.logits).all()


def test_folds_keep_near_duplicates_together_and_ignore_order() -> None:
    ids = [f"s{i}" for i in range(500)]
    groups = np.arange(500)
    groups[[10, 20, 30]] = 10
    folds = assign_folds(ids, groups, 0)
    assert len(set(folds[[10, 20, 30]].tolist())) == 1
    assert set(folds.tolist()) == set(range(FOLDS))
    turned = assign_folds(ids[::-1], 499 - groups[::-1], 0)
    assert np.array_equal(turned[::-1], folds)


def test_any_number_of_threads_and_duals_in_a_file_fit_the_same_model(tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(5)
    for k in (2, 4):
        y = rng.integers(0, k, 900).astype(np.int32)
        x = rng.random((900, 40)) < 0.1
        x[np.arange(900), y] = True
        y[:90] = rng.integers(0, k, 90)
        folds = (np.arange(900) % FOLDS).astype(np.int8)
        (tmp_path / str(k)).mkdir()
        features = _features(x, tmp_path / str(k))
        one = fit_content(features, y, k, folds, seed=0, cost=1.0, epochs=4)
        several = [fit_content(features, y, k, folds, seed=0, cost=1.0, epochs=4, jobs=j) for j in (2, 3, 40)]
        with monkeypatch.context() as patched:
            patched.setattr(fit, "Scratch", partial(Scratch, room=0))
            several.append(fit_content(features, y, k, folds, seed=0, cost=1.0, epochs=4, jobs=2))
        for other in several:
            assert np.array_equal(other.logits, one.logits)
            assert np.array_equal(other.weights, one.weights)


@pytest.mark.parametrize("cost", [0.1, 1.0, 10.0, 300.0])
def test_tabulated_duals_solve_their_equation(cost: float) -> None:
    from mithridate.evidence.content.ascent import _best
    from mithridate.evidence.content.dual import dual_tables

    squares = (1.0, 2.0)
    tables = dual_tables(cost, squares)
    for row, square in enumerate(squares):
        for aim in np.linspace(-12.0, 8.0 + cost * square, 997).astype(np.float32).tolist():
            a = float(_best(tables, row, np.float32(aim)))
            if 1e-5 < a / cost < 1 - 1e-4:  # nearer to the ends, single precision says nothing of the odds
                # Odds near the upper end show the last digit of a; elsewhere the steps of the table are what is off.
                off = 1e-4 if a / cost < 0.99 else 2e-3
                assert np.log(a / (cost - a)) + square * a == pytest.approx(aim, abs=off)


def test_beyond_the_tables_duals_stay_within_their_bounds() -> None:
    from mithridate.evidence.content.ascent import _best
    from mithridate.evidence.content.dual import dual_tables

    tables = dual_tables(10.0, (1.0, 2.0))
    for aim in (-1e30, -50.0, 90.0, 1e30, float("nan")):
        assert 0.0 < _best(tables, 1, np.float32(aim)) <= 10.0
