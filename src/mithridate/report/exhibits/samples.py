"""Fetching the few samples that exhibits show: bounded, in one call, and never fatal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mithridate.core.batch import Batch, Source
from mithridate.core.errors import MithridateError
from mithridate.core.results import Exhibit, Finding

__all__ = [
    "CARRIERS",
    "OTHERS",
    "PAIRS",
    "Drawn",
    "Sample",
    "Samples",
    "fetched",
    "gather",
    "pairs_of",
    "wanted",
]

CARRIERS, OTHERS, PAIRS = 12, 6, 6


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample for display. `raw` is an (h, w, c) array, a `Sound`, a text, or a {column: value} row."""

    id: str
    raw: Any
    label: str | None

    @property
    def caption(self) -> str:
        """What is written under it."""
        return "" if self.label is None else f"labelled {self.label}"


Samples: TypeAlias = dict[str, Sample]
#: What was found, and whom it was found in.
Drawn: TypeAlias = tuple[list[Exhibit], list[Exhibit]]


def pairs_of(finding: Finding) -> list[tuple[str, str]]:
    """The first pairs of ids that a finding names (duplicates, twins)."""
    pairs = finding.details.get("pairs")
    if not isinstance(pairs, list | tuple):
        return []
    return [(str(p[0]), str(p[1])) for p in pairs[:PAIRS] if isinstance(p, list | tuple) and len(p) >= 2]


def wanted(finding: Finding) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the carriers and of the non-carriers that the exhibits of a finding show."""
    carriers = finding.targets[: min(CARRIERS, finding.count or CARRIERS)]
    others = finding.details.get("others")
    others = others[:OTHERS] if isinstance(others, list | tuple) else ()
    return tuple(carriers), tuple(str(o) for o in others)


def gather(findings: Iterable[Finding], source: Source) -> Samples:
    """Fetch what the findings show, in one call; what cannot be had is left out."""
    ids: dict[str, None] = {}
    for finding in findings:
        carriers, others = wanted(finding)
        pairs = (i for pair in pairs_of(finding) for i in pair)
        ids |= dict.fromkeys((*carriers, *others, *pairs))
    return {sample.id: sample for sample in fetched(source, list(ids))}


def fetched(source: Source, ids: Sequence[str]) -> list[Sample]:
    """Samples for display, in this order; none where they cannot be had.

    Args:
        source: the data.
        ids: of the samples.
    """
    if not ids:
        return []
    try:
        found = _samples(source.fetch(tuple(ids)))
    except (MithridateError, OSError, LookupError, ValueError):
        # Pictures are an addition: data that moved since the audit must not cost the report.
        return []
    return [found[i] for i in ids if i in found]


def _samples(batch: Batch) -> Samples:
    raw = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
    labels = batch.labels or (None,) * len(batch)
    return {i: Sample(id=i, raw=r, label=label) for i, r, label in zip(batch.ids, raw, labels, strict=True)}
