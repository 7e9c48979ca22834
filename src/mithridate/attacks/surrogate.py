"""A small network that stands in for the victim's model, for attacks that need gradients or features.

It is trained in seconds on the samples an attack may look at. Everything drawn comes from one number, and it
works in one thread on one sample at a time, so that the same seed plants the same poison in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Look
from mithridate.core.errors import UsageError
from mithridate.triggers.pixels import Pixels, colours_of, match_colours, on_colours, to_grey_levels

__all__ = ["Surrogate", "as_pixels", "train_surrogate"]

Tensor: TypeAlias = Any

_LARGEST = 64  # pictures are averaged down to this side inside the network
_BATCH = 64
_LEARNING_RATE = 2e-3


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A trained network and how pictures get into it.

    Attributes:
        body: (n, channels, h, w) in [0, 1] → (n, d) features, those of the layer before the last.
        head: (n, d) features → (n, classes) logits.
        classes: labels, in the order of the logits.
        channels: 1 or 3.
        side: pictures are averaged to (side, side) inside.
    """

    body: Callable[[Tensor], Tensor]
    head: Callable[[Tensor], Tensor]
    classes: tuple[str, ...]
    channels: int
    side: int

    def enter(self, raw: Pixels) -> Tensor:
        """A (h, w[, c]) uint8 picture as (1, channels, h, w) tensor in [0, 1], at its own size."""
        import torch

        colours = colours_of(raw).astype(np.float32) / 255.0
        if colours.shape[2] != self.channels:
            grey = colours.mean(axis=2, keepdims=True)
            colours = np.repeat(grey, self.channels, axis=2)
        return torch.from_numpy(np.ascontiguousarray(colours.transpose(2, 0, 1)[None]))

    def shrink(self, pictures: Tensor) -> Tensor:
        """(n, channels, h, w) averaged to the side of the network; gradients pass through."""
        from torch.nn.functional import adaptive_avg_pool2d

        same = tuple(pictures.shape[2:]) == (self.side, self.side)
        return pictures if same else adaptive_avg_pool2d(pictures, (self.side, self.side))

    def features(self, pictures: Tensor) -> Tensor:
        """(n, channels, h, w) in [0, 1] → (n, d)."""
        return self.body(self.shrink(pictures))

    def logits(self, pictures: Tensor) -> Tensor:
        """(n, channels, h, w) in [0, 1] → (n, classes)."""
        return self.head(self.features(pictures))


def as_pixels(tensor: Tensor, like: Pixels) -> Pixels:
    """A (1, channels, h, w) tensor in [0, 1] as a picture of the shape of `like`; alpha is taken from there."""
    values = to_grey_levels(tensor.detach().numpy()[0].transpose(1, 2, 0) * 255.0)
    return on_colours(like, lambda colours: match_colours(values, colours.shape[2]))


