"""Rows: the odd cells marked, beside rows like them without."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mithridate.core.results import Exhibit
from mithridate.report.exhibits.samples import Drawn, Sample

__all__ = ["draw_cells", "rows"]

#: Columns shown besides id and label.
COLUMNS = 8
_CELL = 60


def rows(
    title: str, samples: Sequence[Sample], odd: Mapping[str, Any] | None = None, mark: bool = True
) -> Exhibit | None:
    """Samples as rows of a small table; None without samples.

    Args:
        title: one line above it.
        samples: whose `raw` is a {column: value} row.
        odd: columns to show first.
        mark: mark the cells of those columns.
    """
    if not samples:
        return None
    odd = odd or {}
    present = list(samples[0].raw)
    first = [c for c in present if c in odd]
    columns = [*first, *(c for c in present if c not in odd)][: max(COLUMNS, len(first))]
    labelled = any(s.label is not None for s in samples)
    head = ["id", *(["label"] if labelled else []), *columns]
    body = [
        [s.id, *([s.label or "(none)"] if labelled else []), *(_cell(s.raw.get(c)) for c in columns)]
        for s in samples
    ]
    at = len(head) - len(columns)
    marks = [[r, at + c] for r in range(len(body)) for c in range(len(first))] if mark else []
    return Exhibit(kind="cells", title=title, data={"columns": head, "rows": body, "marks": marks})


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "(missing)"
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def draw_cells(details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample]) -> Drawn:
    """A value or pair of values: carriers with the odd cells marked, beside their nearest without."""
    odd = details.get("cells") or {str(details["column"]): None}
    tables = (
        rows("Carriers: the odd cells are marked", carriers, odd),
        rows("Their nearest neighbours without it", others, odd, mark=False),
    )
    return [], [e for e in tables if e]
