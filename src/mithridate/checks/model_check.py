"""What every check of behaviour is: one hook that asks a model for probabilities and says what it found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.bank import Bank, Statistics
from mithridate.core.card import Card
from mithridate.core.errors import MithridateError, UsageError
from mithridate.core.registry import Registry
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.models.base import Probabilities, checked
from mithridate.models.graph.head import Head
from mithridate.triggers.frame import Frame
from mithridate.triggers.inputs import Layout, check_range

__all__ = ["MODEL_CHECKS", "BudgetError", "Meter", "ModelCheck", "ModelScope", "model_check"]

_AT_ONCE = 256


class BudgetError(MithridateError):
    """The budget of queries does not suffice for the next ones."""


@dataclass
class Meter:
    """Counts queries; every scope has its own.

    Attributes:
        spent: inputs that the model was asked about.
    """

    spent: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelScope:
    """A model as a black box, and what is known about it. No trigger, target or ledger is ever in here.

    Give every check a scope of its own (`dataclasses.replace(scope, meter=Meter())`), so that no check spends the
    queries of another.

    Attributes:
        name: of the model, for people and as target of findings.
        predict: (n, *shape) float32 → (n, k) probabilities, as `models.base.Model.predict`.
        shape: of one input.
        layout: how it is laid out, where it is a picture.
        low: value of black in the inputs.
        high: value of white in the inputs.
        clean: (n, *shape) float32 samples that nobody tampered with; None where there are none.
        labels: (n,) their classes, as columns of the answers; None where unknown.
        ids: (n,) what they are called; empty where they have no names.
        classes: names of the classes, in the order of the columns; empty where unknown.
        seed: the run's seed.
        differentiable: opens the model as a differentiable function, (n, *shape) tensor → (n, k) logits or
            probabilities, of any batch size; None where its graph is not at hand. It raises a `MithridateError` where
            gradients cannot be had.
        head: finds the last linear layer, None where the model has no such thing; None where its graph is not at hand.
        bank: clean models to compare it with; None without.
        keep: told what a bank would keep of the model; None where nobody asks, since it takes time.
        budget: how many inputs a check may ask about.
        seconds: that a check may take, as far as it can tell beforehand.
        meter: how many it did.
    """

    name: str
    predict: Callable[[NDArray[np.float32]], NDArray[Any]]
    shape: tuple[int, ...]
    layout: Layout = "auto"
    low: float = 0.0
    high: float = 1.0
    clean: NDArray[np.float32] | None = None
    labels: NDArray[np.int64] | None = None
    ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    seed: int = 0
    differentiable: Callable[[], Callable[[Any], Any]] | None = None
    head: Callable[[], Head | None] | None = None
    bank: Bank | None = None
    keep: Callable[[Statistics], None] | None = None
    budget: int = 8000
    seconds: float = 600.0
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        check_range(self.low, self.high)
        if self.clean is not None and self.clean.shape[1:] != self.shape:
            got = f"clean samples of shape {self.clean.shape[1:]}"
            remedy = "Give clean samples as the model takes them."
            raise UsageError(f"the inputs' shape {self.shape}", got, self.name, remedy)
        if self.labels is not None and (self.clean is None or len(self.labels) != len(self.clean)):
            got = f"{len(self.labels)} labels"
            raise UsageError("a label for every clean sample", got, self.name, "Give as many of both.")

    @property
    def left(self) -> int:
        """How many inputs it may still be asked about."""
        return max(0, self.budget - self.meter.spent)

    def ask(self, x: NDArray[np.float32]) -> Probabilities:
        """(n, k) probabilities for inputs (n, *shape); counted.

        Raises:
            BudgetError: that would be more than the budget; nothing was asked.
            UsageError: the model refuses the inputs, or gives no probabilities.
        """
        if len(x) > self.left:
            raise BudgetError(f"{self.name}: {len(x)} queries wanted, {self.left} of {self.budget} left")
        parts = []
        for start in range(0, len(x), _AT_ONCE):
            part = x[start : start + _AT_ONCE]
            self.meter.spent += len(part)
            parts.append(checked(self.predict(part), len(part), self.name))
        return np.concatenate(parts)

    @cached_property
    def usual(self) -> NDArray[np.float32] | None:
        """Clean samples in an order that depends on the seed only; None without any."""
        if self.clean is None or not len(self.clean):
            return None
        order = np.random.default_rng([self.seed, 41]).permutation(len(self.clean))
        return self.clean[order].astype(np.float32)

    def sample_name(self, row: int) -> str:
        """What a clean sample is called."""
        return self.ids[row] if row < len(self.ids) else str(row)

    def class_name(self, column: int) -> str:
        """What a column of the answers is called."""
        return self.classes[column] if column < len(self.classes) else str(column)


class ModelCheck(ABC):
    """A check of a model's behaviour. The author fills `examine`; the run calls it once with a scope of its own.

    Whatever it raises becomes a `Skip` that names the model.
    """

    card: ClassVar[Card]

    @abstractmethod
    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Ask the model and yield what was found; a `Clear` with its limit when nothing was.

        Raises:
            UsageError: the model could not be asked.
        """

    def frame(self, scope: ModelScope, least: int, why: str) -> Frame | NotApplicable:
        """How grey pictures are laid into inputs.

        Args:
            scope: of the model.
            least: shortest side of a picture that the check makes sense for.
            why: not below; the sides are added to it.
        """
        try:
            frame = Frame(shape=scope.shape, layout=scope.layout, low=scope.low, high=scope.high)
        except UsageError:
            return NotApplicable(check=self.card.id, reason=f"inputs of shape {scope.shape} are no pictures")
        if min(frame.sides) < least:
            return NotApplicable(check=self.card.id, reason=f"{why} of {frame.sides}")
        return frame

    def found(
        self,
        scope: ModelScope,
        severity: Severity,
        message: str,
        *,
        rule: str,
        label: str | None = None,
        effect: float | None = None,
        exhibits: tuple[Exhibit, ...] = (),
        **details: Any,
    ) -> Finding:
        """A finding about the model.

        Args:
            scope: of the model; its name is put before the message.
            severity: PROVEN where the effect was shown on the model, with a control; else INFO.
            message: one sentence: the thing, what it does, what that means.
            rule: short stable id of what was seen.
            label: name of the class that it is about.
            effect: in the unit that the card names.
            exhibits: pictures.
            details: JSON values.
        """
        return Finding(
            check=self.card.id,
            severity=severity,
            message=f"{scope.name}: {message}",
            targets=(scope.name,),
            scores=(float(severity),),
            count=1,
            label=label,
            effect=effect,
            details={"rule": rule, "queries": scope.meter.spent, **details},
            exhibits=exhibits,
        )

    def skipped(self, scope: ModelScope, reason: str, remedy: str) -> Skip:
        """Something about the model that should have been looked at and could not be."""
        return Skip(check=self.card.id, reason=reason, remedy=remedy, items=(scope.name,), count=1)

    def clear(self, scope: ModelScope, message: str, limit: str) -> Clear:
        """Nothing found above a limit."""
        return Clear(check=self.card.id, message=f"{scope.name}: {message}", limit=limit)


MODEL_CHECKS: Registry[ModelCheck] = Registry("mithridate.checks.model")


def model_check(card: Card) -> Callable[[type[ModelCheck]], type[ModelCheck]]:
    """Register a check of behaviour under its card."""
    return MODEL_CHECKS.register(card)
