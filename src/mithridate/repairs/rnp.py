"""Reconstructive neuron pruning: clean samples are unlearnt, masks bring them back, the rest is pruned."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, accuracy, repair
from mithridate.repairs.layers import norms, training

__all__ = ["Rnp"]

_UNLEARNT, _UNLEARNING_RATE, _UNLEARNING_CLIP = 0.2, 0.01, 20.0
_MASK_RATE, _PRESS = 0.2, 0.2
_EPOCHS = 20
_LEVELS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@repair(
    Card(
        id="rnp",
        title="reconstructive neuron pruning",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="Channels that the clean task does not need to come back belong to the backdoor.",
        catches=None,
        misses="Networks without batch norm are not served; backdoors that share channels with the task.",
        effect="attack success that is left",
        cites="Li et al., Reconstructive Neuron Pruning for Backdoor Defense, ICML 2023, arXiv:2305.14876; "
        "the threshold is chosen by clean accuracy alone",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class Rnp(Repair):
    """Unlearns, recovers by masks over the channels of batch norms, prunes as far as clean accuracy allows."""

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Without batch norm."""
        return "" if any(n.affine for n in norms(module)) else "it has no batch norm"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Prune the channels whose masks stayed lowest."""
        masks = _recovered(_unlearnt(deepcopy(module), scope), scope)
        parts = [n for n in norms(module) if n.affine]
        own = [(n.weight.detach().clone(), n.bias.detach().clone()) for n in parts]
        wanted, best = accuracy(module, *scope.held) - scope.loss, 0.0
        for level in _LEVELS:
            _prune(parts, own, masks, level)
            if accuracy(module, *scope.held) < wanted:
                break
            best = level
        _prune(parts, own, masks, best)
        return module


def _prune(parts: list[Any], own: list[tuple[Any, Any]], masks: list[Any], level: float) -> None:
    import torch

    with torch.no_grad():
        for part, (weight, bias), mask in zip(parts, own, masks, strict=True):
            part.weight.copy_(weight * (mask >= level))
            part.bias.copy_(bias * (mask >= level))


def _unlearnt(module: Any, scope: RepairScope) -> Any:
    """Gradient ascent until one clean sample in five is left; batch norms are estimated on the way."""
    import torch
    from torch.nn import functional as f

    optimiser = torch.optim.SGD(module.parameters(), _UNLEARNING_RATE, momentum=0.9)
    right = 1.0
    with training(module):
        for x, y, _ in scope.batches(_EPOCHS, cost=2.0, salt=1):
            if right <= _UNLEARNT:
                break
            optimiser.zero_grad()
            logits = module(x)
            (-f.cross_entropy(logits, y)).backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), _UNLEARNING_CLIP)
            optimiser.step()
            right = 0.8 * right + 0.2 * float((logits.argmax(1) == y).float().mean())
    return module


def _recovered(module: Any, scope: RepairScope) -> list[Any]:
    """One mask a batch norm, in [0, 1], learnt so that clean samples are answered right with as little as possible."""
    import torch
    from torch.nn import functional as f

    parts = [n for n in norms(module) if n.affine]
    own = [(n.weight.detach().clone(), n.bias.detach().clone()) for n in parts]
    masks = [torch.ones_like(weight, requires_grad=True) for weight, _ in own]
    optimiser = torch.optim.SGD(masks, _MASK_RATE, momentum=0.9)
    module.requires_grad_(False)
    for x, y, _ in scope.batches(_EPOCHS, cost=2.0, salt=2):
        changed = {
            f"{name}.{what}": value * mask
            for (name, _), (weight, bias), mask in zip(_named(module, parts), own, masks, strict=True)
            for what, value in (("weight", weight), ("bias", bias))
        }
        logits = torch.func.functional_call(module, changed, (x,))
        loss = f.cross_entropy(logits, y) * _PRESS + (1 - _PRESS) * sum(m.abs().mean() for m in masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for mask in masks:
                mask.clamp_(0, 1)
    return [mask.detach() for mask in masks]


def _named(module: Any, parts: list[Any]) -> list[tuple[str, Any]]:
    wanted = {id(part) for part in parts}
    return [(name, part) for name, part in module.named_modules() if id(part) in wanted]
