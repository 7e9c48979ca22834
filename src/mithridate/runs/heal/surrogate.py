"""A trigger that judges repairs, its success, and what such are sought in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.repairs.base import Known
from mithridate.triggers.footprint import Followed
from mithridate.triggers.forms import Form, FormName, form_of
from mithridate.triggers.inversion import Aim, Found, Pool

__all__ = ["WORKS", "Subject", "Surrogate", "putting", "success"]

#: success on samples that it was not learnt on, from which on a trigger can judge anything.
WORKS = 0.8
_MOVED = 1 / 8  # of a picture's side, by which a warp moves what is in it


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
        apart: share of `others`, up to which a trigger stands out.
        plain: size beyond which anybody sees that something was done to a picture.
        remembered: it was made to do what batch norms remember of the training data.
    """

    known: Known
    before: float
    size: float
    others: float
    unit: str
    form: str = ""
    apart: float = 0.5
    plain: float = float("inf")
    remembered: bool = False

    @property
    def odd(self) -> bool:
        """Much smaller than for other classes, and not plain: honest models have triggers, too, but rarely such."""
        return self.size <= min(self.apart * self.others, self.plain)


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What triggers are sought in.

    Attributes:
        module: (n, c, h, w) → (n, classes).
        learn: clean samples to learn on, with what the module says of them.
        held: others to try triggers on.
        names: of the classes.
        low: value of black.
        high: value of white.
        seed: of all draws.
    """

    module: Any
    learn: Pool
    held: Pool
    names: Sequence[str]
    low: float
    high: float
    seed: int

    @property
    def pictures(self) -> bool:
        """Whether inputs are pictures: other inputs have no triggers of the known forms."""
        return bool(self.learn.x.ndim == 4)

    def form(self, name: FormName) -> Form:
        """Of triggers for its pictures."""
        channels, height, width = (int(side) for side in self.learn.x.shape[1:])
        return form_of(name, (channels, height, width), self.low, self.high)

    def plain(self, name: FormName) -> float:
        """Size of a trigger of a form, beyond which anybody sees that something was done to a picture."""
        return _MOVED * min(self.learn.x.shape[2:]) if name == "warp" else float("inf")


def putting(form: Form, found: Found | Followed) -> Any:
    """(n, c, h, w) inputs → the same with a trigger that was found."""
    return lambda x: form.put(found.parameters, x[None])[0]


def success(module: Any, known: Known, pool: Pool, answers: Any = None) -> float:
    """Share of the samples of other classes, or of its source class, that a trigger takes to its class; 0 without such.

    Samples that are taken for the class without the trigger, too, are the model's own mistakes and do not count.

    Args:
        module: (n, ...) → (n, classes).
        known: the trigger.
        pool: n samples.
        answers: (n,) classes that the module finds without the trigger; asked where None.
    """
    import torch

    try:
        rows = pool.rows(Aim(known.target, known.source))
    except UsageError:
        return 0.0
    led = moved = 0
    with torch.no_grad():
        for some in rows.split(256):
            x, y = pool.x[some], pool.y[some]
            said = module(x).argmax(1) if answers is None else answers[some]
            shown = module(known.put(x)).argmax(1)
            own = said == y if known.target is None else said != known.target
            away = shown != y if known.target is None else shown == known.target
            moved += int(own.sum())
            led += int((own & away).sum())
    return led / moved if moved else 0.0
