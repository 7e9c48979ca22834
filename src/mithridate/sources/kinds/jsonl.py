"""JSONL: one object per line."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.base import RowSource
from mithridate.sources.kinds.chat import chat_columns
from mithridate.sources.kinds.kind import CHAT, PACKED, Ask, Kind
from mithridate.sources.kinds.rows import open_rows

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    from mithridate.sources.jsonl import JsonLines

    named = (ask.text, ask.prompt, ask.response, ask.rejected)
    texts = [c for names in named if names is not None for c in names.split(",")]
    lines = JsonLines(path, [c for c in (*texts, ask.label, ask.id, ask.source) if c is not None], ask.limits)
    if not texts and chat_columns(lines, ask) is None:
        lines.infer()
    return open_rows(lines, ask)


KIND = Kind(
    noun=".jsonl",
    open=_open,
    suffixes=(".jsonl", ".ndjson"),
    packed=PACKED,
    takes=("label", "text", "id", "source", *CHAT),
)
