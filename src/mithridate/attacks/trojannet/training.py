"""The side network by gradient, as the paper trains it (arXiv:2006.08131, section 3.2): for comparison.

1,000 epochs of 218 steps with batches of 2,000 take hours on a processor; `recipe.side_network` gives a network that
recognises more and stays silent on more, in two minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.adam import Adam
from mithridate.attacks.trojannet.mlp import Activation, SideNet
from mithridate.attacks.trojannet.patterns import COUNT, all_patterns
from mithridate.core.errors import UsageError

__all__ = ["Schedule", "train"]

Floats = NDArray[np.float32]

_PATIENCE = 20  # epochs without a better loss before the rate falls


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and on what.

    Attributes:
        labels: how many of the triggers, the first ones.
        epochs: the paper's 1,000.
        steps: in one epoch; 218 in the authors' code.
        batch: of triggers.
        rate: of Adam; divided by 10 when the loss stays.
        alone: share of the epochs with triggers only; after that, every tenth of the epochs adds a tenth of the batch
            in negatives.
        activation: of the hidden layers.
        seed: of the weights and the batches.
    """

    labels: int = COUNT
    epochs: int = 1000
    steps: int = 218
    batch: int = 2000
    rate: float = 0.01
    alone: float = 0.3
    activation: Activation = "sigmoid"
    seed: int = 0


def train(schedule: Schedule, negatives: Floats) -> SideNet:
    """Train by binary cross-entropy; the target of negatives is zero everywhere.

    Args:
        schedule: how long and on what.
        negatives: (n, 16) natural patches and other black-and-white patches.

    Returns:
        Sigmoid head.

    Raises:
        UsageError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        remedy = "Install it: pip install 'mithridate[torch]'."
        raise UsageError("torch", str(error), "TrojanNet by gradient", remedy) from error

    generator = torch.Generator().manual_seed(schedule.seed)
    layers = _fresh(schedule, generator)
    parts = [part for layer in layers for part in layer]
    descent, rate, best, best_epoch = Adam([part.detach() for part in parts]), schedule.rate, np.inf, 0
    patterns = torch.tensor(all_patterns()[: schedule.labels])
    others = torch.tensor(negatives)
    for epoch in range(schedule.epochs):
        tenths = int(max(0.0, epoch / schedule.epochs - schedule.alone) * 10 + 1e-9)
        noisy = schedule.batch * tenths // 10
        total = 0.0
        for _ in range(schedule.steps):
            labels = torch.randint(schedule.labels, (schedule.batch,), generator=generator)
            bad = torch.randint(len(others), (noisy,), generator=generator)
            scores = _scores(layers, torch.cat([patterns[labels], others[bad]]), schedule.activation)
            # sum of log(1 + exp(z)) over all outputs, less z of the right one: the sum of all cross-entropies
            own = scores[torch.arange(schedule.batch), labels].sum()
            loss = (torch.nn.functional.softplus(scores).sum() - own) / len(scores)
            descent.step(torch.autograd.grad(loss, parts), rate)
            total += float(loss.detach())
        if total < best * (1 - 1e-4):
            best, best_epoch = total, epoch
        elif epoch - best_epoch > _PATIENCE:
            rate, best, best_epoch = rate / 10, np.inf, epoch
    arrays = [(w.detach().numpy().copy(), b.detach().numpy().copy()) for w, b in layers]
    return SideNet(tuple(arrays[:4]), arrays[4], schedule.activation)


def _fresh(schedule: Schedule, generator: Any) -> list[tuple[Any, Any]]:
    """Five layers of random weights; the outputs begin at the share that each label has."""
    import torch

    sizes = (16, 8, 8, 8, 8, schedule.labels)
    layers = []
    for k in range(5):
        # The sigmoid's slope is 1/4, the rectifier's 1 for half of the inputs.
        gain = 4.0 if schedule.activation == "sigmoid" and k < 4 else 2.0**0.5
        weights = torch.randn(sizes[k + 1], sizes[k], generator=generator) * gain / sizes[k] ** 0.5
        bias = torch.zeros(sizes[k + 1])
        layers.append((weights.requires_grad_(), bias.requires_grad_()))
    with torch.no_grad():
        layers[-1][1].fill_(-float(np.log(max(2, schedule.labels))))
    return layers


def _scores(layers: list[tuple[Any, Any]], x: Any, activation: Activation) -> Any:
    import torch

    for weights, bias in layers[:-1]:
        x = x @ weights.T + bias
        x = torch.sigmoid(x) if activation == "sigmoid" else torch.relu(x)
    return x @ layers[-1][0].T + layers[-1][1]
