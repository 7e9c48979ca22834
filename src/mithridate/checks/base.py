"""What every check over data is: hooks over batches, mergeable bounded state, results at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.registry import Registry
from mithridate.core.results import Result
from mithridate.evidence.view import KeyTable, Probe

__all__ = ["DATA_CHECKS", "DataCheck", "Hits", "Ranked", "Scope", "data_check"]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a check knows before it reads a batch. No poison rate, target, trigger or ledger is ever in here.

    Attributes:
        n: samples.
        classes: names of the classes.
        sizes: (k,) labelled samples per class.
        source_names: names of the sources, empty without.
        tables: key families (names, details, sizes).
        accuracy: of the content model, nan without one.
        widths: {vector name: d}.
        shapes: {vector name: shape of one sample's vector}, to be handed on to whoever draws it.
        leave_out: rows → content logits from a model fitted without these samples, or None.
        probes: parts of the samples whose word on the label was asked for, by name.
        seed: the run's seed.
        alpha: this check's share of the false-alarm budget.
        wording: what is said of samples that bear a label, with a place for it.
        contrary: the class of samples that contradict their content by themselves, -1 where there is none.
    """

    n: int
    classes: tuple[str, ...]
    sizes: NDArray[np.int64]
    source_names: tuple[str, ...]
    tables: Mapping[str, KeyTable]
    accuracy: float
    widths: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    leave_out: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None
    seed: int
    alpha: float
    probes: Mapping[str, Probe] = field(default_factory=dict)
    wording: str = "labelled {!r}"
    contrary: int = -1


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Samples of a batch that belong to a group the check will report (a key, a class, a pattern).

    Attributes:
        group: the check's own number for the group.
        rows: (h,) rows of the samples.
        scores: (h,) higher = worse.
    """

    group: int
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """All hits of one group, worst first (ties by id)."""

    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    scores: tuple[float, ...]


class DataCheck(ABC):
    """A check over data. The author fills the hooks; the driver (`engines`-independent, in `runs`) calls them.

    For each round r = 0 .. `rounds` - 1: `fit` on every batch, `merge` of the parts, `advance`. Then `score` on every
    batch, then `results`. State is O(classes x d^2 + keys), never O(samples).
    """

    card: ClassVar[Card]
    rounds: ClassVar[int] = 1

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.round = 0

    def applicable(self) -> str | None:
        """Why there is nothing here for this check to look at; None when there is."""
        return None

    @abstractmethod
    def fit(self, batch: Batch) -> None:
        """Take one batch into the state of the current round."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add the state that another instance gathered in the same round."""

    def advance(self) -> None:  # noqa: B027 - most checks have nothing to close
        """Close the current round; called once, after all merges."""

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Say which samples of the batch belong to what will be reported."""
        return ()

    @property
    def most(self) -> int | None:
        """How many samples of a group, the worst, are ranked and named; None: all that were hit."""
        return None

    @abstractmethod
    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """Yield findings, or one `Clear` when there are none."""


DATA_CHECKS: Registry[DataCheck] = Registry("mithridate.checks.data")


def data_check(card: Card) -> Callable[[type[DataCheck]], type[DataCheck]]:
    """Register a check over data under its card."""
    return DATA_CHECKS.register(card)
