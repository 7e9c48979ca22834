"""Parquet: a file, or a folder that holds some."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.base import RowSource
from mithridate.sources.kinds.kind import CHAT, Ask, Kind
from mithridate.sources.kinds.rows import open_rows

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    from mithridate.sources.parquet import ParquetFiles

    return open_rows(ParquetFiles(path, ask.split), ask)


KIND = Kind(
    noun=".parquet or a folder of such",
    open=_open,
    suffixes=(".parquet",),
    folder=lambda place: ".parquet" in place.suffixes,
    takes=("label", "text", "id", "source", "x_key", "split", *CHAT),
)
