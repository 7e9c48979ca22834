"""Adversarial unlearning by implicit hypergradients: one change for all samples is sought, then unlearnt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import training

__all__ = ["IBau"]

_ROUNDS, _RATE = 5, 1e-3
_ASCENT, _LENGTH, _PRESS = (
    10.0,
    10.0,
    1e-3,
)  # the change: rate, largest length, weight of its length in the inner loss
_INNER, _ITERATIONS = 0.1, 5  # of the fixed point
_SHARE = 0.01  # of a batch that bears the change while it is unlearnt, as in the authors' code
_COST = 3 + 2 * _ITERATIONS  # passes of a sample in a round


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
        """Each round seeks the worst change for the model as it is, and unlearns it in one pass over the samples."""
        import torch

        weights = [p for p in module.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(weights, _RATE)
        change = torch.zeros_like(scope.x[:1])
        with training(module, False):
            for step, (x, y, _) in enumerate(scope.batches(_ROUNDS, cost=_COST)):
                if step % -(-len(scope.x) // len(x)) == 0:
                    change = _worst(module, scope)
                optimiser.zero_grad()
                for weight, slope in zip(weights, _hypergradient(module, x, y, change, weights), strict=True):
                    weight.grad = slope
                optimiser.step()
        return module


def _inner(module: Any, x: Any, y: Any, change: Any) -> Any:
    """What the change wants to be small: less the loss of the classes, and its length."""
    from torch.nn import functional as f

    return -f.cross_entropy(module(x + change), y) + _PRESS * change.norm() ** 2


def _worst(module: Any, scope: RepairScope) -> Any:
    """(1, ...) one change for all samples, learnt in one pass over them."""
    import torch

    change = torch.zeros_like(scope.x[:1])
    for x, y, _ in replace(scope, passes=len(scope.x)).batches(1):
        change.requires_grad_(True)
        (slope,) = torch.autograd.grad(_inner(module, x, y, change), change)
        change = change.detach() - _ASCENT * slope
    return change * (_LENGTH / change.norm().clamp_min(_LENGTH))


def _hypergradient(module: Any, x: Any, y: Any, change: Any, weights: list[Any]) -> list[Any]:
    """Of the outer loss at the change that the weights call forth (arXiv:2110.03735, eq. 3)."""
    import torch
    from torch.nn import functional as f

    change = change.detach().requires_grad_(True)
    bearing = torch.zeros((len(x), *[1] * (x.ndim - 1)), device=x.device)
    bearing[: max(1, round(_SHARE * len(x)))] = 1
    outer = f.cross_entropy(module(x + bearing * change), y)
    direct = torch.autograd.grad(outer, [change, *weights], allow_unused=True)
    (slope,) = torch.autograd.grad(_inner(module, x, y, change), change, create_graph=True)
    step = change - _INNER * slope  # the map whose fixed point the change is
    back = torch.zeros_like(change)
    for _ in range(_ITERATIONS):
        (turned,) = torch.autograd.grad(step, change, back, retain_graph=True)
        back = turned.detach() + direct[0].detach()
    through = torch.autograd.grad(step, weights, back, allow_unused=True)
    return [
        (torch.zeros_like(w) if d is None else d) + (0 if t is None else t)
        for w, d, t in zip(weights, direct[1:], through, strict=True)
    ]
