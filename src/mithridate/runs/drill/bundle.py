"""Samples on their way to a training function in another process: written as plain files, never pickled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.batch import Modality
from mithridate.core.errors import UsageError
from mithridate.core.sound import Sound
from mithridate.sources.encode_sounds import encode_sound

__all__ = ["read_samples", "write_samples"]


def write_samples(samples: Sequence[Any], modality: Modality, paths: bool, place: Path) -> None:
    """Write samples so that `read_samples` gives what a training function takes.

    Args:
        samples: images (h, w, c) uint8 or `Sound`s, or their paths; texts; or rows {column: value}.
        modality: what they are.
        paths: write images as files of their own, where they are not paths already; sounds always are.
        place: folder to make.

    Raises:
        UsageError: images of different sizes where an array is wanted.
    """
    place.mkdir(parents=True)
    if modality == "audio" or (modality == "image" and paths):
        (place / "paths.json").write_text(json.dumps([str(p) for p in _as_files(samples, place)]))
    elif modality == "image":
        if len({image.shape for image in samples}) > 1:
            sizes = "images of several sizes"
            raise UsageError("images of one size", sizes, "training", "Use a folder; fit then gets paths.")
        np.save(place / "array.npy", np.stack(samples), allow_pickle=False)
    elif modality == "text":
        (place / "texts.json").write_text(json.dumps(list(samples)))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(samples)), place / "table.parquet")


def _as_files(samples: Iterable[Any], place: Path) -> Iterable[Path]:
    from PIL import Image

    for number, sample in enumerate(samples):
        if isinstance(sample, Path):
            yield sample
            continue
        if isinstance(sample, Sound):
            file = place / f"{number}.wav"
            file.write_bytes(encode_sound(sample, "WAV"))
            yield file
            continue
        file = place / f"{number}.png"
        Image.fromarray(sample[..., 0] if sample.shape[2] == 1 else sample).save(file)
        yield file


def read_samples(place: Path) -> Any:
    """(n, h, w, c) uint8 array, list of paths, list of texts, or a pandas DataFrame.

    Raises:
        UsageError: a table, and pandas is not installed.
    """
    if (place / "array.npy").exists():
        return np.load(place / "array.npy", allow_pickle=False)
    for name in ("paths.json", "texts.json"):
        if (place / name).exists():
            return json.loads((place / name).read_text())
    try:
        import pandas as pd
    except ImportError as error:
        remedy = "Install it: pip install 'mithridate[pandas]'."
        raise UsageError("pandas, for training on tables", "none installed", "training", remedy) from error
    return pd.read_parquet(place / "table.parquet")
