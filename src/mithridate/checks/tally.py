"""Counting (key, label) over batches: what the three tests of the association engine share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import Ranked, Scope
from mithridate.core.batch import Batch, KeySlice
from mithridate.evidence.store import row_chunks
from mithridate.evidence.view import KeyTable

__all__ = [
    "Carried",
    "Named",
    "Suspect",
    "Tally",
    "accusing_alike",
    "alike",
    "clusters",
    "described",
    "key_slices",
    "with_carriers",
    "with_kin",
]

_CHUNK = 1 << 22  # entries read at once
_LOCATED = 100  # carriers whose place is told where it differs
_ALIKE = 0.5  # suspects that share this much of the smaller one's carriers are one thing


class Tally:
    """Carriers of every key of every family by label; near-duplicates count once.

    Args:
        scope: names the families and classes.
    """

    def __init__(self, scope: Scope) -> None:
        k = max(len(scope.classes), 1)
        self.by_label: dict[str, NDArray[np.int32]] = {
            family: np.zeros((table.size, k), dtype=np.int32) for family, table in scope.tables.items()
        }
        self.carriers: dict[str, NDArray[np.int32]] = {
            family: np.zeros(table.size, dtype=np.int32) for family, table in scope.tables.items()
        }

    def fit(self, batch: Batch) -> None:
        """Add one batch."""
        label = batch.evidence["label"]
        for family, keys in key_slices(batch):
            counts = self.by_label[family]
            fresh = keys.fresh
            key, y = keys.keys[fresh], label[keys.rows[fresh]]
            self.carriers[family] += np.bincount(key, minlength=len(counts)).astype(np.int32)
            key, y = key[y >= 0], y[y >= 0]
            flat = np.bincount(key * counts.shape[1] + y, minlength=counts.size)
            counts += flat.reshape(counts.shape).astype(np.int32)

    def merge(self, other: Tally) -> None:
        """Add what another instance counted."""
        for family in self.by_label:
            self.by_label[family] += other.by_label[family]
            self.carriers[family] += other.carriers[family]


def key_slices(batch: Batch) -> Iterator[tuple[str, KeySlice]]:
    """(family, keys) of a batch."""
    for name, value in batch.evidence.items():
        if name.startswith("keys:"):
            yield name.removeprefix("keys:"), value


@dataclass(frozen=True, kw_only=True)
class Named:
    """Samples accused of what the carriers of a key share.

    Attributes:
        rows: (s,) ascending.
        doubts: (s,) how likely each is innocent.
        places: (s, 2) where it is in each.
        details: of what is shared.
    """

    rows: NDArray[np.int64]
    doubts: NDArray[np.float64]
    places: NDArray[np.int64]
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A key that a test singles out.

    Attributes:
        family: its table.
        key: its index there.
        label: class it goes with, -1 when labels play no part.
        log10_p: corrected for all keys and labels.
        effect: in the test's own unit.
        rows: ascending rows of everybody who carries it up to encoder noise; None = exactly its carriers.
        closeness: beside `rows`, 1 = exactly.
        fresh: beside `rows`, False where a near-duplicate counts already.
        logits: (r, k) beside `rows`, content logits of a model that has not seen these samples; or None.
        bearers: (b,) those of `rows` that bear the label, near-duplicates counted once; None where not asked.
        named: who is accused in place of the bearers, where more is known than who carries the key.
    """

    family: str
    key: int
    label: int
    log10_p: float
    effect: float
    rows: NDArray[np.int64] | None = None
    closeness: NDArray[np.float64] | None = None
    fresh: NDArray[np.bool_] | None = None
    logits: NDArray[np.float32] | None = None
    bearers: NDArray[np.int64] | None = None
    named: Named | None = None


def described(
    scope: Scope, suspect: Suspect, counts: NDArray[np.int32], hits: Ranked, **more: Any
) -> dict[str, Any]:
    """Details of a finding about a key: how to find and draw it, and what labels its carriers bear.

    Args:
        scope: names families and classes.
        suspect: the key.
        counts: (k,) its carriers per class.
        hits: the samples accused.
        more: details that the check adds.
    """
    table = scope.tables[suspect.family]
    named = suspect.named
    details = {**table.details(suspect.key), **(named.details if named else {}), **more}
    details["label_counts"] = {name: int(c) for name, c in zip(scope.classes, counts, strict=False) if c}
    if named is not None:
        which = np.searchsorted(named.rows, hits.rows[:_LOCATED])
        details["places"] = dict(zip(hits.ids, named.places[which].tolist(), strict=False))
    elif table.locate is not None:
        places = table.locate(suspect.key, hits.rows[:_LOCATED]).tolist()
        details["places"] = dict(zip(hits.ids, places, strict=False))
    return details


