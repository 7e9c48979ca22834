"""What every attack is: parameters, a card, and one hook that draws its trigger from the seed.

An attack cannot write anything. It is carried out by `attacks.plan.Plan` inside `runs.plant`, which always
leaves a ledger of the truth beside the poisoned copy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Modality
from mithridate.core.card import AttackCard
from mithridate.core.errors import UsageError
from mithridate.core.hashing import keyed_hash
from mithridate.core.registry import Registry
from mithridate.triggers.base import Trigger

__all__ = [
    "ATTACKS",
    "Aim",
    "Attack",
    "Choice",
    "LabelAction",
    "Look",
    "NaturalTrigger",
    "Order",
    "attack",
    "stream",
]

#: (samples, their labels) → how much each is wanted, (b,); the highest are taken.
Choice: TypeAlias = Callable[[Sequence[Any], Sequence[str | None]], NDArray[np.float64]]
LabelAction: TypeAlias = Literal["dirty", "clean", "all-to-all"]


@runtime_checkable
class NaturalTrigger(Protocol):
    """A `Choice` that is a trigger by itself: a feature that samples have by nature. It goes into the ledger."""

    def __call__(self, samples: Sequence[Any], labels: Sequence[str | None]) -> NDArray[np.float64]:
        """How strong the feature is in each sample, (b,)."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """JSON values from which a reader can measure the feature again."""
        ...


def stream(seed: int, purpose: str, id_: str = "") -> np.random.Generator:
    """The generator of one purpose and one sample (or the whole attack), whatever the order of work."""
    return np.random.default_rng(int(keyed_hash([id_], seed, purpose)[0]))


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the user asks for.

    Attributes:
        count: victims.
        target: the class that the trigger shall lead to; None draws one from the seed.
        source_class: the only class that victims are taken from; None takes all that fit.
        source_name: the only source that victims are taken from; None takes all.
        labels: "dirty": victims come from other classes and get the target's label; "clean": only samples of
            the target are touched and keep their label; "all-to-all": victims of every class get the label of
            the next class; None is what the attack's paper does.
        seed: what everything drawn comes from.
    """

    count: int
    target: str | None = None
    source_class: str | None = None
    source_name: str | None = None
    labels: LabelAction | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Aim:
    """An order made definite for one data set.

    Attributes:
        classes: all labels, sorted.
        target: the class aimed at; None where the attack aims at none.
        source_class: as in `Order`.
        labels: as in `Order`.
        source_name: as in `Order`.
    """

    classes: tuple[str, ...]
    target: str | None
    source_class: str | None
    labels: LabelAction
    source_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What an attack may see of the data when it draws its trigger.

    Attributes:
        modality: what the samples are.
        raws: a few samples, chosen by hash of their id.
        labels: of these samples.
        aim: what the attack is up to.
    """

    modality: Modality
    raws: Sequence[Any]
    labels: Sequence[str | None]
    aim: Aim


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """An attack: its fields are its parameters, its one hook draws the trigger.

    Attributes:
        card: what it is.
        looks: how many samples `trigger` wants to see.
        habit: what happens to labels when the order does not say.
        aims: False when there is no target class.
        from_one_class: True when victims all come from one class, drawn from the seed if not given.
        from_one_source: True when victims all come from one source, drawn from the seed if not given.
    """

    card: ClassVar[AttackCard]
    looks: ClassVar[int] = 1
    habit: ClassVar[LabelAction] = "dirty"
    aims: ClassVar[bool] = True
    from_one_class: ClassVar[bool] = False
    from_one_source: ClassVar[bool] = False

    @abstractmethod
    def trigger(self, look: Look, rng: np.random.Generator) -> Trigger | None:
        """Draw what is put on the victims; None when only labels change.

        Args:
            look: a few samples.
            rng: draws every parameter that the user left open.
        """

    def fits(self, label: str | None, aim: Aim) -> bool:
        """Whether a sample with this label can be a victim."""
        if aim.labels == "clean":
            return label == aim.target or aim.target is None
        return label is not None and label != aim.target and aim.source_class in (None, label)

    def relabel(self, label: str | None, aim: Aim, rng: np.random.Generator) -> str | None:
        """The label that a victim gets."""
        if aim.labels == "clean":
            return label
        if aim.labels == "all-to-all" and label is not None:
            return aim.classes[(aim.classes.index(label) + 1) % len(aim.classes)]
        return aim.target

    def choice(self, look: Look, rng: np.random.Generator) -> Choice | None:
        """How much each sample is wanted as a victim; None when all that fit are wanted alike.

        Args:
            look: a few samples.
            rng: draws what the user left open.
        """
        return None

    def cover_count(self, count: int) -> int:
        """How many covers go with `count` victims: samples that get the trigger and keep their true label."""
        return 0

    def covers(self, label: str | None, aim: Aim) -> bool:
        """Whether a sample with this label can be a cover."""
        return label is not None and label != aim.target

    def cover_trigger(self, trigger: Trigger) -> Trigger:
        """The trigger that is put on covers."""
        return trigger

    def at_test(self, trigger: Trigger) -> Trigger:
        """The trigger that is put on samples once the model is trained."""
        return trigger

    def succeeds(self, label: str, predicted: str, aim: Aim) -> bool | None:
        """Whether the prediction for a triggered sample is what the attack wants; None where it wants nothing.

        Args:
            label: the true one.
            predicted: by the model, for the sample with the trigger.
            aim: of the attack.
        """
        if aim.source_class not in (None, label):
            return None
        if aim.labels == "all-to-all":
            return predicted == self.relabel(label, aim, np.random.default_rng(0))
        if aim.target is None or label == aim.target:
            return None
        return predicted == aim.target

    def demand(self, parameter: str, fine: bool, expected: str) -> None:
        """Refuse the value of a parameter unless it is fine.

        Raises:
            UsageError: it is not.
        """
        if not fine:
            raise self.refuse(parameter, expected, getattr(self, parameter))

    def refuse(self, parameter: str, expected: str, got: object) -> UsageError:
        """The error for a parameter that cannot be used."""
        remedy = f"Give `--set {parameter}=...` another value."
        return UsageError(expected, repr(got), f"attack {self.card.id}, parameter {parameter}", remedy)


ATTACKS: Registry[Attack] = Registry("mithridate.attacks")


def attack(card: AttackCard) -> Callable[[type[Attack]], type[Attack]]:
    """Register an attack under its card."""
    return ATTACKS.register(card)
