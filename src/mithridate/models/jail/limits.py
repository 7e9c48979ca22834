"""What a jailed process may use."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a jailed process may use before it is killed.

    Attributes:
        seconds: wall-clock time of one call.
        cpu_seconds: processor time of one call, over all its threads; whole seconds.
        start_seconds: wall-clock time until its libraries are loaded and the jail is shut.
        memory: bytes beyond what the process took for its own libraries.
        answer: bytes of the arrays in one answer.
    """

    seconds: float = 60.0
    cpu_seconds: int = 120
    start_seconds: float = 60.0
    memory: int = 2 << 30
    answer: int = 1 << 30
