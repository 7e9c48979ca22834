"""What attacks with covers share: some samples carry the trigger under their true label."""

from __future__ import annotations

from dataclasses import dataclass

from mithridate.attacks.base import Attack

__all__ = ["CoveredAttack"]


@dataclass(frozen=True, kw_only=True)
class CoveredAttack(Attack):
    """An attack with covers.

    Attributes:
        cover_ratio: covers per victim.
    """

    cover_ratio: float = 1.0

    def cover_count(self, count: int) -> int:
        """`cover_ratio` per victim, to the nearest whole number."""
        if not 0 <= self.cover_ratio < float("inf"):
            raise self.refuse("cover_ratio", "a number of 0 or more", self.cover_ratio)
        return round(count * self.cover_ratio)
