"""Channels whose reach or whose statistics stand out are switched off, without learning anything."""

from __future__ import annotations

import itertools
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import norms

__all__ = ["ChannelPruning"]

_REACH, _STRANGE = 3.0, 3.0  # standard deviations above the mean of a layer


@repair(
    Card(
        id="channel-pruning",
        title="pruning of channels that stand out",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="A channel of the backdoor answers small changes of its inputs more than others of its layer, or its "
        "running statistics differ from those on clean samples.",
        catches=None,
        misses="Blended and sinusoid triggers, low doses; networks without batch norm are not served.",
        effect="attack success that is left",
        cites="Zheng et al., Data-free Backdoor Removal based on Channel Lipschitzness, ECCV 2022, arXiv:2208.03111, "
        "eq. 9; Zheng et al., Pre-activation Distributions Expose Backdoor Neurons, NeurIPS 2022, section 4.2",
        remedy="Triage only: compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class ChannelPruning(Repair):
    """Looks at each batch norm and the convolution before it."""

    light = True

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Without convolutions that a batch norm follows."""
        return "" if _pairs(module) else "no convolution in it is followed by a batch norm"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Switch off the channels that stand out."""
        import torch

        pairs = _pairs(module)
        apart = _statistics_apart(module, [norm for _, norm in pairs], scope.x)
        with torch.no_grad():
            for (convolution, norm), strange in zip(pairs, apart, strict=True):
                reach = torch.linalg.matrix_norm(convolution.weight.flatten(2), 2)
                reach *= (norm.weight / (norm.running_var + norm.eps).sqrt()).abs()
                off = _outlying(reach, _REACH) | _outlying(strange, _STRANGE)
                norm.weight[off] = 0
                norm.bias[off] = 0
        return module


def _outlying(values: Any, by: float) -> Any:
    return values > values.mean() + by * values.std()


def _pairs(module: Any) -> list[tuple[Any, Any]]:
    """Convolutions with the batch norm after them, as they stand in the module."""
    import torch

    able = {id(n) for n in norms(module) if n.affine}
    parts = [p for p in module.modules() if isinstance(p, torch.nn.Conv2d) or id(p) in able]
    return [
        (one, two)
        for one, two in itertools.pairwise(parts)
        if isinstance(one, torch.nn.Conv2d) and id(two) in able and two.num_features == one.out_channels
    ]


def _statistics_apart(module: Any, parts: list[Any], x: Any) -> list[Any]:
    """Divergence of each channel's normal distribution on clean samples from the running one."""
    import torch

    seen: dict[int, list[tuple[Any, Any]]] = {id(part): [] for part in parts}

    def note(part: Any, inputs: tuple[Any, ...]) -> None:
        flat = inputs[0].detach().transpose(0, 1).flatten(1)
        seen[id(part)].append((flat.mean(1), flat.var(1)))

    handles = [part.register_forward_pre_hook(note) for part in parts]
    try:
        with torch.no_grad():
            for some in x.split(256):
                module(some)
    finally:
        for handle in handles:
            handle.remove()
    apart = []
    for part in parts:
        mean, var = (torch.stack([pair[k] for pair in seen[id(part)]]).mean(0) + part.eps * k for k in (0, 1))
        own = part.running_var + part.eps
        apart.append(0.5 * (torch.log(own / var) + (var + (mean - part.running_mean) ** 2) / own - 1))
    return apart
