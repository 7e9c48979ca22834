"""Triggers that do what batch norms remember of the training data: hints, but for warps that stand out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mithridate.repairs.base import Known, answers
from mithridate.repairs.layers import norms
from mithridate.runs.heal.surrogate import WORKS, Subject, Surrogate, putting, success
from mithridate.triggers.footprint import Followed, followed, footprint
from mithridate.triggers.forms import FormName

__all__ = ["remembered"]

_FORMS: tuple[FormName, ...] = ("patch", "blend", "warp")
_EXPLAINS = 0.75  # likeness from which on a patch or a blend explains a footprint
_LEADS = 0.25  # success from which on a warp does, whatever its likeness
_CLEAR = 2.0  # strength from which on there is one: chance leaves 0.7 to 1.3


def remembered(subject: Subject, sizes: Mapping[str, Mapping[int, float]]) -> tuple[list[Surrogate], bool]:
    """Of each form a trigger that does what batch norms remember; none where the model has no batch norms.

    A patch or a blend can be fitted to any footprint, so that it is a hint at most. A smooth warp cannot, and least to
    what warps with noise of their own leave, which are added to hide one. But a small one that leads most pictures of
    other classes to one class was not fitted to do that: it is held against the warps that other classes need.

    Args:
        subject: module and samples.
        sizes: of triggers that were searched for all classes, by form and class.

    Returns:
        The triggers, and whether what they explain is more than chance.
    """
    trace = footprint(subject.module, norms(subject.module), subject.learn.x)
    if trace is None:
        return [], False
    found: list[Surrogate] = []
    for name in _FORMS:
        one = followed(subject.module, trace, subject.learn.x, subject.form(name), subject.seed)
        if name == "warp" or one.likeness >= _EXPLAINS:
            found.append(_surrogate(subject, name, one, sizes.get(name, {})))
    found = [s for s in found if s.form != "warp" or (s.before >= _LEADS and s.size <= s.plain)]
    return found, bool(found) and trace.strength >= _CLEAR


def _surrogate(subject: Subject, name: FormName, one: Followed, sizes: Mapping[int, float]) -> Surrogate:
    form = subject.form(name)
    put = putting(form, one)
    target = _gaining(subject, put)
    said = f"{name} that batch norms remember, towards {subject.names[target]!r}"
    known = Known(name=said, put=put, target=target)
    before = success(subject.module, known, subject.held)
    others = [size for k, size in sizes.items() if k != target] if name == "warp" and before >= WORKS else []
    return Surrogate(
        known=known, before=before, size=one.size, unit=form.unit, form=name, plain=subject.plain(name),
        remembered=True, others=float(np.median(others)) if others else float("nan"),
    )  # fmt: skip


def _gaining(subject: Subject, put: Any) -> int:
    """The class that gains most held samples by a trigger."""
    held, classes = subject.held, subject.held.classes
    said = answers(subject.module, put(held.x)).argmax(1)
    gained = said.bincount(minlength=classes)[:classes] - held.y.bincount(minlength=classes)[:classes]
    return int(gained.argmax())
