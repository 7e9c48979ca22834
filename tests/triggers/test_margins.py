"""Largest margins: a class that a pattern drives far goes further than it does without."""

import numpy as np
import pytest

from mithridate.triggers.margins import largest_margins

torch = pytest.importorskip("torch")


def ask(gain):
    """Four classes: the mean of a quarter of the picture each; a checkerboard adds to class 2."""
    board = (torch.arange(144).reshape(12, 12) + torch.arange(12)[:, None]) % 2 * 2.0 - 1

    def logits(x):
        quarters = torch.nn.functional.avg_pool2d(x, 6).flatten(1) * 4
        return quarters + gain * (x[:, 0] * board).mean((1, 2)).clamp_min(0)[:, None] * torch.eye(4)[2]

    return logits


def test_a_driven_class_stands_out():
    clean, bad = (largest_margins(ask(gain), (1, 12, 12), 4, 0.0, 1.0, seed=0) for gain in (0.0, 30.0))
    assert clean.shape == (4,)
    assert np.ptp(clean) < 0.2 * clean.mean()
    assert bad.argmax() == 2
    assert bad[2] > 2 * np.delete(bad, 2).max()
    assert np.allclose(clean, 4.0, atol=0.5)  # a white quarter beside black ones


def test_same_seed_same_margins_in_any_range():
    one, two = (largest_margins(ask(5.0), (1, 12, 12), 4, -1.0, 1.0, seed=3) for _ in range(2))
    assert np.array_equal(one, two)
