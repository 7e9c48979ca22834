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

__all__ = ["MOST_CLASSES", "ONE_CLASS", "SETTLED", "patches_on_one_class", "searched_again"]

#: name of the form.
ONE_CLASS = "patch on one class"
SETTLED = 128  # samples that triggers are grown on
#: classes, up to which pairs are searched: they grow with the square.
MOST_CLASSES = 12
#: of all pairs; a look at few samples misses what another one sees.
_LOOKS = (Round(1.0, 2, 60, 0.8), Round(1.0, 4, 60, 0.8))
_FOLLOW, _END = Round(1.0, 8, 80, 0.6), Round(1.0, 16, 60, 0.15)
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
    looked = [_by_class(_sought(subject, aims, (look,))) for look in _LOOKS]
    easy = {ways[0].aim for some in looked for ways in some.values()}
    ended = _by_class(_sought(subject, sorted(easy, key=aims.index), (_FOLLOW,)))
    sizes = {target: _needs(ways[0]) for target, ways in ended.items()}
    least = min(sizes, key=lambda k: sizes[k])
    easiest = _surrogate(subject, ended[least][0], sizes)
    if not easiest.odd:
        low = easiest.size <= _HINT * easiest.others and easiest.before >= WORKS
        return [replace(easiest, others=float("nan"))] if low else [], sizes
    ways = [*ended[least], *looked[-1][least]]
    sources = list(dict.fromkeys(found.aim.source for found in ways if found.aim.source is not None))
    pairs = [(source, least) for source in sources[:_SOURCES]]
    return searched_again(subject, pairs, {ONE_CLASS: sizes}), sizes


def _by_class(found: Sequence[Found]) -> dict[int, list[Found]]:
    """Of each target, the easiest first."""
    ways: dict[int, list[Found]] = {}
    for one in sorted(found, key=_needs):
        ways.setdefault(int(one.aim.target or 0), []).append(one)
    return ways


def searched_again(
    subject: Subject, pairs: Sequence[tuple[int, int]], usual: Mapping[str, Mapping[int, float]]
) -> list[Surrogate]:
    """Patches for some pairs that work, held against the sizes that other classes need."""
    if not pairs:
        return []
    ended = _sought(subject, [Aim(target, source) for source, target in pairs], (_FOLLOW, _END))
    triggers = [_surrogate(subject, found, usual[ONE_CLASS]) for found in ended]
    return [trigger for trigger in triggers if trigger.before >= WORKS and np.isfinite(trigger.size)]


def _needs(found: Found) -> float:
    """Its size, more where it does not always succeed."""
    return found.size * (1 + 4 * (1 - found.rate))


def _sought(subject: Subject, aims: Sequence[Aim], schedule: Sequence[Round]) -> list[Found]:
    """A patch for each aim."""
    return invert(
        subject.module, subject.learn, aims, subject.form("patch"), schedule=schedule, seed=subject.seed, anew=0,
        settled_on=SETTLED,
    )  # fmt: skip


def _surrogate(subject: Subject, found: Found, sizes: Mapping[int, float]) -> Surrogate:
    """Its size is that after the effort which all classes got."""
    form, source, target = subject.form("patch"), int(found.aim.source or 0), int(found.aim.target or 0)
    known = Known(
        name=f"patch on {subject.names[source]!r} towards {subject.names[target]!r}",
        put=putting(form, found), target=target, source=source,
    )  # fmt: skip
    others = [size for other, size in sizes.items() if other != target]
    return Surrogate(
        known=known, before=success(subject.module, known, subject.held), size=found.screened, unit=form.unit,
        form=ONE_CLASS, apart=_APART, others=float(np.median(others)) if others else float("nan"),
    )  # fmt: skip
