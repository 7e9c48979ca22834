"""Fine-pruning: channels that clean samples do not use are switched off, then all weights are tuned."""

from __future__ import annotations

from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, accuracy, repair
from mithridate.repairs.fine_tuning import fine_tuned
from mithridate.repairs.layers import convolutions, watched

__all__ = ["FinePruning"]

_PARTS = 20  # of the channels of the last convolution that are tried at once


@repair(
    Card(
        id="fine-pruning",
        title="fine-pruning",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="A backdoor uses channels of the last convolution that clean samples leave asleep.",
        catches=None,
        misses="Backdoors in channels that the task uses, too.",
        effect="attack success that is left",
        cites="Liu, Dolan-Gavitt, Garg, Fine-Pruning, RAID 2018, arXiv:1805.12185, section 4",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class FinePruning(Repair):
    """Switches off the sleepiest channels as long as clean accuracy holds, then fine-tunes."""

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Without convolutions."""
        return "" if convolutions(module) else "it has no convolutions"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Prune by activation on clean samples, then fine-tune; what was pruned stays switched off."""
        import torch

        last = convolutions(module)[-1]
        awake: list[Any] = []
        with watched(last, lambda out: awake.append(out.relu().mean((0, 2, 3)))):
            before = accuracy(module, *scope.held)
            with torch.no_grad():
                for part in scope.x.split(256):
                    module(part)
        order = torch.stack(awake).mean(0).argsort()
        off = torch.zeros(len(order), dtype=torch.bool, device=order.device)
        own = last.weight.detach().clone()
        for part in order.chunk(_PARTS)[:-1]:
            tried = off.clone()
            tried[part] = True
            with torch.no_grad():
                last.weight.copy_(own * ~tried[:, None, None, None])
            if accuracy(module, *scope.held) < before - scope.loss:
                break
            off = tried
        with torch.no_grad():
            last.weight.copy_(own * ~off[:, None, None, None])
        handle = last.weight.register_hook(lambda slope: slope * ~off[:, None, None, None])
        try:
            return fine_tuned(module, scope)
        finally:
            handle.remove()
