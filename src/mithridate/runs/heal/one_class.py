"""Patches that work on the samples of one class only: searched pair by pair, source and target.

An attacker who shows the patch on other classes, too, which keep their labels there, leaves no trigger for samples of
all classes (Tang et al., Demon in the Variant, USENIX Security 2021, arXiv:1908.00686). Honest models have pairs that
are close to each other, as cars and trucks are; so each class is held against all others by the easiest pair that leads
to it, searched with the same effort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mithridate.repairs.base import Known
from mithridate.runs.heal.surrogate import WORKS, Subject, Surrogate, putting, success
from mithridate.triggers.inversion import Aim, Found, Round, invert

__all__ = ["MOST_CLASSES", "OF_PAIRS", "ONE_CLASS", "patches_on_one_class", "searched_again"]

#: name of the form.
ONE_CLASS = "patch on one class"
#: classes, up to which pairs are searched: they grow with the square.
MOST_CLASSES = 12
#: of all pairs on few samples, then of the two easiest towards each class on more.
_SCHEDULE = (Round(1.0, 2, 60, 0.8), Round(1.0, 8, 80, 0.6, each=2))
_GROWN_ON = 32  # samples, of each pair
#: of pairs that stand out.
OF_PAIRS = (Round(1.0, 8, 80, 0.6), Round(1.0, 16, 60, 0.15))
_APART = 0.4  # of the median size that the other classes need: honest pairs differ more than honest classes
_HINT = 0.5  # up to which a pair is worth unlearning
_SOURCES = 3  # that are searched to the end, towards a class that stands out


def patches_on_one_class(subject: Subject) -> tuple[list[Surrogate], dict[int, float]]:
    """Patches towards the class that is reached most easily, and the size that each class needs by its easiest pair.

    Three where the class stands out; one where it nearly does, which proves nothing: honest models have such.

    Args:
        subject: module and samples; of more classes than `MOST_CLASSES` nothing is searched.
    """
    classes = subject.learn.classes
    if classes > MOST_CLASSES:
        return [], {}
    said = sorted(set(subject.learn.y.tolist()))
    aims = [Aim(target, source) for target in range(classes) for source in said if source != target]
    ways = _by_class(_sought(subject, aims, _SCHEDULE))
    sizes = {target: _needs(some[0]) for target, some in ways.items()}
    least = min(sizes, key=lambda k: sizes[k])
    easiest = _surrogate(subject, ways[least][0], sizes[least], sizes)
    if not easiest.odd:
        low = easiest.size <= _HINT * easiest.others and easiest.before >= WORKS
        return [replace(easiest, others=float("nan"))] if low else [], sizes
    pairs = [(int(found.aim.source or 0), least) for found in ways[least][:_SOURCES]]
    return searched_again(subject, pairs, {ONE_CLASS: sizes}), sizes


def _by_class(found: Sequence[Found]) -> dict[int, list[Found]]:
    """Of each target, those that were followed to the end first, then the easiest."""
    ways: dict[int, list[Found]] = {}
    for one in sorted(found, key=lambda one: (-one.round, _needs(one))):
        ways.setdefault(int(one.aim.target or 0), []).append(one)
    return ways


def searched_again(
    subject: Subject, pairs: Sequence[tuple[int, int]], usual: Mapping[str, Mapping[int, float]]
) -> list[Surrogate]:
    """Patches for some pairs that work, held against the sizes that other classes need."""
    if not pairs:
        return []
    ended = _sought(subject, [Aim(target, source) for source, target in pairs], OF_PAIRS)
    triggers = [_surrogate(subject, found, found.screened, usual[ONE_CLASS]) for found in ended]
    return [trigger for trigger in triggers if trigger.before >= WORKS and np.isfinite(trigger.size)]


def _needs(found: Found) -> float:
    """Its size, more where it does not always succeed."""
    return found.size * (1 + 4 * (1 - found.rate))


def _sought(subject: Subject, aims: Sequence[Aim], schedule: Sequence[Round]) -> list[Found]:
    """A patch for each aim."""
    return invert(
        subject.module, subject.learn, aims, subject.form("patch"), schedule=schedule, seed=subject.seed, anew=0,
        settled_on=_GROWN_ON,
    )  # fmt: skip


def _surrogate(subject: Subject, found: Found, size: float, sizes: Mapping[int, float]) -> Surrogate:
    """Its size is that after about the effort which all classes got."""
    form, source, target = subject.form("patch"), int(found.aim.source or 0), int(found.aim.target or 0)
    known = Known(
        name=f"patch on {subject.names[source]!r} towards {subject.names[target]!r}",
        put=putting(form, found), target=target, source=source,
    )  # fmt: skip
    others = [size for other, size in sizes.items() if other != target]
    return Surrogate(
        known=known, before=success(subject.module, known, subject.held), size=size, unit=form.unit,
        form=ONE_CLASS, apart=_APART, others=float(np.median(others)) if others else float("nan"),
    )  # fmt: skip
