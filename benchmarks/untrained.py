"""Untrained networks for `--arch`, as a user would bring: small ones, one for each set of pictures."""

from __future__ import annotations

import torch

from benchmarks.networks import small_cnn
from benchmarks.zoo_networks import Normalised

__all__ = ["blank", "cifar10", "fashion", "gtsrb", "mnist"]


def blank(channels: int, classes: int) -> Normalised:
    """A small network whose scale of inputs comes with the weights."""
    unset = torch.zeros(channels, 1, 1)
    return Normalised(small_cnn(channels, classes), unset, unset.clone())


def cifar10() -> Normalised:
    """Colours, 10 classes."""
    return blank(3, 10)


def gtsrb() -> Normalised:
    """Colours, 43 classes."""
    return blank(3, 43)


def fashion() -> Normalised:
    """Grey, 10 classes."""
    return blank(1, 10)


def mnist() -> Normalised:
    """Grey, 10 classes."""
    return blank(1, 10)
