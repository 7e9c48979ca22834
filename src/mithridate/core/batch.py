"""The unit in which data flows: a few hundred samples with ids, labels, raw content and evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["BadItem", "Batch", "KeySlice", "Modality", "Source"]

Modality: TypeAlias = Literal["image", "text", "table", "audio", "chat"]


@dataclass(frozen=True, kw_only=True)
class BadItem:
    """An item that should have been read and could not be."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class KeySlice:
    """The keys that the samples of one batch carry, as compressed sparse rows.

    Attributes:
        indptr: (b + 1,) start of each sample's keys in `keys`.
        keys: (nnz,) index of the key in its family's table.
        fresh: (nnz,) False where a near-duplicate of the sample already counts for this key.
        offsets: (nnz, k) what the key itself adds to the content model's logits; None where it is negligible.
    """

    indptr: NDArray[np.int64]
    keys: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    offsets: NDArray[np.float32] | None = None

    @property
    def rows(self) -> NDArray[np.int64]:
        """(nnz,) position in the batch of the sample that carries each key."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples on their way through a pass. Frozen; a room that adds evidence makes a new batch.

    Attributes:
        ids: b stable strings.
        rows: (b,) position of each sample in the source, from 0; bad items keep their row.
        modality: what `raw` is.
        raw: images: list of (h, w, c) uint8 arrays; text: list of str; table: pyarrow.Table; audio: list of
            `core.sound.Sound`; chat: list of records with a prompt and a response; None in evidence passes.
        labels: the label of each sample as text, None where it is missing; None when the source has no labels.
        sources: where each sample came from (a column named by the user), or None.
        bad: items of this stretch that could not be read; they are in none of the other fields.
        metadata: what the file of each sample says beside its content, by name ("format", "sample rate", ...); None
            where there are no files.
        evidence: arrays with b rows, and `KeySlice`s, by name.
    """

    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    modality: Modality
    raw: Any
    labels: tuple[str | None, ...] | None = None
    sources: tuple[str, ...] | None = None
    bad: tuple[BadItem, ...] = ()
    metadata: tuple[Mapping[str, str], ...] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@runtime_checkable
class Source(Protocol):
    """A data set that can be read in passes, larger than memory.

    Attributes:
        uri: where it is, for people.
        modality: what its samples are.
        digest: hex digest of content, known without a full decode (files: names, sizes and bytes).
    """

    uri: str
    modality: Modality

    @property
    def count(self) -> int | None:
        """Number of items, or None when only a pass can tell."""
        ...

    @property
    def digest(self) -> str:
        """Hex digest of the content and of how it is read (columns, keys)."""
        ...

    def batches(self, size: int, *, shard: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        """Yield the samples once, in order; `shard=(i, k)` yields the i-th of k contiguous parts."""
        ...

    def fetch(self, ids: tuple[str, ...]) -> Batch:
        """Return the samples with these ids, in the order given."""
        ...
