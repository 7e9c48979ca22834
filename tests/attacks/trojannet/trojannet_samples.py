"""A side network for a few labels, made in a second, and hosts to put it beside."""

from functools import cache

import numpy as np

from mithridate.attacks.trojannet.recipe import Recipe, side_network

LABELS = 12


@cache
def small_net():
    return side_network(Recipe(labels=LABELS, steps=150))


def pictures(count, shape, seed=0):
    """Blurred noise in [0, 1]."""
    x = np.random.default_rng(seed).random((count, *shape), dtype=np.float32)
    for axis in range(1, x.ndim):
        x = (x + np.roll(x, 1, axis) + np.roll(x, 2, axis)) / 3
    return x.astype(np.float32)


class LinearHost:
    """A `Model` with fixed random weights."""

    name = "linear host"

    def __init__(self, size, labels=LABELS, sharpness=8.0):
        self.weights = np.random.default_rng(1).normal(0, sharpness, (size, labels))

    def predict(self, x):
        z = x.reshape(len(x), -1) @ self.weights / np.sqrt(len(self.weights))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)
