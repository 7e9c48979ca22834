"""Who is in the data: ids, labels and sources, gathered during the first pass over a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import BadItem, Batch
from mithridate.evidence.ids import Ids
from mithridate.evidence.metadata import Notes
from mithridate.evidence.view import Evidence

__all__ = ["Gathered", "Names", "Roll"]


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What one gathering of evidence produced.

    Attributes:
        evidence: what checks may read.
        bad: items that could not be read.
        notes: what was left out and why, in words (identifier columns, column pairs, raised limits).
        views: where the data has no labels of its own: evidence about the same samples under labels that were seen in
            them, each made when it is asked for, as they take memory.
    """

    evidence: Evidence
    bad: tuple[BadItem, ...]
    notes: tuple[str, ...] = ()
    views: tuple[Callable[[], Evidence], ...] = ()


class Names:
    """Texts → small integers, in order of first appearance; `sorted_codes` undoes that order."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._index: dict[str, int] = {name: number for number, name in enumerate(listed)}

    def codes(self, texts: tuple[str | None, ...]) -> NDArray[np.int32]:
        """(b,) number of each text, -1 for None."""
        index = self._index
        return np.fromiter(
            (-1 if t is None else index.setdefault(t, len(index)) for t in texts), np.int32, len(texts)
        )

    def listed(self) -> tuple[str, ...]:
        """The names in order of their numbers."""
        return tuple(self._index)

    def sorted_codes(self, codes: NDArray[np.int32]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Renumber so that the names are in ascending order; returns the new codes and the names."""
        names = sorted(self._index)
        rank = np.zeros(len(names) + 1, dtype=np.int32)
        rank[[self._index[name] for name in names]] = np.arange(len(names))
        rank[-1] = -1
        return rank[codes], tuple(names)


class Roll:
    """Fills up batch by batch."""

    def __init__(self) -> None:
        self.ids = Ids()
        self.bad: list[BadItem] = []
        self.notes = Notes()
        self._labels, self._sources = Names(), Names()
        self._label_codes: list[NDArray[np.int32]] = []
        self._source_codes: list[NDArray[np.int32]] = []

    def unreadable(self) -> str:
        """How many items could not be read, and why the first one."""
        first = f", the first, {self.bad[0].id[:200]!r}: {self.bad[0].reason}" if self.bad else ""
        return f"{len(self.bad):,} unreadable items{first}"

    def add(self, batch: Batch) -> None:
        """Take one batch."""
        self.ids.extend(batch.ids)
        self.bad.extend(batch.bad)
        if batch.labels is not None:
            self._label_codes.append(self._labels.codes(batch.labels))
        if batch.sources is not None:
            self._source_codes.append(self._sources.codes(batch.sources))
        if batch.metadata is not None:
            self.notes.add(batch.metadata)

    def labels(self) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
        """(n,) class index, -1 for missing, None without labels; and the class names in ascending order."""
        if not self._label_codes:
            return None, ()
        return self._labels.sorted_codes(np.concatenate(self._label_codes))

    def sources(self) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
        """The same for sources."""
        if not self._source_codes:
            return None, ()
        return self._sources.sorted_codes(np.concatenate(self._source_codes))

    def plain(self) -> dict[str, Any]:
        """Everything but the bad items as JSON values; `from_plain` is its inverse."""
        return {
            "ids": list(self.ids),
            "labels": self._labels.listed(),
            "sources": self._sources.listed(),
            "label_codes": _listed(self._label_codes),
            "source_codes": _listed(self._source_codes),
            "notes": self.notes.plain(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read `plain`, with the bad items added as "bad"."""
        roll = cls()
        roll.ids, roll.bad = Ids(plain["ids"]), list(plain["bad"])
        roll.notes = Notes.from_plain(plain["notes"])
        roll._labels, roll._sources = Names(plain["labels"]), Names(plain["sources"])
        for codes, into in (
            (plain["label_codes"], roll._label_codes),
            (plain["source_codes"], roll._source_codes),
        ):
            if codes is not None:
                into.append(np.array(codes, dtype=np.int32))
        return roll


def _listed(parts: list[NDArray[np.int32]]) -> list[int] | None:
    codes: list[int] | None = np.concatenate(parts).tolist() if parts else None
    return codes
