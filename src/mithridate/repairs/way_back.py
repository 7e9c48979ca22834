"""How much of the way from the weights that were given a repair keeps, as held samples show.

Counted answers are rough: of 500 held samples, two points of accuracy are ten answers. What is read here is how likely
the model finds each sample's own class, which moves with every step of the way. Nothing is learnt from held samples;
but as they choose among a few places, what they say of the one that was chosen is a little too good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mithridate.repairs.base import Known, RepairScope, answers
from mithridate.repairs.layers import between

__all__ = ["far_enough", "price"]

_GONE = 0.03  # success of a trigger on held samples, below which going on brings little of that one
_DEARER = 1.5  # likelihood that may be lost, in times of the accuracy that may be: unlearning makes a model less sure
_SPARE = 0.5  # the same where all are gone: what was planted is only like what was recovered, and may be left
_AMPLE = 0.8  # of the way: beyond it much is lost, which only what is left may ask for
_AT_ONCE = 256


def price(scope: RepairScope, places: Sequence[float], nearer: Sequence[float] = ()) -> float:
    """Forward and backward passes that `far_enough` takes at most."""
    if len(places) == 1:
        return 0.0
    most = max(len(places), 1 + len(nearer) if scope.sure else 0)
    return (most * (1 + len(scope.sure)) + 1) * len(scope.held[0]) / 3


def far_enough(
    end: Any, first: Any, scope: RepairScope, places: Sequence[float], nearer: Sequence[float] = ()
) -> float:
    """The last place that loses no more likelihood than may be: less of it once what stands out is gone.

    Args:
        end: module at the end of the way.
        first: where it began.
        scope: held samples, triggers that stand out, accuracy that may be lost.
        places: shares of the way, growing; the first one is taken whatever is lost there, unless a nearer one does.
        nearer: falling; asked where what stands out is gone at the first place, and more likelihood lost than accuracy
            may be. Then it is the first of these that loses no more, or the last where what stands out is gone.
    """
    if len(places) == 1:
        return places[0]
    before, _ = _seen(first, scope, ())
    taken, (after, led) = places[0], _seen(between(end, first, places[0]), scope, scope.sure)
    if led and max(led) <= _GONE and before - after > scope.loss:
        return _nearer(end, first, scope, (taken, *nearer), before)
    for further in places[1:]:
        gone = bool(led) and max(led) <= _GONE
        if gone and further > _AMPLE:
            break
        after, led = _seen(between(end, first, further), scope, scope.sure)
        if before - after > (_SPARE if gone else _DEARER) * scope.loss:
            break
        taken = further
    return taken


def _nearer(end: Any, first: Any, scope: RepairScope, places: Sequence[float], before: float) -> float:
    taken = places[0]
    for place in places[1:]:
        after, led = _seen(between(end, first, place), scope, scope.sure)
        if max(led) > _GONE:
            break
        taken = place
        if before - after <= scope.loss:
            break
    return taken


def _seen(module: Any, scope: RepairScope, triggers: Sequence[Known]) -> tuple[float, list[float]]:
    """Mean likelihood of the own class of held samples, and the success of each trigger on them."""
    import torch

    x, y = scope.held
    with torch.no_grad():
        told = answers(module, x)
        likelihood = told.softmax(1).gather(1, y[:, None]).mean()
        led = [_led(module, known, x, y, told.argmax(1)) for known in triggers]
    return float(likelihood), led


def _led(module: Any, known: Known, x: Any, y: Any, said: Any) -> float:
    """Share of the samples of other classes, or of its own one, that it takes to its class; mistakes do not count."""
    import torch

    own = said == y if known.target is None else (y != known.target) & (said != known.target)
    if known.source is not None:
        own &= y == known.source
    if not own.any():
        return 0.0
    shown = torch.cat([module(known.put(part)).argmax(1) for part in x[own].split(_AT_ONCE)])
    away = shown != y[own] if known.target is None else shown == known.target
    return float(away.float().mean())
