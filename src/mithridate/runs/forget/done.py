"""What forgetting in a model of any kind leaves, for the verdict and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Passes
from mithridate.runs.forget.asking import Ready
from mithridate.runs.forget.measuring import Measured

__all__ = ["Done", "Progress"]

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Done:
    """What was done.

    Attributes:
        card: of the repair.
        old: the model as it was.
        new: repaired.
        known: labels and incidents.
        before: the old model, measured.
        after: the new one.
        unreadable: ids of samples that could not be read, or whose inputs are no numbers.
        named: samples that were to be forgotten.
        passes: that the repair took.
        busy: its seconds.
        exact: the named samples were never learnt from, which is more than that they were forgotten.
        notes: what a reader should know.
    """

    card: Card
    old: Any
    new: Any
    known: Ready
    before: Measured
    after: Measured
    unreadable: tuple[str, ...]
    named: int
    passes: Passes
    busy: float
    exact: bool = False
    notes: tuple[str, ...] = ()
