"""What a drill is asked to do, in definite form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from mithridate.attacks.base import ATTACKS, Attack
from mithridate.attacks.model_base import MODEL_ATTACKS
from mithridate.attacks.options import configure
from mithridate.core.batch import Modality
from mithridate.core.errors import UsageError

__all__ = ["card_of", "chosen_attacks", "claims"]


def chosen_attacks(specs: Sequence[str], modality: Modality) -> dict[str, Attack]:
    """The attacks asked for, by what they are called on the page.

    Args:
        specs: each "ID" or "ID NAME=VALUE ..."; none means all that are made for this kind of data.
        modality: of the data.

    Raises:
        UsageError: an unknown attack or parameter, or one asked for twice.
    """
    if not specs:
        return {cls.card.id: cls() for cls in ATTACKS if modality in cls.card.modalities}
    chosen: dict[str, Attack] = {}
    for spec in specs:
        if not spec.split():
            raise UsageError("an attack", repr(spec), "attacks", "See `mithridate drill list`.")
        name, *pairs = spec.split()
        if MODEL_ATTACKS.get(name) is not None:
            remedy = f"Plant it with `mithridate drill plant {name} MODEL.onnx COPY.onnx`."
            raise UsageError("attacks on data", f"{name!r}, made for models", "attacks", remedy)
        options = dict(pair.partition("=")[::2] for pair in pairs)
        attack = configure(name, options)
        if modality not in attack.card.modalities:
            made_for = " or ".join(attack.card.modalities)
            raise UsageError(
                f"attacks for {modality} data", f"{name!r}, made for {made_for}", "attacks", "Leave it out."
            )
        if " ".join(spec.split()) in chosen:
            raise UsageError("each attack once", f"{spec!r} twice", "attacks", "Name it once.")
        chosen[" ".join(spec.split())] = attack
    return chosen


def card_of(attack: Attack) -> dict[str, Any]:
    """The card and the parameters of an attack, as JSON values."""
    return {**asdict(attack.card), "parameters": {k: v for k, v in asdict(attack).items() if v is not None}}


def claims(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The checks that claim to catch each attack.

    Args:
        names: what attacks are called on the page; the first word is the id.
    """
    from mithridate.checks.base import DATA_CHECKS

    return {
        name: tuple(kind.card.id for kind in DATA_CHECKS if name.split()[0] in (kind.card.catches or ()))
        for name in names
    }
