"""What `open_source` knows of a kind of data set: how it is told, and what opens it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.sources.base import RowSource
from mithridate.sources.limits import Limits

__all__ = ["CHAT", "PACKED", "Ask", "Kind", "Place"]

PACKED = (".gz", ".bz2", ".zst")
#: the arguments that name the columns of chat data.
CHAT = ("prompt", "response", "rejected")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The arguments of `open_source`; see there."""

    label: str | None = None
    text: str | None = None
    id: str | None = None
    source: str | None = None
    labels: Any = None
    x_key: str | None = None
    y_key: str | None = None
    split: str | None = None
    rate: int | None = None
    offsets: str | None = None
    prompt: str | None = None
    response: str | None = None
    rejected: str | None = None
    limits: Limits = field(default_factory=Limits)

    def options(self, **found: str | None) -> dict[str, Any]:
        """The arguments that open the data again as they were opened, with what was found beside what was asked."""
        names = [f.name for f in fields(self) if f.name not in ("labels", "limits")]
        given = {k: v for k, v in ({k: getattr(self, k) for k in names} | found).items() if v is not None}
        return given if self.limits == Limits() else given | {"limits": asdict(self.limits)}

    def refuse(self, uri: str, *names: str) -> None:
        """Refuse arguments that mean nothing for this kind of data.

        Raises:
            UsageError: naming those that were given.
        """
        given = [n for n in names if getattr(self, n) is not None]
        if given:
            raise UsageError(
                "only arguments that fit this kind of data", ", ".join(given), uri, "Leave them out."
            )


class Place:
    """A folder, and what lies in it; looked at once, when a kind asks.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def suffixes(self) -> Counter[str]:
        """How many files there are of each suffix, of all folders in it; links to folders are not followed."""
        names = (name.lower() for _, _, names in os.walk(self.path) for name in names)
        return Counter(_suffix(name) for name in names)

    def holds(self, *names: str) -> bool:
        """Whether there is a file of one of these names in the folder itself."""
        return any((self.path / name).is_file() for name in names)


def _suffix(name: str) -> str:
    """The last suffix; of a packed archive, both."""
    at = name.rfind(".tar.")
    return name[at if at >= 0 else name.rfind(".") :] if "." in name else ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data set. It is told by the suffix of a file, by what a folder holds, or by an object's type.

    Attributes:
        noun: what people call it, for the error that lists what can be read; empty where another entry says it.
        open: (path, or object in memory; arguments) → source.
        suffixes: of its files, lower case, with the dot.
        packed: suffixes that may come after these.
        folder: whether a folder is one; asked in the order of the table.
        pattern: whether a path that is not there stands for several files that are; asked where the suffix fits.
        memory: whether an object in memory is one, with these arguments; asked in the order of the table.
        takes: the arguments that mean something for it; the others are refused. `limits` is for all.
    """

    noun: str
    open: Callable[[Any, Ask], RowSource]
    suffixes: tuple[str, ...] = ()
    packed: tuple[str, ...] = ()
    folder: Callable[[Place], bool] | None = None
    pattern: Callable[[Path], bool] | None = None
    memory: Callable[[Any, Ask], bool] | None = None
    takes: tuple[str, ...] = ()

    def names(self, name: str) -> bool:
        """Whether a file of this name is one."""
        return name.lower().endswith(tuple(s + p for s in self.suffixes for p in ("", *self.packed)))
