"""Plain fine-tuning on clean samples: the baseline that every repair has to beat."""

from __future__ import annotations

from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import training

__all__ = ["FineTuning", "fine_tuned"]

_EPOCHS = 20
_RATE, _MOMENTUM, _DECAY, _SMOOTH = 0.01, 0.9, 5e-4, 0.1


def fine_tuned(
    module: Any, scope: RepairScope, *, epochs: float = _EPOCHS, rate: float = _RATE, salt: int = 0
) -> Any:
    """The module after stochastic gradient descent on the clean samples; the rate falls linearly to nothing."""
    import torch
    from torch.nn import functional as f

    optimiser = torch.optim.SGD(module.parameters(), rate, momentum=_MOMENTUM, weight_decay=_DECAY)
    with training(module):
        for x, y, way in scope.batches(epochs, salt=salt):
            optimiser.param_groups[0]["lr"] = rate * (1 - way)
            optimiser.zero_grad()
            f.cross_entropy(module(x), y, label_smoothing=_SMOOTH).backward()
            optimiser.step()
    return module


@repair(
    Card(
        id="fine-tuning",
        title="fine-tuning",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="The backdoor is forgotten where nothing asks for it.",
        catches=None,
        misses="Most backdoors at low doses: their features stay in place.",
        effect="attack success that is left",
        cites="as the baseline of Liu et al., Fine-Pruning, arXiv:1805.12185; settings: Wu et al., BackdoorBench, "
        "arXiv:2206.12654",
        remedy="Use a repair that was made for backdoors.",
        graded=False,
        reads_order=False,
    )
)
class FineTuning(Repair):
    """Learns on from where the model is."""

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Fine-tune all weights."""
        return fine_tuned(module, scope)
