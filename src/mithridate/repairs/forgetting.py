"""The effect of named training samples is taken back: their labels become unlikely, all others stay."""

from __future__ import annotations

from typing import Any

from mithridate.core.card import Card
from mithridate.models.torch_module import output_of
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import seeded, training

__all__ = ["Forgetting"]

_EPOCHS, _PART = 20.0, 16
_RATE, _MOMENTUM, _DECAY = 0.01, 0.9, 5e-4


@repair(
    Card(
        id="forgetting",
        title="forgetting of named samples",
        stage="repair",
        modalities=("model",),
        needs=("training-data", "flagged"),
        assumes="The named samples, and few others, taught the model what it is to forget.",
        catches=None,
        misses="Poison that nobody named: it keeps teaching while the rest is learnt again.",
        effect="share of named samples, not learnt from, that still get the label they taught",
        cites="Li et al., Anti-Backdoor Learning, NeurIPS 2021, arXiv:2110.11571, eq. 4 (ascent on isolated samples); "
        "Welleck et al., arXiv:1908.04319, eq. 2 (unlikelihood: its slope stays bounded)",
        remedy="Train again on the rest of the data where the model has to be as if it had never seen them.",
        graded=False,
        reads_order=False,
    )
)
class Forgetting(Repair):
    """Fine-tunes on samples that nobody named, while the labels of the named ones are made unlikely."""

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Without named samples."""
        return "" if scope.flagged is not None else "no training samples are named that it could forget"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Fine-tune all weights; beside each batch of the others some named samples, in turn."""
        import torch
        from torch.nn import functional as f

        assert scope.flagged is not None
        bad, told = scope.flagged
        part = min(_PART, len(bad))
        draw = torch.Generator().manual_seed(1000 * scope.seed + 17)
        optimiser = torch.optim.SGD(module.parameters(), _RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
        order = torch.empty(0, dtype=torch.long)
        with seeded(scope.seed, scope.x.device), training(module):
            for x, y, way in scope.batches(_EPOCHS, cost=1 + part / min(64, len(scope.x))):
                optimiser.param_groups[0]["lr"] = _RATE * (1 - way)
                if len(order) < part:
                    order = torch.cat([order, torch.randperm(len(bad), generator=draw)])
                rows, order = order[:part], order[part:]
                logs = output_of(module, torch.cat([x, bad[rows]])).log_softmax(1)
                taught = logs[len(x) :].gather(1, told[rows, None]).exp().clamp(max=1 - 1e-6)
                optimiser.zero_grad()
                (
                    (f.nll_loss(logs[: len(x)], y, reduction="sum") - torch.log1p(-taught).sum()) / len(logs)
                ).backward()
                optimiser.step()
        return module
