"""Triggers that are known, or were recovered from the model, are unlearnt: samples that carry them keep their class."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Known, Repair, RepairScope, repair
from mithridate.repairs.layers import training

__all__ = ["Unlearning"]

_EPOCHS, _SHARE = 15, 0.3
_RATE, _MOMENTUM, _DECAY = 0.01, 0.9, 5e-4
#: shares of the way that are tried; so many more are gone than are needed.
_WAYS, _BEYOND = (0.35, 0.5, 0.75, 1.0), 2
_GONE = 0.01  # success of a trigger that counts as none
_TRUSTED = 0.5  # how much what the model says of a clean sample counts, beside its label


@repair(
    Card(
        id="unlearning",
        title="unlearning of known triggers",
        stage="repair",
        modalities=("model",),
        needs=("clean", "triggers"),
        assumes="The trigger that was recovered does what the planted one does.",
        catches=None,
        misses="Triggers that nobody knows and no search recovered.",
        effect="attack success that is left",
        cites="Wang et al., Neural Cleanse, IEEE S&P 2019, section VI.C; the model's own answers on clean samples as "
        "aims: Hinton et al., arXiv:1503.02531; part of the way: Wortsman et al., arXiv:2109.01903",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class Unlearning(Repair):
    """Fine-tunes on clean samples, a share of which carry a known trigger and keep their class.

    What the model said of each sample without the trigger is part of the aim, so that little else is forgotten; and
    of the way from the old weights to the new ones only as much is gone as the triggers need, and two steps more:
    the planted trigger is stronger than its likeness.
    """

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Without triggers."""
        return "" if scope.known else "no trigger is known, and none was recovered"

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Fine-tune all weights, triggers in turn."""
        import torch
        from torch.nn import functional as f

        teacher = deepcopy(module).eval()
        optimiser = torch.optim.SGD(module.parameters(), _RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
        with training(module):
            for step, (x, y, way) in enumerate(scope.batches(_EPOCHS, cost=4 / 3)):
                optimiser.param_groups[0]["lr"] = _RATE * (1 - way)
                trigger = scope.known[step % len(scope.known)]
                marked = max(1, round(_SHARE * len(x)))
                with torch.no_grad():
                    shown = torch.cat([trigger.put(x[:marked]), x[marked:]])
                    aim = _TRUSTED * teacher(x).softmax(1)
                aim += (1 - _TRUSTED) * f.one_hot(y, aim.shape[1])
                optimiser.zero_grad()
                f.cross_entropy(module(shown), aim).backward()
                optimiser.step()
        return _part_of_the_way(module, teacher, scope)


def _part_of_the_way(module: Any, old: Any, scope: RepairScope) -> Any:
    """Between the old weights and the new ones: beyond where no known trigger works on held samples."""
    ends = old.state_dict(), {name: value.clone() for name, value in module.state_dict().items()}
    for number, way in enumerate(_WAYS):
        _mix(module, ends, way)
        if not any(_works(module, trigger, scope) for trigger in scope.known):
            _mix(module, ends, _WAYS[min(number + _BEYOND, len(_WAYS) - 1)])
            break
    return module


def _mix(module: Any, ends: tuple[Any, Any], way: float) -> None:
    first, second = ends
    module.load_state_dict(
        {n: v.lerp(second[n], way) if v.is_floating_point() else second[n] for n, v in first.items()}
    )


def _works(module: Any, trigger: Known, scope: RepairScope) -> bool:
    """Whether a trigger still moves held samples."""
    import torch

    x, y = scope.held
    if trigger.target is not None:
        x, y = x[y != trigger.target], y[y != trigger.target]
    if not len(x):
        return False
    with torch.no_grad():
        said = torch.cat([module(trigger.put(part)).argmax(1) for part in x.split(256)])
    moved = said != y if trigger.target is None else said == trigger.target
    return float(moved.float().mean()) > _GONE
