"""How far ahead of all other classes a class can be driven, from noise: backdoors leave a class that goes further.

Nothing is asked but gradients: no samples, no kind of trigger.

Reference:
    Wang, Xiang, Miller, Kesidis, MM-BD: Post-Training Detection of Backdoor Attacks with Arbitrary Backdoor Pattern
    Types Using a Maximum Margin Statistic, IEEE S&P 2024, section 3. The ascent here takes steps of fixed length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PASSES", "largest_margins"]

_STARTS, _STEPS = 8, 60
_STRIDE = 0.03  # of a pixel's range a pixel and step, as the root of the mean square
_MEMORY = 0.5
_AT_ONCE = 256

#: forward and backward passes of one input that a class takes.
PASSES = _STARTS * _STEPS


def largest_margins(
    ask: Callable[[Any], Any], shape: tuple[int, int, int], classes: int, low: float, high: float, seed: int
) -> NDArray[np.float64]:
    """Drive random inputs towards each class.

    Args:
        ask: (n, c, h, w) tensor → (n, classes) logits.
        shape: (c, h, w).
        classes: columns of the answers.
        low: value of black.
        high: value of white.
        seed: of the starts.

    Returns:
        (classes,) the largest logit of the class less the largest of the others, over all starts and steps.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    aims = torch.arange(classes).repeat_interleave(_STARTS)
    best = []
    for part in aims.split(_AT_ONCE):
        x = low + (high - low) * torch.rand((len(part), *shape), generator=draw)
        best.append(_driven(ask, x, part, low, high))
    return np.asarray(torch.cat(best).view(classes, _STARTS).amax(1).double().numpy())


def _driven(ask: Callable[[Any], Any], x: Any, aims: Any, low: float, high: float) -> Any:
    """(n,) the largest margin on each input's way."""
    import torch

    stride = _STRIDE * (high - low) * float(np.sqrt(x[0].numel()))
    pace, best = torch.zeros_like(x), torch.full((len(x),), -torch.inf)
    for _ in range(_STEPS):
        x = x.requires_grad_(True)
        logits = ask(x)
        own = torch.nn.functional.one_hot(aims, logits.shape[1]).bool()
        margins = logits[own] - logits.masked_fill(own, -torch.inf).amax(1)
        best = torch.maximum(best, margins.detach())
        (slope,) = torch.autograd.grad(margins.sum(), x)
        length = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        pace = _MEMORY * pace + slope / length
        x = (x.detach() + stride * pace).clamp(low, high)
    return best
