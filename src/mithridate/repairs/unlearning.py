"""Triggers that are known, or were recovered from the model, are unlearnt: samples that carry them keep their class.

What was planted is at most like what was recovered. So steps are long, and most of the other samples carry a
disturbance of some kind of trigger. The weights then go part of the way back to those that were given: that costs
little of what was unlearnt, and much of what was lost returns; how far, held samples say. Where samples are few,
pictures are mixed, which keeps what the model knows between them; with many, that keeps more of a trigger than of
anything else.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Known, Repair, RepairScope, repair
from mithridate.repairs.layers import back_to, training
from mithridate.repairs.nuisances import disturbed
from mithridate.repairs.way_back import far_enough, price

__all__ = ["FEW", "Unlearning"]

_EPOCHS = 60
_SHARE, _GENTLE = 0.6, 0.3  # of a batch that carries a trigger; one that is a hint, or for one class
FEW = 1000  # samples, below which pictures are mixed
_RATE, _BOLD = 0.01, 0.05  # learning rates of short and of long steps
_GUESSED_FEW, _GUESSED = 0.075, 0.06  # learning rates of long steps with hints alone
_KEPT = 0.5  # after long steps: of the way from the weights that were given, at the least
_MOST = 0.8  # and at the most, unless guessed
_NEARER = (0.4, 0.3, 0.2, 0.1)  # where what stands out goes early, and much is lost with it
_DISTURBED = 0.6  # with long steps: of the samples without a trigger
_MOMENTUM, _DECAY = 0.9, 5e-4
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
        "aims: Hinton et al., arXiv:1503.02531; of mixed pictures: Beyer et al., arXiv:2106.05237; disturbances: "
        "Borgnia et al., arXiv:2011.09527; part of the way back: Wortsman et al., arXiv:2109.01903",
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
        first = deepcopy(module).eval()
        if not _bold(scope):
            _unlearn(module, first, scope, _RATE)
            return module
        places = _places(scope)
        _unlearn(module, first, scope.less(price(scope, places, _NEARER)), _rate(scope))
        back_to(module, first, far_enough(module, first, scope, places, _NEARER))
        return module


def _rate(scope: RepairScope) -> float:
    """Of long steps."""
    if not scope.guessed:
        return _BOLD
    return _GUESSED_FEW if len(scope.x) < FEW else _GUESSED


def _places(scope: RepairScope) -> tuple[float, ...]:
    """Parts of the way that may be kept: hints say nothing of what is left, so that as much is kept as may be lost."""
    most = 1.0 if scope.guessed else _MOST if scope.sure else _KEPT
    return tuple(tenths / 10 for tenths in range(round(10 * _KEPT), round(10 * most) + 1))


def _unlearn(module: Any, teacher: Any, scope: RepairScope, rate: float) -> None:
    import torch
    from torch.nn import functional as f

    optimiser = torch.optim.SGD(module.parameters(), rate, momentum=_MOMENTUM, weight_decay=_DECAY)
    few, bounds = _alone(scope) and len(scope.x) < FEW, (float(scope.x.min()), float(scope.x.max()))
    left, draw = torch.ones(len(scope.known)), torch.Generator().manual_seed(scope.seed)
    with training(module):
        for x, y, way in scope.batches(_EPOCHS, cost=4 / 3):
            optimiser.param_groups[0]["lr"] = rate * (1 - way)
            trigger = int(torch.multinomial(left, 1, generator=draw))
            known = scope.known[trigger]
            marked = max(1, round((_SHARE if _of_all(known) else _GENTLE) * len(x)))
            own, of_own = scope.drawn(known.source, marked, draw)  # many of one class would sway batch norms
            x, y = torch.cat([own, x[len(own) :]]), torch.cat([of_own, y[len(own) :]])
            trusted = torch.full((len(x), 1), _TRUSTED, device=x.device)
            if few:  # a mixed picture has no label: the model alone says what it is
                x = torch.cat([own, _mixed(x, draw)[len(own) :]])
                trusted[len(own) :] = 1.0
            with torch.no_grad():
                other = _DISTURBED if _bold(scope) else 0.0
                shown = _shown(x, marked, known, other, bounds, draw)
                aim = trusted * teacher(x).softmax(1) + (1 - trusted) * f.one_hot(y, scope.classes)
            optimiser.zero_grad()
            answers = module(shown)
            f.cross_entropy(answers, aim).backward()
            led = _led(answers[:marked].argmax(1), y[:marked], known.target)
            left[trigger] = _MEMORY * left[trigger] + (1 - _MEMORY) * max(led, _LEAST)
            optimiser.step()


def _alone(scope: RepairScope) -> bool:
    """Pictures, unless a warp is unlearnt: there adversarial unlearning came first, and leaves less to change."""
    return scope.x.ndim == 4 and not any(known.rough for known in scope.known)


def _bold(scope: RepairScope) -> bool:
    return _alone(scope) and not scope.gentle


def _of_all(known: Known) -> bool:
    return known.source is None and not known.hint


def _mixed(x: Any, draw: Any) -> Any:
    """Each with a share, of at most a half, of another one."""
    import torch

    share = (0.5 + 0.5 * torch.rand(len(x), *[1] * (x.ndim - 1), generator=draw)).to(x.device)
    return share * x + (1 - share) * x[torch.randperm(len(x), generator=draw)]


def _shown(x: Any, marked: int, known: Known, other: float, bounds: tuple[float, float], draw: Any) -> Any:
    """Samples with the trigger, then a share of the others disturbed within bounds, then the rest."""
    import torch

    rest = marked + round(other * (len(x) - marked))
    return torch.cat([known.put(x[:marked]), disturbed(x[marked:rest], *bounds, draw), x[rest:]])


def _led(said: Any, y: Any, target: int | None) -> float:
    """Share of the samples of other classes that a trigger leads to its class, or away from theirs."""
    others = said[y != target] if target is not None else said
    hits = others == target if target is not None else said != y
    return float(hits.float().mean()) if len(hits) else 0.0
