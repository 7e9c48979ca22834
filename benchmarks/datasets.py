"""Every image, text and table set, how it is read, and random halves of it: the clean twins.

All sets are taken as they are: no column is dropped (Adult keeps `split` and `fnlwgt`, breast cancer its
`sample_id`, which is not unique and therefore no id). Ids are named only where a column of unique ids exists.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.inputs import build, cache_folder

__all__ = ["DATASETS", "DataSet", "halves"]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One set.

    Attributes:
        name: of the set.
        input: its name in `benchmarks.inputs`.
        modality: image, text or table.
        reading: how `audit` reads it: label, text, id, source.
        shortcut: a natural shortcut that must appear at INFO, "" where none is known.
    """

    name: str
    input: str
    modality: str
    reading: Mapping[str, str] = field(default_factory=dict)
    shortcut: str = ""


def _table(name: str, **reading: str) -> DataSet:
    return DataSet(name=name, input=f"{name}.csv", modality="table", reading=reading)


DATASETS: tuple[DataSet, ...] = (
    DataSet(name="cifar10", input="cifar10.npz", modality="image"),
    DataSet(name="cifar10-lossless", input="cifar10_lossless.npz", modality="image"),
    DataSet(name="mnist", input="mnist.npz", modality="image"),
    DataSet(name="fashion", input="fashion.npz", modality="image"),
    DataSet(name="gtsrb", input="gtsrb.npz", modality="image", shortcut="frames of one physical sign"),
    DataSet(name="camera-exif", input="camera_exif", modality="image"),
    DataSet(name="sms", input="sms.csv", modality="text", reading={"text": "text", "label": "label"}),
    DataSet(
        name="spamassassin",
        input="spamassassin.csv",
        modality="text",
        reading={"text": "subject,body", "label": "label"},
    ),
    DataSet(
        name="spamassassin-body",
        input="spamassassin.csv",
        modality="text",
        reading={"text": "body", "label": "label"},
    ),
    DataSet(
        name="spamassassin-group",
        input="spamassassin.csv",
        modality="text",
        reading={"text": "body", "label": "label", "source": "group"},
    ),
    DataSet(
        name="enron",
        input="enron.csv",
        modality="text",
        reading={"text": "subject,body", "label": "label", "id": "id"},
        shortcut="enron",
    ),
    DataSet(
        name="enron-body",
        input="enron.csv",
        modality="text",
        reading={"text": "body", "label": "label", "id": "id"},
        shortcut="enron",
    ),
    _table("adult", label="income"),
    _table("german_credit", label="class"),
    _table("breast_cancer", label="class"),
    _table("heart", label="num"),
    DataSet(
        name="heart-site", input="heart.csv", modality="table", reading={"label": "num", "source": "site"}
    ),
    _table("pima", label="class"),
    _table("creditcard", label="Class", id="orig_row"),
    _table("chicago", label="Arrest", id="ID"),
)


def halves(data: DataSet, seed: int = 0, cache: str | Path | None = None) -> list[Path]:
    """Three random halves of a set, each in its own file; rows keep their order.

    A set without rows (a folder) has no halves here.
    """
    whole = build(data.input, cache)
    if whole.is_dir():
        return []
    folder = cache_folder(cache) / "halves"
    folder.mkdir(exist_ok=True)
    paths = []
    for k in range(3):
        path = folder / f"{whole.stem}.{seed}.{k}{whole.suffix}"
        if not path.exists():
            write = _half_of_npz if whole.suffix == ".npz" else _half_of_csv
            write(whole, path, np.random.default_rng([seed, k]))
        paths.append(path)
    return paths


def _half(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(n)[: n // 2])


def _half_of_npz(whole: Path, path: Path, rng: np.random.Generator) -> None:
    with np.load(whole, allow_pickle=False) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    kept = _half(len(y), rng)
    np.savez(path, x_train=x[kept], y_train=y[kept])


def _half_of_csv(whole: Path, path: Path, rng: np.random.Generator) -> None:
    csv.field_size_limit(1 << 30)
    with whole.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows[k] for k in _half(len(rows), rng))
