"""Adversarial unlearning by implicit hypergradients: one change for all samples is sought, then unlearnt."""

from __future__ import annotations

from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import training

__all__ = ["IBau"]

_ROUNDS, _ASCENT, _RATE, _INNER = 5, 5, 1e-3, 0.1
_LENGTH = 10.0  # of the change, pressed down by a term of the inner loss as in the authors' form
_ITERATIONS = 5  # of the fixed point
_AT_ONCE = 128


@repair(
    Card(
        id="i-bau",
        title="adversarial unlearning with implicit hypergradients",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="A trigger is a universal change of inputs; a model that withstands the worst one forgets it.",
        catches=None,
        misses="Triggers that are no additive change; costs some accuracy; published "
        "figures were not reached on small networks.",
        effect="attack success that is left",
        cites="Zeng et al., Adversarial Unlearning of Backdoors via Implicit Hypergradient, ICLR 2022, "
        "arXiv:2110.03735, algorithm 1; fixed point: Grazzi et al., arXiv:2006.16218, section 2",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class IBau(Repair):
    """Alternates between the worst universal perturbation and a step of the weights that knows how it answers."""

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Inputs that cannot be changed a little."""
        return "" if scope.x.is_floating_point() else "its inputs are no real numbers"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Unlearn the worst perturbation of each round, batch after batch."""
        import torch

        weights = [p for p in module.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(weights, _RATE)
        cost = 2 + (_ASCENT + 2 * _ITERATIONS) / max(1, len(scope.x) // _AT_ONCE)
        change = torch.zeros_like(scope.x[:1])
        with training(module, False):
            for x, y, way in scope.batches(_ROUNDS * 4, cost=cost + 2 * _ITERATIONS):
                optimiser.param_groups[0]["lr"] = _RATE * (1 - way)
                change = _worst(module, x, y, change)
                optimiser.zero_grad()
                for weight, slope in zip(weights, _hypergradient(module, x, y, change, weights), strict=True):
                    weight.grad = slope
                optimiser.step()
        return module


def _inner(module: Any, x: Any, y: Any, change: Any) -> Any:
    """What the perturbation wants to be small: less the loss of the classes, and its length."""
    from torch.nn import functional as f

    return -f.cross_entropy(module(x + change), y) + 0.001 * change.norm() ** 2


def _worst(module: Any, x: Any, y: Any, change: Any) -> Any:
    import torch

    for _ in range(2):
        change = change.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(_inner(module, x, y, change), change)
        change = change.detach() - _INNER * _LENGTH * slope / slope.norm().clamp_min(1e-12)
        change = change * (_LENGTH / change.norm().clamp_min(_LENGTH))
    return change.detach()


def _hypergradient(module: Any, x: Any, y: Any, change: Any, weights: list[Any]) -> list[Any]:
    """Of the outer loss at the perturbation that the weights call forth (arXiv:2110.03735, eq. 3)."""
    import torch
    from torch.nn import functional as f

    change = change.detach().requires_grad_(True)
    outer = f.cross_entropy(module(x + change), y) + f.cross_entropy(module(x), y)
    direct = torch.autograd.grad(outer, [change, *weights], allow_unused=True)
    (slope,) = torch.autograd.grad(_inner(module, x, y, change), change, create_graph=True)
    step = change - _INNER * slope  # the map whose fixed point the perturbation is
    back = direct[0].detach()
    for _ in range(_ITERATIONS):
        (turned,) = torch.autograd.grad(step, change, back, retain_graph=True)
        back = turned.detach() * 0.9 + direct[0].detach()
    through = torch.autograd.grad(step, weights, back, allow_unused=True)
    return [
        (torch.zeros_like(w) if d is None else d) + (0 if t is None else t)
        for w, d, t in zip(weights, direct[1:], through, strict=True)
    ]
