"""What was noted of each sample beside its content → keys of the family "metadata": a name and a value. Label-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.carriers import entries
from mithridate.evidence.probes import Part
from mithridate.evidence.view import KeyTable

__all__ = ["FAMILY", "Notes", "metadata_part", "metadata_table"]

FAMILY = "metadata"
_LEAST = 3
_MOST = 0.95  # share of the samples beyond which a property says nothing about any of them
_ASKED = 256  # properties that a probe sees, most frequent first
_RARE = 0.005  # share of the samples below which a probe does not see a property
_BARS = 12
_VALUES = 200_000  # values of all properties that are told apart; what comes later is passed over


class Notes:
    """Properties of samples, gathered batch by batch: (name, value) → small integers."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._counts: list[int] = []
        self._codes: list[int] = []

    def add(self, noted: Sequence[Mapping[str, str]]) -> None:
        """Take the properties of the next samples."""
        index = self._index
        for of_one in noted:
            before = len(self._codes)
            for name, value in of_one.items():
                told = f"{name}: {value}"
                code = index.get(told)
                if code is None and len(index) < _VALUES:
                    code = index.setdefault(told, len(index))
                if code is not None:
                    self._codes.append(code)
            self._counts.append(len(self._codes) - before)

    @property
    def samples(self) -> int:
        """Of how many samples something was asked."""
        return len(self._counts)

    def listed(self) -> tuple[str, ...]:
        """Name and value of every code, as one text."""
        return tuple(self._index)

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """(p,) sample and (p,) code of every note."""
        rows = np.repeat(np.arange(len(self._counts)), np.array(self._counts, dtype=np.int64))
        return rows, np.array(self._codes, dtype=np.uint64)

    def plain(self) -> dict[str, Any]:
        """JSON values; `from_plain` is its inverse."""
        return {"values": self.listed(), "counts": self._counts, "codes": self._codes}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read `plain`."""
        notes = cls()
        notes._index = {told: number for number, told in enumerate(plain["values"])}
        notes._counts, notes._codes = list(plain["counts"]), list(plain["codes"])
        return notes


def metadata_table(notes: Notes, groups: NDArray[np.int64]) -> KeyTable | None:
    """The properties that enough samples have, and not nearly all; None without any.

    Args:
        notes: of n samples.
        groups: (n,) near-duplicate group of each sample.
    """
    n = len(groups)
    if not n or notes.samples != n:
        return None
    rows, codes = notes.pairs()
    least = max(_LEAST, n // 50_000)
    found = entries(rows, codes, groups, least, int(_MOST * n))
    if not len(found.hashes):
        return None
    listed = notes.listed()
    names = [listed[int(code)] for code in found.hashes]
    return KeyTable(
        family=FAMILY,
        noun="file property",
        **found.arrays(least),
        name=names.__getitem__,
        details=lambda key: {"family": FAMILY, "key": names[key]},
        plain=True,
    )


def metadata_part(table: KeyTable) -> Part | None:
    """What files say, as a part that a probe can look at alone; None where no property is frequent enough.

    Args:
        table: of the family "metadata".
    """
    carriers = np.bincount(table.keys, minlength=table.size)
    frequent = np.flatnonzero(carriers >= max(_LEAST, _RARE * (len(table.indptr) - 1)))
    if not len(frequent):
        return None
    chosen = frequent[np.argsort(-carriers[frequent], kind="stable")][:_ASKED]
    column = np.full(table.size, -1, dtype=np.int64)
    column[chosen] = np.arange(len(chosen))

    def features(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        has = np.zeros((len(rows), len(chosen)), dtype=np.float32)
        for place, row in enumerate(rows.tolist()):
            mine = column[table.keys[table.indptr[row] : table.indptr[row + 1]]]
            has[place, mine[mine >= 0]] = 1.0
        return has

    def details(rows: NDArray[np.int64], mine: NDArray[np.bool_]) -> Mapping[str, Any]:
        has = features(rows)
        with_it, without = has[mine].mean(axis=0), has[~mine].mean(axis=0)
        order = np.argsort(-np.abs(with_it - without), kind="stable")[:_BARS]
        return {
            "family": "part",
            "bars": {
                "title": "What is noted of those it tells: share of them, against that of all others",
                "names": [table.name(int(chosen[i])) for i in order],
                "values": [round(float(with_it[i]), 4) for i in order],
                "reference": [round(float(without[i]), 4) for i in order],
            },
        }

    return Part(
        name="metadata",
        noun="what is noted beside the content alone (files, traces of encoding)",
        features=features,
        details=details,
        learner="linear",
    )
