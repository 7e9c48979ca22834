"""Feature shift tuning: a fresh last layer, pushed away from the old one, while all weights learn."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import head_of, seeded, training

__all__ = ["Fst"]

_EPOCHS, _PUSH = 10, 0.1
_RATE, _MOMENTUM, _DECAY = 0.01, 0.9, 5e-4


@repair(
    Card(
        id="fst",
        title="feature shift tuning",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="Features of the backdoor and of the task are tied by the last layer; a last layer that differs from "
        "it moves them apart.",
        catches=None,
        misses="Triggers that act as features of the task do; published figures were not reached on small networks.",
        effect="attack success that is left",
        cites="Min et al., Towards Stable Backdoor Purification through Feature Shift Tuning, NeurIPS 2023, "
        "arXiv:2310.01875, eq. 1 and algorithm 1",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class Fst(Repair):
    """Fine-tunes with a last layer that starts anew, keeps its length and leaves its old direction."""

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """A last layer that is not linear."""
        return "" if head_of(module, scope.x) is not None else "its last layer is not linear"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Fine-tune all weights from a new last layer."""
        import torch
        from torch.nn import functional as f

        head = head_of(module, scope.x)
        old = head.weight.detach().clone()
        with seeded(scope.seed, scope.x.device):
            fresh = deepcopy(head).cpu()
            fresh.reset_parameters()
        with torch.no_grad():
            for weight, drawn in zip(head.parameters(), fresh.parameters(), strict=True):
                weight.copy_(drawn)
        optimiser = torch.optim.SGD(module.parameters(), _RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
        with training(module):
            for x, y, way in scope.batches(_EPOCHS):
                optimiser.param_groups[0]["lr"] = _RATE * (1 - way)
                optimiser.zero_grad()
                (f.cross_entropy(module(x), y) + _PUSH * (head.weight * old).sum()).backward()
                optimiser.step()
                with torch.no_grad():
                    head.weight *= old.norm() / head.weight.norm()
        return module
