"""JSONL: one object per line."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.base import RowSource
from mithridate.sources.kinds.kind import PACKED, Ask, Kind
from mithridate.sources.kinds.rows import open_rows

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    from mithridate.sources.jsonl import JsonLines

    wanted = None
    if ask.text is not None:
        wanted = [c for c in (*ask.text.split(","), ask.label, ask.id, ask.source) if c is not None]
    return open_rows(JsonLines(path, wanted, ask.limits), ask)


KIND = Kind(
    noun=".jsonl",
    open=_open,
    suffixes=(".jsonl", ".ndjson"),
    packed=PACKED,
    takes=("label", "text", "id", "source"),
)
