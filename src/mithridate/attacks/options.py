"""From the id of an attack and options as text to the attack with its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from mithridate.attacks.base import ATTACKS, Attack
from mithridate.attacks.model_base import MODEL_ATTACKS, ModelAttack
from mithridate.core.errors import UsageError
from mithridate.core.registry import Registry

__all__ = ["configure", "configure_model"]

Kind = TypeVar("Kind", Attack, ModelAttack)


def configure(attack_id: str, options: Mapping[str, Any] | None = None) -> Attack:
    """The attack with this id and these parameters; text is turned into the type of the field.

    Args:
        attack_id: one of those that `mithridate drill list` names.
        options: {field: value}; fields left out are drawn from the seed or keep their default.

    Raises:
        UsageError: unknown attack, unknown parameter, or a value that does not fit it.
    """
    return _configured(ATTACKS, attack_id, options)


def configure_model(attack_id: str, options: Mapping[str, Any] | None = None) -> ModelAttack:
    """As `configure`, for attacks on models."""
    return _configured(MODEL_ATTACKS, attack_id, options)


def _configured(attacks: Registry[Kind], attack_id: str, options: Mapping[str, Any] | None) -> Kind:
    cls: Any = attacks.get(attack_id)
    if cls is None:
        known = ", ".join(a.card.id for a in (*ATTACKS, *MODEL_ATTACKS))
        raise UsageError(f"one of {known}", repr(attack_id), "attack", "Choose one of these.")
    hints = get_type_hints(cls)
    names = [f.name for f in fields(cls)]
    chosen = dict(options or {})
    for name in chosen:
        if name not in names:
            expected = "one of " + ", ".join(names) if names else "no parameters"
            raise UsageError(
                expected, repr(name), f"attack {attack_id}", f"See `mithridate drill list {attack_id}`."
            )
    made: Kind = cls(**{name: _typed(attack_id, name, value, hints[name]) for name, value in chosen.items()})
    return made


def _typed(attack_id: str, name: str, value: Any, hint: Any) -> Any:
    """`value` as the first type of `hint` (a type or a union of types) that takes it."""
    types = tuple(t for t in (get_args(hint) or (hint,)) if t is not NoneType)
    if not isinstance(value, str):
        return value
    for type_ in types:
        try:
            return type_(value)
        except ValueError:
            continue
    expected = " or ".join(t.__name__ for t in types)
    raise UsageError(
        expected, repr(value), f"attack {attack_id}, parameter {name}", "Give a value of that type."
    )
