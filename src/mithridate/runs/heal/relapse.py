"""Does a backdoor come back when a repaired model meets a few poisoned samples?"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mithridate.repairs.base import Known
from mithridate.repairs.layers import training
from mithridate.runs.heal.surrogate import success
from mithridate.triggers.inversion import Aim, Pool

__all__ = ["SAMPLES", "relapsed"]

SAMPLES = 5
_STEPS, _RATE, _CLEAN = 20, 0.01, 59


def relapsed(module: Any, known: Known, learn: Pool, held: Pool) -> float:
    """The trigger's success after a short tuning on five samples that carry it (Min et al., arXiv:2410.09838, 3).

    Args:
        module: repaired; not touched.
        known: the trigger, with a target.
        learn: clean samples; five of other classes get the trigger and its class.
        held: samples to try it on.
    """
    import torch
    from torch.nn import functional as f

    copy, rows = deepcopy(module), learn.rows(Aim(known.target, known.source))[:SAMPLES]
    with torch.no_grad():
        poisoned = known.put(learn.x[rows])
    aim = torch.full((len(rows),), known.target, device=learn.y.device)
    optimiser = torch.optim.SGD(copy.parameters(), _RATE, momentum=0.9)
    draw = torch.Generator().manual_seed(0)
    with training(copy):
        for _ in range(_STEPS):
            some = torch.randperm(len(learn.x), generator=draw)[:_CLEAN]
            x, y = torch.cat([poisoned, learn.x[some]]), torch.cat([aim, learn.y[some]])
            optimiser.zero_grad()
            f.cross_entropy(copy(x), y).backward()
            optimiser.step()
    return success(copy, known, held)