@dataclass(frozen=True, kw_only=True)
class Carried:
    """The samples of one batch that carry a suspect key; fields as in `Suspect`."""

    rows: NDArray[np.int64]
    closeness: NDArray[np.float64]
    fresh: NDArray[np.bool_]
    logits: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, suspect: Suspect, batch: Batch) -> Carried:
        """Find them."""
        start, stop = int(batch.rows[0]), int(batch.rows[-1]) + 1
        if suspect.rows is not None and suspect.closeness is not None and suspect.fresh is not None:
            low, high = np.searchsorted(suspect.rows, [start, stop])
            return cls(
                rows=suspect.rows[low:high],
                closeness=suspect.closeness[low:high],
                fresh=suspect.fresh[low:high],
                logits=None if suspect.logits is None else suspect.logits[low:high],
            )
        keys: KeySlice = batch.evidence[f"keys:{suspect.family}"]
        mine = np.flatnonzero(keys.keys == suspect.key)
        return cls(rows=start + keys.rows[mine], closeness=np.ones(len(mine)), fresh=keys.fresh[mine])


def with_kin(scope: Scope, suspect: Suspect) -> Suspect:
    """The same suspect with everybody who carries it up to encoder noise, where its family can tell."""
    kin = scope.tables[suspect.family].kin
    if kin is None:
        return suspect
    rows, closeness, fresh = kin(suspect.key)
    return replace(suspect, rows=rows, closeness=closeness, fresh=fresh)


def with_carriers(scope: Scope, suspects: Sequence[Suspect]) -> list[Suspect]:
    """The same suspects with the rows of their carriers."""
    found: dict[tuple[str, int], tuple[NDArray[np.int64], NDArray[np.bool_]]] = {}
    for family in dict.fromkeys(s.family for s in suspects):
        keys = np.unique([s.key for s in suspects if s.family == family])
        for key, carried in zip(keys.tolist(), _carriers(scope.tables[family], keys), strict=True):
            found[family, key] = carried
    return [
        replace(s, rows=rows, closeness=np.ones(len(rows)), fresh=fresh)
        for s, (rows, fresh) in ((s, found[s.family, s.key]) for s in suspects)
    ]


def _carriers(table: KeyTable, keys: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """(rows, fresh) of each key, in one reading of the table."""
    number = np.full(table.size, -1, dtype=np.int64)
    number[keys] = np.arange(len(keys))
    parts = []
    for start, stop in row_chunks(table.indptr, _CHUNK):
        low, high = int(table.indptr[start]), int(table.indptr[stop])
        which = number[table.keys[low:high]]
        mine = np.flatnonzero(which >= 0)
        rows = np.searchsorted(table.indptr, low + mine, side="right") - 1
        parts.append((which[mine], rows, np.asarray(table.fresh[low:high])[mine]))
    which, rows, fresh = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(which, kind="stable")
    cuts = np.cumsum(np.bincount(which, minlength=len(keys)))[:-1]
    return list(zip(np.split(rows[order], cuts), np.split(fresh[order], cuts), strict=True))


def clusters(suspects: Sequence[Suspect], ranked: Mapping[int, Ranked]) -> list[list[int]]:
    """Group suspects (given best first) that accuse mostly the same samples; each group's first is its best.

    Args:
        suspects: best first.
        ranked: hits of suspect i under group number i; suspects without hits are left out.
    """
    found = [i for i in range(len(suspects)) if i in ranked and len(ranked[i].rows)]
    return [[found[m] for m in members] for members in _joined([ranked[i].rows for i in found])]


def alike(suspects: Sequence[Suspect]) -> list[list[int]]:
    """Group suspects with known rows (given best first) that share most of their carriers."""
    return _joined([np.zeros(0, np.int64) if s.rows is None else s.rows for s in suspects])


def accusing_alike(suspects: Sequence[Suspect]) -> list[list[int]]:
    """Group suspects with known bearers (given best first) that share most of these."""
    return _joined([np.zeros(0, np.int64) if s.bearers is None else s.bearers for s in suspects])


def _joined(rows: Sequence[NDArray[np.int64]]) -> list[list[int]]:
    groups: list[tuple[list[int], set[int]]] = []
    for i, of_one in enumerate(rows):
        mine = set(of_one.tolist())
        for members, others in groups:
            if len(mine & others) >= _ALIKE * min(len(mine), len(others)):
                members.append(i)
                break
        else:
            groups.append(([i], mine))
    return [members for members, _ in groups]
