"""Arrow: a file, a folder that Hugging Face's `save_to_disk` made, or one split of a DatasetDict."""

from __future__ import annotations

from pathlib import Path

from mithridate.sources.arrow_files import ArrowFiles, split_folder
from mithridate.sources.base import RowSource
from mithridate.sources.kinds.kind import CHAT, Ask, Kind, Place
from mithridate.sources.kinds.rows import open_rows

__all__ = ["KIND"]


def _open(path: Path, ask: Ask) -> RowSource:
    folder = split_folder(path, ask.split)
    # below, the name of the split has done its work
    return open_rows(ArrowFiles(folder, ask.split if folder == path else None), ask)


def _is_one(place: Place) -> bool:
    return place.holds("dataset_dict.json") or any(place.path.glob("*.arrow"))


KIND = Kind(
    noun=".arrow or a folder that save_to_disk made",
    open=_open,
    suffixes=(".arrow",),
    folder=_is_one,
    takes=("label", "text", "id", "source", "x_key", "split", *CHAT),
)
