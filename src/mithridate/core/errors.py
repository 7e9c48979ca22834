"""Errors a user can act on.

Every message says what was expected, what was found, where, and what to do.

    MithridateError
    ├── UsageError        the call cannot be carried out as asked (exit code 2)
    │   ├── SourceError   the data cannot be read as a data set
    │   └── ReportError   a report file cannot be read or written
    └── ItemError         one item of a source cannot be used; becomes a `Skip`, the rest goes on
"""

from __future__ import annotations

__all__ = ["ItemError", "MithridateError", "ReportError", "SourceError", "UsageError"]


class MithridateError(Exception):
    """Base of everything this package raises on purpose."""


class UsageError(MithridateError):
    """The call cannot be carried out as asked.

    Args:
        expected: what would have been accepted.
        got: what was found instead.
        where: the file, column or argument concerned.
        remedy: what to do about it.
    """

    def __init__(self, expected: str, got: str, where: str, remedy: str) -> None:
        self.expected, self.got, self.where, self.remedy = expected, got, where, remedy
        super().__init__(f"{where}: expected {expected}, got {got}. {remedy}")


class SourceError(UsageError):
    """The data cannot be read as a data set."""


class ReportError(UsageError):
    """A report file cannot be read or written."""


class ItemError(MithridateError):
    """One item of a source cannot be used; the source turns it into a `BadItem` and goes on.

    Args:
        item: the id of the item.
        reason: why it cannot be used.
    """

    def __init__(self, item: str, reason: str) -> None:
        self.item, self.reason = item, reason
        super().__init__(f"{item}: {reason}")
