"""Small sources held in memory, and what a check would see in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.batch import Batch, Modality


@dataclass
class Held:
    modality: Modality
    raw: Any
    labels: Sequence[str | None] | None = None
    uri: str = "memory"
    digest: str = ""

    @property
    def count(self) -> int:
        return len(self.raw)

    def batches(self, size: int, *, shard: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        for low in range(0, self.count, size):
            high = min(low + size, self.count)
            raw = self.raw[low:high] if self.modality == "text" else self.raw.slice(low, high - low)
            yield Batch(
                ids=tuple(str(i) for i in range(low, high)),
                rows=np.arange(low, high),
                modality=self.modality,
                raw=raw,
                labels=None if self.labels is None else tuple(self.labels[low:high]),
            )

    def fetch(self, ids: tuple[str, ...]) -> Batch:
        raise NotImplementedError


def carriers(table: Any) -> dict[str, list[int]]:
    """Name of each key → rows that carry it."""
    n = len(table.indptr) - 1
    entries = table.slice(0, n)
    found: dict[str, list[int]] = {}
    for row, key in zip(entries.rows.tolist(), entries.keys.tolist(), strict=True):
        found.setdefault(table.name(key), []).append(row)
    return found


def probabilities(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
