"""Triggers that are recovered from a poisoned model itself, to judge repairs by: the planted one is nobody's to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from mithridate.repairs.base import Known
from mithridate.runs.heal.one_class import OF_PAIRS, ONE_CLASS, patches_on_one_class, searched_again
from mithridate.runs.heal.remembered import remembered
from mithridate.runs.heal.surrogate import WORKS, Subject, Surrogate, putting, success
from mithridate.triggers.forms import FormName
from mithridate.triggers.inversion import Aim, Round, invert, passes
from mithridate.triggers.waves import Wave, lowest_waves

__all__ = ["Recovered", "recovered"]

_WARP: FormName = "warp"
_GROWN_ON = 128  # samples
_FORMS: tuple[FormName, ...] = ("patch", "blend", _WARP)
_FOLLOWED = 3
#: a short look at all classes, then the ones that are reached most easily, with the same effort for each.
_SCHEDULE = (Round(1.0, 4, 40, 0.3), Round(_FOLLOWED, 8, 70, 0.3), Round(_FOLLOWED, 16, 60, 0.15))
_WAVE, _LOWEST, _LOW = "wave", 2, 0.5  # how many waves, of the median height
_LAID = 16  # samples that all waves are tried on

#: sizes that were found, by form and class.
Sizes: TypeAlias = dict[str, dict[int, float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recovered:
    """What a search gave.

    Attributes:
        triggers: those that work on held samples.
        sizes: of all that were followed to the end.
        clear: whether batch norms remember more than chance leaves, and a trigger explains it.
    """

    triggers: list[Surrogate]
    sizes: Sizes
    clear: bool = False

    @property
    def suspects(self) -> set[int]:
        """Classes that a trigger which stands out leads to; other triggers towards them are suspect, too."""
        return {s.known.target for s in self.triggers if s.odd and s.known.target is not None}

    @property
    def suspects_of_all(self) -> set[int]:
        """Those that a trigger leads to which stands out and is for samples of all classes."""
        odd = [s.known for s in self.triggers if s.odd]
        return {k.target for k in odd if k.source is None and k.target is not None}

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Source and target of the triggers for one class that stand out."""
        odd = [s.known for s in self.triggers if s.odd]
        return [(k.source, k.target) for k in odd if k.source is not None and k.target is not None]

    @property
    def again(self) -> float:
        """Passes of a search in the repaired model for what stands out here."""
        for_all = len(_FORMS) * passes(len(self.suspects_of_all), _SCHEDULE)
        return for_all + passes(len(self.pairs), OF_PAIRS)

    @property
    def unwanted(self) -> tuple[Known, ...]:
        """What is to be unlearnt: all triggers towards suspects; where there are none, hints, which prove nothing.

        Where a warp shows it most clearly, only what stands out itself: what else leads there is mostly the model's own
        way, and costs accuracy. What batch norms remember is a hint in all other cases, and where that is clear the
        only one.
        """
        traces = self._traces()
        odd = [s for s in self.triggers if s.odd]
        if odd:
            if min(odd, key=lambda s: s.size / s.others).form == _WARP:
                return tuple(replace(s.known, rough=True) for s in odd)
            suspects = self.suspects
            led = (s for s in self.triggers if s.known.target in suspects and (s.odd or not s.remembered))
            return (*(s.known for s in led), *traces)
        if self.clear:
            return traces
        hints = [s for s in self.triggers if s.form in (_WAVE, ONE_CLASS)]
        if not any(s.form == _WAVE for s in hints):
            hints += self._easiest()
        return (*traces, *(replace(s.known, hint=True) for s in hints))

    def _traces(self) -> tuple[Known, ...]:
        """Hints that batch norms remember; warps alone where there are such: what else was fitted resembles them."""
        some = [s for s in self.triggers if s.remembered and not s.odd]
        warps = [s for s in some if s.form == _WARP]
        return tuple(replace(s.known, hint=True, rough=bool(warps)) for s in warps or some)

    @property
    def sure(self) -> tuple[Known, ...]:
        """Those that stand out."""
        return tuple(s.known for s in self.triggers if s.odd)

    def _easiest(self) -> list[Surrogate]:
        """Of each form the trigger that is smallest beside the others, of those that nobody sees at once."""
        easiest: dict[str, Surrogate] = {}
        for s in self.triggers:
            if np.isfinite(s.others) and s.size <= s.plain and not s.remembered:
                held = easiest.setdefault(s.form, s)
                if s.size / s.others < held.size / held.others:
                    easiest[s.form] = s
        return list(easiest.values())

    def usual(self) -> Sizes:
        """Sizes for classes that no trigger which stands out leads to."""
        suspects = self.suspects
        return {
            form: {k: size for k, size in some.items() if k not in suspects}
            for form, some in self.sizes.items()
        }


