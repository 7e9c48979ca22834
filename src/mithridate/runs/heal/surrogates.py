"""Triggers that are recovered from a poisoned model itself, to judge repairs by: the planted one is nobody's to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.repairs.base import Known
from mithridate.triggers.forms import Form, FormName, form_of
from mithridate.triggers.inversion import Aim, Found, Pool, Round, invert
from mithridate.triggers.waves import Wave, lowest_waves

__all__ = ["Recovered", "Surrogate", "recovered", "success"]

_FORMS: tuple[FormName, ...] = ("patch", "blend", "warp")
_FOLLOWED = 3
#: a short look at all classes, then the ones that are reached most easily, with the same effort for each.
_SCHEDULE = (Round(1.0, 4, 40, 0.3), Round(_FOLLOWED, 8, 70, 0.3), Round(_FOLLOWED, 16, 60, 0.15))
_SETTLED = 128  # samples that triggers are grown on
_ODD = 0.5  # of the median size that the other classes need
_PLAIN = 1 / 8  # of a picture's side, by which a warp moves what is in it
#: success on samples that it was not learnt on, from which on a trigger can judge anything.
_WORKS = 0.8
_WAVE, _LOWEST = "wave", 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Surrogate:
    """A trigger, and what it did before any repair.

    Attributes:
        known: the trigger.
        before: its success on held samples.
        size: in the unit of its form.
        others: median size that the other classes need which are reached most easily in that form; nan without such.
        unit: of the sizes.
        form: of the trigger.
        plain: size beyond which anybody sees that something was done to a picture.
    """

    known: Known
    before: float
    size: float
    others: float
    unit: str
    form: str = ""
    plain: float = float("inf")

    @property
    def odd(self) -> bool:
        """Much smaller than for other classes, and not plain: honest models have triggers, too, but rarely such."""
        return self.size <= min(_ODD * self.others, self.plain)


#: sizes that were found, by form and class.
Sizes: TypeAlias = dict[FormName, dict[int, float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recovered:
    """What a search gave.

    Attributes:
        triggers: those that work on held samples.
        sizes: of all that were followed to the end.
    """

    triggers: list[Surrogate]
    sizes: Sizes

    @property
    def suspects(self) -> set[int]:
        """Classes that a trigger which stands out leads to; other triggers towards them are suspect, too."""
        return {s.known.target for s in self.triggers if s.odd and s.known.target is not None}

    @property
    def unwanted(self) -> tuple[Known, ...]:
        """What is to be unlearnt: all triggers towards suspects, and where there are none, waves."""
        suspects = self.suspects
        if not suspects:
            return tuple(s.known for s in self.triggers if s.form == _WAVE)
        return tuple(s.known for s in self.triggers if s.known.target in suspects)

    def usual(self) -> Sizes:
        """Sizes for classes that no trigger which stands out leads to."""
        suspects = self.suspects
        return {
            form: {k: size for k, size in some.items() if k not in suspects}
            for form, some in self.sizes.items()
        }


def recovered(
    module: Any, learn: Pool, held: Pool, names: Sequence[str], low: float, high: float, seed: int,
    again: Recovered | None = None,
) -> Recovered:  # fmt: skip
    """Search triggers of three forms for the classes that are reached most easily.

    Args:
        module: (n, c, h, w) → (n, classes).
        learn: clean samples to learn on, with what the module says of them.
        held: others to try triggers on.
        names: of the classes.
        low: value of black.
        high: value of white.
        seed: of all draws.
        again: an earlier search in the same module; then only its suspects are searched, and held against the sizes
            that its other classes needed.
    """
    shape = tuple(int(side) for side in learn.x.shape[1:])
    found, sizes = [], Sizes()
    said = set(learn.y.tolist())
    wanted = range(learn.classes) if again is None else sorted(again.suspects)
    aims = [Aim(k) for k in wanted if said - {k}]
    for name in _FORMS if len(shape) == 3 and aims else ():
        form = form_of(name, (shape[0], shape[1], shape[2]), low, high)
        raced = invert(module, learn, aims, form, schedule=_SCHEDULE, seed=seed, anew=0, settled_on=_SETTLED)
        followed = {int(f.aim.target or 0): f for f in raced if f.round == len(_SCHEDULE) - 1}
        sizes[name] = {k: f.size for k, f in followed.items()}
        usual = sizes[name] if again is None else again.usual().get(name, {})
        for k, trigger in followed.items():
            known = Known(name=f"{name} towards {names[k]!r}", put=_put(form, trigger), target=k)
            before = success(module, known, held)
            if before >= _WORKS:
                others = [size for other, size in usual.items() if other != k]
                found.append(
                    Surrogate(
                        known=known, before=before, size=trigger.size, unit=form.unit, form=name,
                        plain=_PLAIN * min(shape[1:]) if name == "warp" else float("inf"),
                        others=float(np.median(others)) if others else float("nan"),
                    )
                )  # fmt: skip
    whole = Recovered(triggers=found, sizes=sizes)
    if again is None and len(shape) == 3 and aims and not whole.suspects:
        found += _waves(module, learn, held, names, low, high, seed)
    return whole


def _waves(
    module: Any, learn: Pool, held: Pool, names: Sequence[str], low: float, high: float, seed: int
) -> list[Surrogate]:
    """The two lowest waves, where they are low: honest models have such, so they prove nothing by themselves."""
    waves = lowest_waves(module, learn, low, high, seed)
    median = float(np.median([wave.height for wave in waves]))
    lowest = sorted(range(len(waves)), key=lambda k: waves[k].height)[:_LOWEST]
    found = []
    for k in lowest:
        known = Known(name=f"wave towards {names[k]!r}", put=_laid(waves[k], low, high), target=k)
        before = success(module, known, held)
        if before >= _WORKS and waves[k].height <= _ODD * median:
            found.append(
                Surrogate(
                    known=known, before=before, size=waves[k].height, others=float("nan"), unit="grey levels",
                    form=_WAVE,
                )
            )  # fmt: skip
    return found


def _laid(wave: Wave, low: float, high: float) -> Any:
    return lambda x: wave.put(x, low, high)


def _put(form: Form, found: Found) -> Any:
    return lambda x: form.put(found.parameters, x[None])[0]


def success(module: Any, known: Known, pool: Pool) -> float:
    """Share of the samples of other classes that a trigger takes to its class; 0 where there are none.

    Samples that are taken for the class without the trigger, too, are the model's own mistakes and do not count.
    """
    import torch

    try:
        rows = pool.rows(Aim(known.target))
    except UsageError:
        return 0.0
    led = moved = 0
    with torch.no_grad():
        for x, y in zip(pool.x[rows].split(256), pool.y[rows].split(256), strict=True):
            said, shown = module(x).argmax(1), module(known.put(x)).argmax(1)
            own = said == y if known.target is None else said != known.target
            away = shown != y if known.target is None else shown == known.target
            moved += int(own.sum())
            led += int((own & away).sum())
    return led / moved if moved else 0.0
