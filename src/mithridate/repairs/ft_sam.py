"""Fine-tuning with sharpness-aware minimisation: large weights, which carry backdoors, are perturbed most."""

from __future__ import annotations

from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import training

__all__ = ["FtSam"]

_EPOCHS, _RADIUS = 20, 2.0
_RATE, _MOMENTUM, _DECAY, _SMOOTH = 0.01, 0.9, 5e-4, 0.1


@repair(
    Card(
        id="ft-sam",
        title="fine-tuning with sharpness-aware minimisation",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="Neurons of a backdoor have large weights; perturbing these most makes them shrink.",
        catches=None,
        misses="Hidden side networks, whose weights have no gradient on clean samples; published "
        "figures were not reached on small networks.",
        effect="attack success that is left",
        cites="Zhu et al., Enhancing Fine-Tuning Based Backdoor Defense with Sharpness-Aware Minimization, "
        "ICCV 2023, arXiv:2304.11823, algorithm 1; Kwon et al., ASAM, arXiv:2102.11600",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class FtSam(Repair):
    """Fine-tunes with gradients taken at the worst place nearby, near being relative to each weight."""

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Fine-tune all weights; every step takes two passes."""
        import torch
        from torch.nn import functional as f

        weights = [p for p in module.parameters() if p.requires_grad]
        optimiser = torch.optim.SGD(weights, _RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
        with training(module):
            for x, y, way in scope.batches(_EPOCHS, cost=2):
                optimiser.param_groups[0]["lr"] = _RATE * (1 - way)
                loss = f.cross_entropy(module(x), y, label_smoothing=_SMOOTH)
                shifts = _shifts(weights, torch.autograd.grad(loss, weights, allow_unused=True))
                optimiser.zero_grad()
                f.cross_entropy(module(x), y, label_smoothing=_SMOOTH).backward()
                with torch.no_grad():
                    for weight, shift in zip(weights, shifts, strict=True):
                        weight -= shift
                optimiser.step()
        return module


def _shifts(weights: list[Any], slopes: tuple[Any, ...]) -> list[Any]:
    """Move the weights by rho T^2 g / |T g| with T = |w|, and say by how much (arXiv:2304.11823, eq. 5)."""
    import torch

    with torch.no_grad():
        scaled = [
            torch.zeros_like(w) if g is None else w.abs() * g for w, g in zip(weights, slopes, strict=True)
        ]
        length = torch.stack([s.norm() for s in scaled]).norm().clamp_min(1e-12)
        shifts = [_RADIUS * w.abs() * s / length for w, s in zip(weights, scaled, strict=True)]
        for weight, shift in zip(weights, shifts, strict=True):
            weight += shift
    return shifts
