"""Triggers that are recovered from a poisoned model itself, to judge repairs by: the planted one is nobody's to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.repairs.base import Known
from mithridate.triggers.forms import Form, FormName, form_of
from mithridate.triggers.inversion import Aim, Found, Pool, Round, invert

__all__ = ["Surrogate", "recovered", "success"]

_FORMS: tuple[FormName, ...] = ("patch", "blend", "warp")
#: a short look at all classes, then a search for those that are reached most easily.
_SCREEN = (Round(1.0, 4, 60, 0.3),)
_SEARCH = (Round(1.0, 8, 110, 0.3), Round(1.0, 16, 60, 0.15))
_FOLLOWED = 3
_ODD = 0.5  # of the median size over the classes
#: success on samples that it was not learnt on, from which on a trigger can judge anything.
_WORKS = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Surrogate:
    """A trigger, and what it did before any repair.

    Attributes:
        known: the trigger.
        before: its success on held samples.
        size: in the unit of its form.
        unit: of the size.
        odd: much smaller than what most classes need; honest models have triggers, too, but rarely such.
    """

    known: Known
    before: float
    size: float
    unit: str
    odd: bool


def recovered(
    module: Any, learn: Pool, held: Pool, names: Sequence[str], low: float, high: float, seed: int
) -> list[Surrogate]:
    """Search triggers of three forms for the classes that are reached most easily.

    Args:
        module: (n, c, h, w) → (n, classes).
        learn: clean samples to learn on, with what the module says of them.
        held: others to try triggers on.
        names: of the classes.
        low: value of black.
        high: value of white.
        seed: of all draws.

    Returns:
        Those that work on the held samples, the most promising of their form first.
    """
    shape = tuple(int(side) for side in learn.x.shape[1:])
    if len(shape) != 3:
        return []
    said = set(learn.y.tolist())
    aims = [Aim(k) for k in range(learn.classes) if said - {k}]
    found = []
    for name in _FORMS:
        form = form_of(name, (shape[0], shape[1], shape[2]), low, high)
        first = invert(module, learn, aims, form, schedule=_SCREEN, seed=seed)
        median = float(np.median([f.size for f in first]))
        likely = np.argsort([_promise(f) for f in first], kind="stable")[:_FOLLOWED].tolist()
        searched = invert(module, learn, [first[k].aim for k in likely], form, schedule=_SEARCH, seed=seed)
        for k, trigger in zip(likely, searched, strict=True):
            target = trigger.aim.target
            assert target is not None
            known = Known(
                name=f"{name} towards {names[target]!r}", put=_put(form, trigger), target=int(target)
            )
            before = success(module, known, held)
            if before >= _WORKS:
                odd = first[k].size <= _ODD * median  # both from the short look
                found.append(
                    Surrogate(known=known, before=before, size=trigger.size, unit=form.unit, odd=odd)
                )
    return found


def _promise(found: Found) -> float:
    """Small for small triggers that work."""
    return found.size / max(found.rate, 0.05) ** 2


def _put(form: Form, found: Found) -> Any:
    return lambda x: form.put(found.parameters, x[None])[0]


def success(module: Any, known: Known, pool: Pool) -> float:
    """Share of the samples of other classes that a trigger takes to its class; 0 where there are none."""
    import torch

    try:
        rows = pool.rows(Aim(known.target))
    except UsageError:
        return 0.0
    with torch.no_grad():
        said = torch.cat([module(known.put(part)).argmax(1) for part in pool.x[rows].split(256)])
    away = said != pool.y[rows] if known.target is None else said == known.target
    return float(away.float().mean())
