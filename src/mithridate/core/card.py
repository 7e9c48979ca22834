"""The card of a check, attack or repair: what it is, what it catches, what it misses. No field has a default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from mithridate.core.batch import Modality

__all__ = ["AttackCard", "Card"]


def _refuse_blanks(card: object) -> None:
    blank = [f.name for f in fields(card) if getattr(card, f.name) in ("", ())]  # type: ignore[arg-type]
    if blank:
        raise ValueError(
            f"{type(card).__name__} {getattr(card, 'id', '?')!r}: expected every field filled, blank: {blank}"
        )


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a person needs to know about a check or repair; the manual is generated from it.

    Attributes:
        id: stable, kebab-case; appears in reports.
        title: a noun that says what is wrong.
        stage: the room of the line it belongs to.
        modalities: what it reads: data of some kind, or for models "file", "graph" or "model".
        needs: names of the evidence it reads.
        assumes: the structural assumption it tests.
        catches: ids of the attacks it claims to catch.
        misses: what evades it.
        effect: what the number `effect` in its findings means.
        cites: papers, section or equation.
        remedy: what a user does about a finding.
        graded: True if its findings can rise above INFO; such checks share the 1 % budget.
        reads_order: True if the result depends on the order of rows.
    """

    id: str
    title: str
    stage: Literal["data", "training", "artifact", "graph", "model", "trace", "repair"]
    modalities: tuple[Modality | Literal["file", "graph", "model"], ...]
    needs: tuple[str, ...]
    assumes: str
    catches: tuple[str, ...] | None
    misses: str
    effect: str
    cites: str
    remedy: str
    graded: bool
    reads_order: bool

    def __post_init__(self) -> None:
        _refuse_blanks(self)


@dataclass(frozen=True, kw_only=True)
class AttackCard:
    """What a drill plants.

    Attributes:
        id: stable, kebab-case.
        title: one noun.
        modalities: what it can be planted in.
        label_action: what happens to the victims' labels.
        does: one sentence.
        strength: what its paper says of dose and success, and what was measured here.
        cites: the paper.
    """

    id: str
    title: str
    modalities: tuple[Modality, ...]
    label_action: Literal["dirty", "clean", "either"]
    does: str
    strength: str
    cites: str

    def __post_init__(self) -> None:
        _refuse_blanks(self)
