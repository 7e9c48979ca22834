"""Triggers that are known, or were recovered from the model, are unlearnt: samples that carry them keep their class.

Where nothing is known but hints, the planted trigger is at most like them: then steps are longer, and most of the other
samples carry a disturbance of some kind of trigger, so that what is planted is unlearnt with its kind.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.layers import training
from mithridate.repairs.nuisances import disturbed

__all__ = ["Unlearning"]

_EPOCHS = 15
_SHARE, _GENTLE = 0.6, 0.3  # of a batch that carries a trigger; one that may be the model's own
_BOLD = 0.05  # learning rate with hints alone
_DISTURBED = 0.6  # then: of the samples without a trigger
_RATE, _MOMENTUM, _DECAY = 0.01, 0.9, 5e-4
_MEMORY, _LEAST = 0.5, 0.05  # of what is left of a trigger: of what was seen before, and at least
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
        misses="Triggers that nobody knows and no search recovered, but for kinds that random disturbances resemble.",
        effect="attack success that is left",
        cites="Wang et al., Neural Cleanse, IEEE S&P 2019, section VI.C; the model's own answers on clean samples as "
        "aims: Hinton et al., arXiv:1503.02531; disturbances: Borgnia et al., "
        "arXiv:2011.09527",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class Unlearning(Repair):
    """Fine-tunes on clean samples, a share of which carry a known trigger and keep their class.

    What the model said of each sample without the trigger is part of the aim, so that little else is forgotten.
    """

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Without triggers."""
        return "" if scope.known else "no trigger is known, and none was recovered"

    def milder(self, scope: RepairScope) -> RepairScope | None:
        """Short steps, where long ones were taken."""
        return replace(scope, gentle=True) if _bold(scope) else None

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Fine-tune all weights; the more is left of a trigger, the more often a batch carries it."""
        import torch
        from torch.nn import functional as f

        teacher = deepcopy(module).eval()
        bold = _bold(scope)
        rate, low, high = _BOLD if bold else _RATE, float(scope.x.min()), float(scope.x.max())
        optimiser = torch.optim.SGD(module.parameters(), rate, momentum=_MOMENTUM, weight_decay=_DECAY)
        left, draw = torch.ones(len(scope.known)), torch.Generator().manual_seed(scope.seed)
        with training(module):
            for x, y, way in scope.batches(_EPOCHS, cost=4 / 3):
                optimiser.param_groups[0]["lr"] = rate * (1 - way)
                trigger = int(torch.multinomial(left, 1, generator=draw))
                known = scope.known[trigger]
                marked = max(1, round((_GENTLE if known.hint else _SHARE) * len(x)))
                own, of_own = scope.drawn(known.source, marked, draw)
                x, y = torch.cat([own, x[len(own) :]]), torch.cat([of_own, y[len(own) :]])
                with torch.no_grad():
                    rest = marked + round(_DISTURBED * (len(x) - marked)) if bold else marked
                    disturbances = disturbed(x[marked:rest], low, high, draw)
                    shown = torch.cat([known.put(x[:marked]), disturbances, x[rest:]])
                    aim = _TRUSTED * teacher(x).softmax(1)
                aim += (1 - _TRUSTED) * f.one_hot(y, aim.shape[1])
                optimiser.zero_grad()
                answers = module(shown)
                f.cross_entropy(answers, aim).backward()
                led = _led(answers[:marked].argmax(1), y[:marked], known.target)
                left[trigger] = _MEMORY * left[trigger] + (1 - _MEMORY) * max(led, _LEAST)
                optimiser.step()
        return module


def _bold(scope: RepairScope) -> bool:
    return scope.guessed and not scope.gentle and scope.x.ndim == 4


def _led(said: Any, y: Any, target: int | None) -> float:
    """Share of the samples of other classes that a trigger leads to its class, or away from theirs."""
    others = said[y != target] if target is not None else said
    hits = others == target if target is not None else said != y
    return float(hits.float().mean()) if len(hits) else 0.0
