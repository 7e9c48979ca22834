"""What every attack on a model is: parameters, a card, and one hook that gives a poisoned copy.

Like the attacks on data, these cannot write anything: `runs.plant_model` writes the copy, always with a ledger.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.core.registry import Registry

__all__ = [
    "MODEL_ATTACKS",
    "HostKind",
    "ModelAttack",
    "ModelAttackCard",
    "ModelOrder",
    "Planted",
    "host_kind",
    "model_attack",
]

#: "onnx": an `onnx.ModelProto`; "torch": a `torch.nn.Module`; "any": a `models.base.Model`, asked as a black box.
HostKind: TypeAlias = Literal["onnx", "torch", "any"]


@dataclass(frozen=True, kw_only=True)
class ModelAttackCard:
    """What a drill plants in a model.

    Attributes:
        id: stable, kebab-case, not the id of an attack on data.
        title: one noun.
        hosts: what it can be planted in.
        does: one sentence.
        strength: what its paper says of its success, and what was measured here.
        cites: the paper.
    """

    id: str
    title: str
    hosts: tuple[HostKind, ...]
    does: str
    strength: str
    cites: str

    def __post_init__(self) -> None:
        blank = [f.name for f in fields(self) if getattr(self, f.name) in ("", ())]
        if blank:
            raise ValueError(f"ModelAttackCard {self.id!r}: expected every field filled, blank: {blank}")


@dataclass(frozen=True, kw_only=True)
class ModelOrder:
    """What the user asks for.

    Attributes:
        labels: classes of the model.
        shape: of one input where it is known; None in it where a size may vary.
        cache: folder for what is costly to make; None keeps nothing.
    """

    labels: int
    shape: tuple[int | None, ...] | None = None
    cache: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    """A poisoned copy and the truth about it.

    Attributes:
        model: of the same kind as the host.
        triggers: {label: JSON values from which a reader can redo the trigger that leads to it}.
        added_parameters: learnt numbers that the host did not have.
        drawn: what the attack chose itself, JSON values.
    """

    model: Any
    triggers: Mapping[str, Mapping[str, Any]]
    added_parameters: int
    drawn: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelAttack(ABC):
    """An attack on a model: its fields are its parameters.

    Attributes:
        card: what it is.
    """

    card: ClassVar[ModelAttackCard]

    @abstractmethod
    def plant(self, host: Any, order: ModelOrder, rng: np.random.Generator) -> Planted:
        """Make the poisoned copy; the host stays as it is.

        Args:
            host: one of the kinds on the card.
            order: what the user asks for.
            rng: draws every parameter that the user left open.

        Raises:
            UsageError: the attack does not fit the model.
        """

    def refuse(self, parameter: str, expected: str, got: object) -> UsageError:
        """The error for a parameter that cannot be used."""
        remedy = f"Give `--set {parameter}=...` another value."
        return UsageError(expected, repr(got), f"attack {self.card.id}, parameter {parameter}", remedy)


def host_kind(host: Any) -> HostKind:
    """Which kind a host is; neither onnx nor torch is imported to find out.

    Raises:
        UsageError: none of them.
    """
    from mithridate.models.base import Model
    from mithridate.models.torch_module import is_module

    if is_module(host):
        return "torch"
    if type(host).__name__ == "ModelProto":
        return "onnx"
    if isinstance(host, Model) and not isinstance(host, type):
        return "any"
    expected = "an onnx.ModelProto, a torch.nn.Module or a Model"
    raise UsageError(expected, type(host).__name__, "host", "Open it with open_model.")


MODEL_ATTACKS: Registry[ModelAttack] = Registry("mithridate.attacks")


def model_attack(card: ModelAttackCard) -> Callable[[type[ModelAttack]], type[ModelAttack]]:
    """Register an attack on models under its card."""
    return MODEL_ATTACKS.register(card)