def recovered(subject: Subject, again: Recovered | None = None) -> Recovered:
    """Search triggers of three forms for the classes that are reached most easily; where none stands out, others.

    Those are what batch norms remember of the training, patches for the samples of one class, and waves.

    Args:
        subject: module and samples.
        again: an earlier search in the same module; then only what stood out is searched, and held against the sizes
            that its other classes needed.
    """
    if not subject.pictures:
        return Recovered(triggers=[], sizes={})
    usual = {} if again is None else again.usual()
    said = set(subject.learn.y.tolist())
    wanted = range(subject.learn.classes) if again is None else sorted(again.suspects_of_all)
    aims = [Aim(k) for k in wanted if said - {k}]
    found, sizes = [], Sizes()
    for name in _FORMS if aims else ():
        some, sizes[name] = _of_form(subject, name, aims, usual.get(name))
        found += some
    if again is not None:
        return Recovered(triggers=[*found, *searched_again(subject, again.pairs, usual)], sizes=sizes)
    whole = Recovered(triggers=found, sizes=sizes)
    if whole.suspects:
        return whole
    traces, clear = remembered(subject, sizes)
    if any(s.odd for s in traces):
        return Recovered(triggers=[*found, *traces], sizes=sizes, clear=clear)
    from_one, sizes[ONE_CLASS] = patches_on_one_class(subject)
    found += [*traces, *from_one]
    found += [] if clear or any(s.odd for s in from_one) else _waves(subject)
    return Recovered(triggers=found, sizes=sizes, clear=clear)


def _of_form(
    subject: Subject, name: FormName, aims: Sequence[Aim], usual: dict[int, float] | None
) -> tuple[list[Surrogate], dict[int, float]]:
    """Triggers that work, and the sizes of all that were followed; held against each other or what is usual."""
    form = subject.form(name)
    raced = invert(
        subject.module,
        subject.learn,
        aims,
        form,
        schedule=_SCHEDULE,
        seed=subject.seed,
        anew=0,
        settled_on=_GROWN_ON,
    )
    followed = {int(f.aim.target or 0): f for f in raced if f.round == len(_SCHEDULE) - 1}
    sizes = {k: f.size for k, f in followed.items()}
    found = []
    for k, trigger in followed.items():
        known = Known(name=f"{name} towards {subject.names[k]!r}", put=putting(form, trigger), target=k)
        before = success(subject.module, known, subject.held)
        if before >= WORKS:
            others = [size for other, size in (sizes if usual is None else usual).items() if other != k]
            found.append(
                Surrogate(
                    known=known, before=before, size=trigger.size, unit=form.unit, form=name,
                    plain=subject.plain(name),
                    others=float(np.median(others)) if others else float("nan"),
                )
            )  # fmt: skip
    return found, sizes


def _waves(subject: Subject) -> list[Surrogate]:
    """The two lowest waves, where they are low: honest models have such, so they prove nothing by themselves."""
    low, high = subject.low, subject.high
    waves = lowest_waves(subject.module, subject.learn, low, high, subject.seed, tried=_LAID)
    median = float(np.median([wave.height for wave in waves]))
    lowest = sorted(range(len(waves)), key=lambda k: waves[k].height)[:_LOWEST]
    found = []
    for k in lowest:
        known = Known(name=f"wave towards {subject.names[k]!r}", put=_laid(waves[k], low, high), target=k)
        before = success(subject.module, known, subject.held)
        if before >= WORKS and waves[k].height <= _LOW * median:
            found.append(
                Surrogate(
                    known=known, before=before, size=waves[k].height, others=float("nan"), unit="grey levels",
                    form=_WAVE,
                )
            )  # fmt: skip
    return found


def _laid(wave: Wave, low: float, high: float) -> Any:
    return lambda x: wave.put(x, low, high)
