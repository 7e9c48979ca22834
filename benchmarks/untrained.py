"""Untrained networks for `--arch`, as a user would bring: small ones, one for each set of pictures, and a large one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.networks import PreActResNet18, small_cnn
from benchmarks.zoo_networks import Normalised

__all__ = ["NARROW", "blank", "cifar10", "fashion", "gtsrb", "mnist", "preact18", "preact18_narrow"]

#: width of the reduced PreAct-ResNet18; the published one has 64.
NARROW = 16


def blank(channels: int, classes: int, make: Callable[[int, int], torch.nn.Module] = small_cnn) -> Normalised:
    """A network whose scale of inputs comes with the weights."""
    unset = torch.zeros(channels, 1, 1)
    return Normalised(make(channels, classes), unset, unset.clone())


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


def preact18() -> Normalised:
    """Colours, 10 classes, the network of the published CIFAR-10 protocol."""
    return blank(3, 10, PreActResNet18)


def preact18_narrow() -> Normalised:
    """The same with a quarter of the channels."""
    return blank(3, 10, partial(PreActResNet18, width=NARROW))
