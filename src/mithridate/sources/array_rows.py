"""What sources of arrays share, whatever a sample is: ids, labels and sources beside it, batches of any rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import BadItem, Batch
from mithridate.sources.base import RowSource, refuse_duplicates
from mithridate.sources.digest import array_digest, sealed
from mithridate.sources.limits import Limits

__all__ = ["ArrayRows", "numbered"]


class ArrayRows(RowSource):
    """Samples of arrays.

    Args:
        uri: the file, or "memory".
        count: n samples.
        labels: n labels as text, or None.
        ids: n ids, or None for "0", "1", ...
        sources: n sources, or None.
        options: see `RowSource`.
        limits: what one item may cost.
        content: digest of the file; None to take it from the arrays.

    Raises:
        SourceError: ids that are not unique.
    """

    def __init__(
        self, *, uri: str, count: int, labels: tuple[str | None, ...] | None, ids: tuple[str, ...] | None,
        sources: tuple[str, ...] | None, options: dict[str, Any], limits: Limits, content: str | None = None,
    ) -> None:  # fmt: skip
        self.uri, self.count, self.labels, self.ids, self.sources = uri, count, labels, ids, sources
        self.options, self.limits, self._content = options, limits, content
        if ids is not None:
            refuse_duplicates(ids, uri)

    @abstractmethod
    def _arrays(self) -> Iterable[NDArray[Any]]:
        """All content, for the digest of what lies in memory."""

    @abstractmethod
    def _samples(self, rows: NDArray[np.int64]) -> tuple[list[Any], dict[int, str]]:
        """The samples of these rows that can be used, and why the others cannot, by row."""

    @property
    def digest(self) -> str:
        """Digest of the file (in memory: of the arrays, labels, ids and sources), and of how it is read."""
        if self._content is None:
            named = [
                np.array([str(v) for v in part]) for part in (self.labels, self.ids, self.sources) if part
            ]
            self._content = array_digest([*self._arrays(), *named])
        return sealed(self._content, self.options)

    def iter_ids(self) -> Iterator[str]:
        """Yield the ids in order."""
        return (self._id(row) for row in range(self.count))

    def _id(self, row: int) -> str:
        return str(row) if self.ids is None else self.ids[row]

    def _locate(self, ids: Sequence[str]) -> dict[str, int]:
        return super()._locate(ids) if self.ids is not None else numbered(ids, self.count)

    def _read(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        for low in range(start, stop, size):
            yield self._batch(np.arange(low, min(low + size, stop)))

    def _gather(self, rows: Sequence[int]) -> Batch:
        return self._batch(np.array(rows, dtype=np.int64))

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        raw, refused = self._samples(rows)
        kept = np.array([row for row in rows.tolist() if row not in refused], dtype=np.int64)
        return Batch(
            ids=tuple(self._id(row) for row in kept),
            rows=kept,
            modality=self.modality,
            raw=raw,
            labels=None if self.labels is None else tuple(self.labels[row] for row in kept),
            sources=None if self.sources is None else tuple(self.sources[row] for row in kept),
            bad=tuple(BadItem(id=self._id(row), reason=reason) for row, reason in refused.items()),
        )


def numbered(ids: Sequence[str], count: int) -> dict[str, int]:
    """Rows of ids that are row numbers; ids that are none are left out."""
    return {i: int(i) for i in ids if i.isascii() and i.isdigit() and int(i) < count and str(int(i)) == i}
