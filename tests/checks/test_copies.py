"""Copies count once, samples of their own stay."""

import numpy as np

from mithridate.checks.copies import distinct, drawn


def test_of_copies_the_first_stays():
    rng = np.random.default_rng(0)
    x = rng.random((40, 1, 8, 8), dtype=np.float32)
    assert distinct(x).tolist() == list(range(40))
    frames = x.repeat(5, axis=0) + rng.normal(0, 0.01, (200, 1, 8, 8)).astype(np.float32)
    assert distinct(frames).tolist() == list(range(0, 200, 5))


def test_a_mark_that_many_bear_makes_no_copies_of_them():
    x = np.random.default_rng(0).random((40, 3, 16, 16), dtype=np.float32)
    x[:20, :, -5:, -5:] = 1.0
    assert len(distinct(x)) == 40


def test_blank_samples_are_one():
    x = np.zeros((30, 64), dtype=np.float32)
    assert distinct(x).tolist() == [0]
    x[7] = 1.0
    assert distinct(x).tolist() == [0, 7]
    assert distinct(x[:1]).tolist() == [0]


def test_rows_are_drawn_without_copies():
    x = np.random.default_rng(0).random((50, 64)).repeat(2, axis=0)
    rows = drawn(x, 60, np.random.default_rng(1))
    assert (np.diff(rows) > 0).all()
    assert len(set((rows // 2).tolist())) == len(rows) < 60
