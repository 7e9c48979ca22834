"""A folder of files of one sample each: images, sounds or texts, one folder per class."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.base import RowSource
from mithridate.sources.folder import open_folder
from mithridate.sources.kinds.kind import Ask, Kind

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    return open_folder(path, ask.options(), ask.limits)


KIND = Kind(noun="a folder of images, sounds or texts", open=_open, folder=lambda place: True)
