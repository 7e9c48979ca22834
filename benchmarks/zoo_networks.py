"""The networks of the zoo: two kinds that rules are tuned on, two that are kept for testing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.networks import small_cnn

__all__ = ["NETWORKS", "TUNING", "Normalised", "network"]

Maker = Callable[[int, int, int], nn.Module]

#: the kinds whose models thresholds may be chosen on; the others are for testing only.
TUNING = ("plain", "lenet")


class Normalised(nn.Module):
    """A network that takes values in [0, 1].

    Args:
        net: takes grey levels less `mean`, divided by `spread`.
        mean: (c, 1, 1).
        spread: (c, 1, 1).
    """

    def __init__(self, net: nn.Module, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", mean / 255)
        self.register_buffer("spread", spread / 255)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] → (n, classes) logits."""
        out: Tensor = self.net((x - self.mean) / self.spread)
        return out


def _step(a: int, b: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())


class _Residual(nn.Module):
    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _step(a, b, stride), nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        )
        self.short = nn.Conv2d(a, b, 1, stride, bias=False) if a != b or stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.short(x))


def _lenet(channels: int, classes: int, side: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 96), nn.ReLU(), nn.Linear(96, classes),
    )  # fmt: skip


def _residual(channels: int, classes: int, side: int) -> nn.Module:
    return nn.Sequential(
        _step(channels, 16), _Residual(16, 24, 2), _Residual(24, 32, 2), _Residual(32, 48, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, classes),
    )  # fmt: skip


def _vgg(channels: int, classes: int, side: int) -> nn.Module:
    return nn.Sequential(
        _step(channels, 16), nn.MaxPool2d(2), _step(16, 32), _step(32, 32), nn.MaxPool2d(2), _step(32, 48),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48 * (side // 8) ** 2, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip


#: name → (channels, classes, side) → network on (n, channels, side, side).
NETWORKS: dict[str, Maker] = {
    "plain": lambda channels, classes, side: small_cnn(channels, classes),
    "lenet": _lenet,
    "residual": _residual,
    "vgg": _vgg,
}


def network(name: str, side: int) -> Callable[[int, int], Any]:
    """(channels, classes) → a network of that kind for pictures of that size."""
    return lambda channels, classes: NETWORKS[name](channels, classes, side)
