"""What goes wrong in a jail, and whether the system can offer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mithridate.core.errors import UsageError

__all__ = ["Event", "JailError", "JailUnavailable", "Limit"]

#: which wall was hit; None: the worker itself could not do as asked.
Limit: TypeAlias = Literal[
    "seconds", "cpu", "memory", "threads", "answer", "syscall", "crash", "protocol", "closed"
]


@dataclass(frozen=True)
class Event:
    """Something that the jailed process tried and was refused.

    Attributes:
        name: of the audit event, e.g. "open" or "socket.connect" (docs.python.org/3/library/audit_events.html).
        detail: its arguments, cut.
    """

    name: str
    detail: str


class JailUnavailable(UsageError):  # noqa: N818 - a state of the system, not a fault
    """This system offers no jail; what needs one becomes a `Skip`."""


class JailError(UsageError):
    """The jailed process gave no answer, or one that says why it cannot.

    Args:
        expected: what would have been accepted.
        got: what was found instead.
        where: which worker, doing what.
        remedy: what to do about it.
        limit: which wall was hit.
        events: what the process tried and was refused.
    """

    def __init__(
        self,
        expected: str,
        got: str,
        where: str,
        remedy: str,
        *,
        limit: Limit | None = None,
        events: Sequence[Event] = (),
    ) -> None:
        self.limit, self.events = limit, tuple(events)
        if self.events:
            got += "; it tried and was refused: " + ", ".join(
                sorted({event.name for event in self.events})[:8]
            )
        super().__init__(expected, got, where, remedy)
