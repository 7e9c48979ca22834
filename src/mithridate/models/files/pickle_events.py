"""What a pickle would do: its events, and the values between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mithridate.models.files.opcodes import Blob

__all__ = [
    "Built", "Called", "Changed", "Computed", "Data", "Ended", "Event", "Extension", "Imported", "Made", "Persistent",
    "Ref", "Table", "Unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ref:
    """Something imported by name."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Made:
    """What a call gives."""

    func: Any
    args: Any
    state: Any = None


@dataclass(slots=True, eq=False)
class Table:
    """A dict: its first pairs, in order."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, key: str) -> Any:
        """The last value under a key, or None."""
        return next((value for k, value in reversed(self.pairs) if isinstance(k, str) and k == key), None)


class Unknown:
    """A value that nobody needs to know."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A module is imported and a name looked up in it."""

    ref: Ref
    offset: int


@dataclass(frozen=True, slots=True)
class Called:
    """Something is called; `func` is a `Ref`, or any other value when it is computed at load time."""

    func: Any
    args: Any
    offset: int
    how: str


@dataclass(frozen=True, slots=True)
class Built:
    """An object is given its state, by its `__setstate__` or attribute by attribute."""

    target: Any
    state: Any
    offset: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Entries are put into something that is not a container made here."""

    target: Any
    offset: int
    how: str


@dataclass(frozen=True, slots=True)
class Computed:
    """A name to import that is not in the file but computed at load time."""

    offset: int


@dataclass(frozen=True, slots=True)
class Persistent:
    """Something the loader fetches by an id of its own."""

    id: Any
    offset: int


@dataclass(frozen=True, slots=True)
class Extension:
    """An import by number, from the registry of whatever process loads it."""

    code: int
    offset: int


@dataclass(frozen=True, slots=True)
class Data:
    """A text, bytes, or where a long one lies."""

    value: str | bytes | Blob
    offset: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a pickle.

    Attributes:
        at: the byte after it.
        broken: why no loader gets further; None after a STOP.
        protocol: the highest that it declares; 0 when it declares none.
        operations: how many were read.
        value: what it leaves, when it ends as it should.
    """

    at: int
    broken: str | None
    protocol: int
    operations: int
    value: Any = None


Event: TypeAlias = (
    Imported | Called | Built | Changed | Computed | Persistent | Extension | Data | Ended
)  # fmt: skip
