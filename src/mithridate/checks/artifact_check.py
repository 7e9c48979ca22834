"""What every check of files is: one hook that looks at one item and says what it found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from mithridate.core.card import Card
from mithridate.core.registry import Registry
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item, Kind

__all__ = ["ARTIFACT_CHECKS", "ArtifactCheck", "artifact_check"]


class ArtifactCheck(ABC):
    """A check of files. The author fills `kinds` and `examine`; the run calls it for every item of these kinds.

    It loads nothing and executes nothing; whatever it raises becomes a `Skip` that names the item.
    """

    card: ClassVar[Card]
    #: kinds of items that it looks at.
    kinds: ClassVar[frozenset[Kind]]

    @abstractmethod
    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what is wrong with an item; nothing when nothing is.

        Raises:
            ItemError: the item could not be examined.
        """

    def found(self, item: Item, severity: Severity, message: str, *, rule: str, **details: Any) -> Finding:
        """A finding about one item.

        Args:
            item: what it is about; its name is put before the message.
            severity: SUSPICIOUS for what honest files rarely have, LIKELY for what only an attack needs, INFO for
                what a person should know.
            message: one sentence: the thing, what it does, what that means.
            rule: short stable id of what was seen, e.g. "DANGEROUS_CALL".
            details: JSON values: where, which name, which value.
        """
        return Finding(
            check=self.card.id,
            severity=severity,
            message=f"{item.name}: {message}",
            targets=(item.name,),
            scores=(float(severity),),
            count=1,
            details={"rule": rule, **details},
        )

    def skipped(self, item: Item, reason: str, remedy: str) -> Skip:
        """Something about an item that should have been looked at and could not be."""
        return Skip(check=self.card.id, reason=reason, remedy=remedy, items=(item.name,), count=1)


ARTIFACT_CHECKS: Registry[ArtifactCheck] = Registry("mithridate.checks.artifact")


def artifact_check(card: Card) -> Callable[[type[ArtifactCheck]], type[ArtifactCheck]]:
    """Register a check of files under its card."""
    return ARTIFACT_CHECKS.register(card)
