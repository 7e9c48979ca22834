"""Triggers that leave the footprint which batch norms keep of the training data: hints, as they prove nothing."""

from __future__ import annotations

from typing import Any

from mithridate.repairs.base import Known, answers
from mithridate.repairs.layers import norms
from mithridate.runs.heal.surrogate import Subject, Surrogate, putting, success
from mithridate.triggers.footprint import followed, footprint
from mithridate.triggers.forms import FormName

__all__ = ["REMEMBERED", "remembered"]

#: name of the form.
REMEMBERED = "footprint"
_FORMS: tuple[FormName, ...] = ("patch", "blend")
_EXPLAINS = 0.75  # likeness from which on a trigger explains a footprint
_CLEAR = 2.0  # strength from which on there is one: chance leaves 0.7 to 1.3


def remembered(subject: Subject) -> tuple[list[Surrogate], bool]:
    """A patch and a blend, where they do what batch norms remember; none where the model has no batch norms.

    Args:
        subject: module and samples.

    Returns:
        The triggers, and whether what they explain is more than chance.
    """
    trace = footprint(subject.module, norms(subject.module), subject.learn.x)
    found: list[Surrogate] = []
    if trace is None:
        return found, False
    for name in _FORMS:
        form = subject.form(name)
        one = followed(subject.module, trace, subject.learn.x, form, subject.seed)
        if one.likeness < _EXPLAINS:
            continue
        put = putting(form, one)
        target = _gaining(subject, put)
        known = Known(
            name=f"{name} that batch norms remember, towards {subject.names[target]!r}",
            put=put,
            target=target,
        )
        found.append(
            Surrogate(
                known=known, before=success(subject.module, known, subject.held), size=one.size, unit=form.unit,
                form=REMEMBERED, others=float("nan"),
            )
        )  # fmt: skip
    return found, bool(found) and trace.strength >= _CLEAR


def _gaining(subject: Subject, put: Any) -> int:
    """The class that gains most held samples by a trigger."""
    held, classes = subject.held, subject.held.classes
    said = answers(subject.module, put(held.x)).argmax(1)
    gained = said.bincount(minlength=classes)[:classes] - held.y.bincount(minlength=classes)[:classes]
    return int(gained.argmax())
