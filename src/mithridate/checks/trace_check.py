"""What every check of a trace is: one hook that names the samples that taught a model a wrong answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mithridate.core.card import Card
from mithridate.core.registry import Registry
from mithridate.evidence.trait import Level
from mithridate.evidence.transplant import Ask
from mithridate.evidence.valley import Split
from mithridate.models.levels import LAST

__all__ = ["TRACE_CHECKS", "Heads", "TraceCheck", "TraceScope", "trace_check"]

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Heads:
    """What one checkpoint says, for samples with the incidents' answer as their label.

    Attributes:
        same: (c, d) features that the last layer reads.
        incidents: (m, d).
        same_logits: (c, k).
        incident_logits: (m, k).
    """

    same: Values
    incidents: Values
    same_logits: Values
    incident_logits: Values


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceScope:
    """One wrong answer, the incidents that got it, and the samples that could have taught it.

    Only samples labelled with an answer teach it; the others are what they are held against.

    Attributes:
        answer: column of the wrong answer.
        levels: features of samples with that label, of others, and of the incidents.
        heads: of each checkpoint, the model itself last.
        kinds: (o,) the column of each of the other samples' labels.
        ask: whether rows of the level of inputs get the answer; None where the model cannot be asked so.
        seed: the run's seed.
    """

    answer: int
    levels: tuple[Level, ...]
    heads: tuple[Heads, ...]
    kinds: NDArray[np.intp]
    ask: Ask | None = None
    seed: int = 0

    def level(self, name: str) -> Level:
        """The level of that name, else that of the last layer."""
        found = {level.name: level for level in self.levels}
        return found.get(name, found[LAST])


class TraceCheck(ABC):
    """A way to find the group. The author fills `split`; the run judges, confirms and tells."""

    card: ClassVar[Card]

    @abstractmethod
    def split(self, scope: TraceScope) -> list[Split]:
        """Groups that may have taught the answer, as positions among the samples with that label."""


TRACE_CHECKS: Registry[TraceCheck] = Registry("mithridate.checks.trace")


def trace_check(card: Card) -> Callable[[type[TraceCheck]], type[TraceCheck]]:
    """Register a check of a trace under its card."""
    return TRACE_CHECKS.register(card)
