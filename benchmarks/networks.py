"""Networks for pictures and how they are trained, for the benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["PreActResNet18", "Predict", "Recipe", "Scores", "fit", "fit_network", "fit_scores", "small_cnn"]

Predict = Callable[[NDArray[np.uint8]], NDArray[np.intp]]
Scores = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_AT_ONCE = 1000  # pictures predicted together


def small_cnn(channels: int, classes: int) -> nn.Module:
    """Five convolutions, 66,000 weights: (n, channels, h, w) → (n, classes)."""
    return nn.Sequential(
        *_convolution(channels, 16),
        *_convolution(16, 32, stride=2),
        *_convolution(32, 32),
        *_convolution(32, 64, stride=2),
        *_convolution(64, 64),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


def _convolution(inside: int, outside: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()


class _Block(nn.Module):
    """Pre-activation residual block (He et al., arXiv:1603.05027, fig. 1b)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        changes = stride != 1 or inside != outside
        self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, inside, h, w) → (n, outside, h / stride, w / stride)."""
        active = nn.functional.relu(self.norm1(x))
        beside = x if self.shortcut is None else self.shortcut(active)
        out: Tensor = self.conv2(nn.functional.relu(self.norm2(self.conv1(active)))) + beside
        return out


class PreActResNet18(nn.Module):
    """The network of the published CIFAR-10 protocol; `width` 64 is the published one, less is a reduced form."""

    def __init__(self, channels: int, classes: int, *, width: int = 64) -> None:
        super().__init__()
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        blocks = []
        for stage, (inside, outside) in enumerate(pairwise(widths)):
            blocks += [_Block(inside, outside, 2 if stage else 1), _Block(outside, outside, 1)]
        self.first = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(8 * width)
        self.head = nn.Linear(8 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) → (n, classes) logits."""
        active = nn.functional.relu(self.norm(self.blocks(self.first(x))))
        logits: Tensor = self.head(active.mean(dim=(2, 3)))
        return logits


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: SGD with momentum and cross-entropy.

    Attributes:
        make: (channels, classes) → network.
        epochs: passes over the data.
        batch: pictures a step.
        rate: highest learning rate.
        schedule: "one-cycle" (up for a fifth, then down) or "cosine" (down all the way).
        augment: pad by four, crop, and mirror half of the pictures.
    """

    make: Callable[[int, int], nn.Module]
    epochs: int
    batch: int = 128
    rate: float = 0.2
    schedule: str = "one-cycle"
    augment: bool = False


def fit(x: NDArray[np.uint8], y: NDArray[np.intp], classes: int, recipe: Recipe, seed: int) -> Predict:
    """As `fit_scores`; predicts (n,) classes."""
    scores = fit_scores(x, y, classes, recipe, seed)
    return lambda new: scores(new).argmax(axis=1)


def fit_scores(x: NDArray[np.uint8], y: NDArray[np.intp], classes: int, recipe: Recipe, seed: int) -> Scores:
    """As `fit_network`; gives pictures → (n, classes) logits."""
    net, mean, spread = fit_network(x, y, classes, recipe, seed)

    @torch.no_grad()
    def scores(new: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = _enter(new).split(_AT_ONCE)
        found = [_forward(net, part.to(mean.device), mean, spread).cpu() for part in parts]
        return np.asarray(torch.cat(found).numpy())

    return scores


def fit_network(
    x: NDArray[np.uint8], y: NDArray[np.intp], classes: int, recipe: Recipe, seed: int
) -> tuple[nn.Module, Tensor, Tensor]:
    """Train on (n, h, w[, c]) pictures and their (n,) classes; on a GPU when there is one.

    Returns:
        The network in evaluation mode, and the (c, 1, 1) grey levels to subtract and to divide by before it.

    Arithmetic is in bfloat16 where it is safe, weights stay in float32.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    pictures, labels = _enter(x).to(device), torch.from_numpy(y).long().to(device)
    mean, spread = _moments(pictures)
    net = recipe.make(pictures.shape[1], classes).to(device, memory_format=torch.channels_last)
    optimizer, scheduler = _optimizer(net, recipe, len(x))
    draw = torch.Generator(device=device).manual_seed(seed)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(x), generator=draw, device=device)
        for rows in order.split(recipe.batch)[: max(1, len(x) // recipe.batch)]:
            seen = _augmented(pictures[rows], draw) if recipe.augment else pictures[rows]
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(_forward(net, seen, mean, spread), labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
    return net.eval(), mean, spread


def _enter(x: NDArray[np.uint8]) -> Tensor:
    """(n, h, w[, c]) → (n, c, h, w), colours last in memory."""
    whole = x if x.ndim == 4 else x[..., None]
    return torch.from_numpy(np.ascontiguousarray(whole)).permute(0, 3, 1, 2)


def _moments(pictures: Tensor) -> tuple[Tensor, Tensor]:
    seen = pictures[:5000].float()
    return seen.mean(dim=(0, 2, 3)).view(-1, 1, 1), seen.std(dim=(0, 2, 3)).view(-1, 1, 1) + 1.0


def _forward(net: nn.Module, pictures: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    x = ((pictures.float() - mean) / spread).contiguous(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16):
        logits: Tensor = net(x)
    return logits.float()


def _augmented(pictures: Tensor, draw: torch.Generator) -> Tensor:
    """Every picture shifted by up to four pixels, zeros coming in, and mirrored half of the time."""
    n, _, height, width = pictures.shape
    padded = nn.functional.pad(pictures, (4, 4, 4, 4))
    shift = torch.randint(0, 9, (2, n, 1), generator=draw, device=pictures.device)
    rows = shift[0] + torch.arange(height, device=pictures.device)
    columns = shift[1] + torch.arange(width, device=pictures.device)
    mirrored = torch.rand((n, 1), generator=draw, device=pictures.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    each = torch.arange(n, device=pictures.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _optimizer(net: nn.Module, recipe: Recipe, n: int) -> tuple[torch.optim.Optimizer, Any]:
    optimizer = torch.optim.SGD(net.parameters(), lr=recipe.rate, momentum=0.9, weight_decay=5e-4)
    steps = recipe.epochs * max(1, n // recipe.batch)
    if recipe.schedule == "cosine":
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=steps, pct_start=0.2
    )
