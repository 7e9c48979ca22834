"""Counts in sentences."""

from __future__ import annotations

__all__ = ["several"]


def several(count: int, noun: str, verb: str = "") -> str:
    """Such as "1 sample lies" and "1,200 samples lie", from a regular noun and verb."""
    said = f"{count:,} {noun}{'' if count == 1 else 's'}"
    return f"{said} {verb}{'s' if count == 1 else ''}" if verb else said