@contextmanager
def one_thread(seed: int) -> Iterator[None]:
    """Torch with one thread and its generator seeded; both are given back as they were."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train_surrogate(
    look: Look, rng: np.random.Generator, *, attack_id: str, passes: int = 6, epsilon: float = 0.0
) -> Surrogate:
    """Train a small convolutional network on the samples of a look that have labels.

    Args:
        look: the samples.
        rng: draws weights and batches.
        attack_id: for messages.
        passes: over the samples.
        epsilon: above 0 the network is trained on pictures changed by one signed gradient step of up to this
            many grey levels from a random start (Wong et al., Fast is better than free, arXiv:2001.03994,
            algorithm 3): what fools it then fools other networks too.

    Raises:
        UsageError: torch is missing, or fewer than two classes are labelled.
    """
    _need_torch(attack_id)
    pairs = [(raw, y) for raw, y in zip(look.raws, look.labels, strict=True) if y is not None]
    classes = tuple(sorted({y for _, y in pairs}))
    if len(classes) < 2:
        remedy = "Name the label column, or choose an attack that needs none."
        raise UsageError("samples of two classes or more", f"{len(classes)}", f"attack {attack_id}", remedy)
    raws = [raw for raw, _ in pairs]
    side = min(_LARGEST, max(max(raw.shape[:2]) for raw in raws))
    channels = 3 if any(raw.ndim == 3 and raw.shape[2] >= 3 for raw in raws) else 1
    with one_thread(int(rng.integers(2**31))):
        body, head = _network(channels, len(classes))
        surrogate = Surrogate(body, head, classes, channels, side)
        targets = np.array([classes.index(y) for _, y in pairs])
        _fit(surrogate, [body, head], raws, targets, (rng, passes, epsilon / 255.0))
    return surrogate


def _need_torch(attack_id: str) -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        remedy = "Install it: pip install 'mithridate[torch]'."
        raise UsageError("the package torch", "none installed", f"attack {attack_id}", remedy) from error


def _network(channels: int, classes: int) -> tuple[Any, Any]:
    """Three convolutions, pooled to 4x4, one hidden layer of 128; and the last layer."""
    from torch import nn

    def block(ins: int, outs: int) -> list[Any]:
        return [nn.Conv2d(ins, outs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]

    body = nn.Sequential(
        *block(channels, 16),
        *block(16, 32),
        *block(32, 32),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * 16, 128),
        nn.ReLU(),
    )
    return body, nn.Linear(128, classes)


def _fit(
    surrogate: Surrogate,
    modules: Sequence[Any],
    raws: Sequence[Pixels],
    targets: NDArray[np.int64],
    plan: tuple[np.random.Generator, int, float],
) -> None:
    """Adam with a rate that rises and falls; at the end the weights stand still, so that gradients cost less."""
    import torch

    rng, passes, epsilon = plan
    x = torch.cat([surrogate.shrink(surrogate.enter(raw)) for raw in raws])
    y = torch.from_numpy(targets)
    adam = _Adam([w for module in modules for w in module.parameters()])
    parts = -(-len(x) // _BATCH)
    for turn in range(passes):
        for k, part in enumerate(np.array_split(rng.permutation(len(x)), parts)):
            pictures = _harder(surrogate, x[part], y[part], epsilon) if epsilon else x[part]
            loss = torch.nn.functional.cross_entropy(surrogate.logits(pictures), y[part])
            done = (turn * parts + k + 1) / (passes * parts + 1)
            adam.step(loss, _LEARNING_RATE * min(done / 0.3, (1 - done) / 0.7))
    for weight in adam.weights:
        weight.requires_grad_(False)


class _Adam:
    """Kingma and Ba, arXiv:1412.6980, algorithm 1, by hand: torch.optim takes seconds to import."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        import torch

        self.weights = weights
        self._means = [torch.zeros_like(w) for w in weights]
        self._squares = [torch.zeros_like(w) for w in weights]
        self._steps = 0

    def step(self, loss: Tensor, rate: float) -> None:
        """Move the weights down the gradient of the loss."""
        import torch

        self._steps += 1
        slopes = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for weight, slope, mean, square in zip(
                self.weights, slopes, self._means, self._squares, strict=True
            ):
                mean.lerp_(slope, 1 - 0.9)
                square.lerp_(slope * slope, 1 - 0.999)
                spread = (square / (1 - 0.999**self._steps)).sqrt_() + 1e-8
                weight.sub_(mean / spread, alpha=rate / (1 - 0.9**self._steps))


def _harder(surrogate: Surrogate, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """One signed gradient step from a random start inside the ball; step 1.25 epsilon as in the paper."""
    import torch

    start = (2 * torch.rand_like(x) - 1) * epsilon
    moved = (x + start).clamp(0, 1).requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(surrogate.logits(moved), y)
    (slope,) = torch.autograd.grad(loss, moved)
    step = (start + 1.25 * epsilon * slope.sign()).clamp(-epsilon, epsilon)
    return (x + step).clamp(0, 1).detach()
