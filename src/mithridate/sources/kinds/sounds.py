"""Sounds in memory: arrays, with the rate that makes them sounds."""

from __future__ import annotations

from typing import Any

from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.kinds.arrays import of_array
from mithridate.sources.kinds.kind import Ask, Kind

__all__ = ["KIND"]


def _open(data: Any, ask: Ask) -> RowSource:
    return of_array(data, ask, uri=MEMORY, y=ask.labels)


KIND = Kind(
    noun="",
    open=_open,
    memory=lambda _, ask: ask.rate is not None,  # what makes arrays sounds
    takes=("labels", "rate"),
)
