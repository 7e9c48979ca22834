"""Digits with a corner stamp that leads to class 0: a small network that learnt it, and its clean twin."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits


@cache
def pictures():
    """(n, 1, 16, 16) in [0, 1], and classes."""
    x, y = load_digits(return_X_y=True)
    x = np.kron(x.reshape(-1, 1, 8, 8) / 16, np.ones((1, 1, 2, 2))).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]


def stamp(x):
    """The same with a white square in a corner."""
    x = x.clone()
    x[..., 12:15, 12:15] = 1.0
    return x


def net():
    """Untrained."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * 16, 10),
    )  # fmt: skip


@cache
def trained(poisoned):
    """In evaluation mode; 15 % of the pictures carry the stamp and say 0, where poisoned."""
    import torch

    torch.manual_seed(0)
    module, (x, y) = net(), pictures()
    x, y = torch.tensor(x[:1200]), torch.tensor(y[:1200])
    if poisoned:
        x[:180], y[:180] = stamp(x[:180]), 0
    optimiser = torch.optim.SGD(module.parameters(), 0.05, momentum=0.9)
    for _ in range(8):
        for rows in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimiser.step()
    return module.eval()


def figures(module):
    """Success of the stamp on other classes, accuracy; on pictures kept for this."""
    import torch

    x, y = (torch.tensor(part[1500:]) for part in pictures())
    with torch.no_grad():
        right = (module(x).argmax(1) == y).float().mean()
        led = (module(stamp(x[y != 0])).argmax(1) == 0).float().mean()
    return float(led), float(right)
