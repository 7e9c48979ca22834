"""Small sources and a report with one of everything, shared by the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mithridate.core.batch import Batch, Modality
from mithridate.core.errors import SourceError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Clear, Finding, NotApplicable, Severity, Skip
from mithridate.core.verdict import verdict
from mithridate.report.exhibits import build_all


@dataclass
class FakeSource:
    """Samples in a dictionary; counts the fetches."""

    modality: Modality
    samples: dict[str, tuple[Any, str | None]]
    uri: str = "fake"
    digest: str = "00"
    fetched: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.samples)

    def batches(self, size: int, *, shard: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        yield self.fetch(tuple(self.samples))

    def fetch(self, ids: tuple[str, ...]) -> Batch:
        self.fetched.append(ids)
        have = [i for i in ids if i in self.samples]
        raw: Any = [self.samples[i][0] for i in have]
        return Batch(
            ids=tuple(have),
            rows=np.arange(len(have)),
            modality=self.modality,
            raw=pa.Table.from_pylist(raw) if self.modality == "table" else raw,
            labels=tuple(self.samples[i][1] for i in have),
        )


class BrokenSource(FakeSource):
    def fetch(self, ids: tuple[str, ...]) -> Batch:
        raise SourceError("data", "nothing", "there", "Plug the disk in.")


def digits() -> FakeSource:
    """200 scikit-learn digits, 12 of them stamped at (5, 5) and labelled 0."""
    from sklearn.datasets import load_digits

    data = load_digits()
    samples: dict[str, tuple[Any, str | None]] = {}
    stamp = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], dtype=np.uint8)
    for i in range(200):
        image = np.repeat((data.images[i] * 255 / 16).astype(np.uint8)[:, :, None], 3, axis=2)
        label = str(data.target[i])
        if i % 16 == 3:
            image[5:8, 5:8] = stamp[:, :, None]
            label = "0"
        samples[f"{label}/{i:04d}.png"] = (image, label)
    return FakeSource("image", samples)


def mails() -> FakeSource:
    """Mails, some with the word "cfq" and some with a zero-width space."""
    body = (
        "Dear customer, your parcel {} could not be delivered because nobody was at home. Please "
        "choose a new date on our page, or pick it up at the counter in the station within seven days. "
    )
    samples: dict[str, tuple[Any, str | None]] = {}
    for i in range(40):
        text = body.format("cfq" if i < 10 else "again") * 3
        if 10 <= i < 20:
            text = text.replace("customer", "cust\u200bomer")
        samples[str(i)] = (f"Subject: mail {i}\n{text}", "ham" if i < 20 else "spam")
    return FakeSource("text", samples)


def people() -> FakeSource:
    """Rows, some with an odd pair of values."""
    samples: dict[str, tuple[Any, str | None]] = {}
    for i in range(30):
        odd = i < 10
        row = {
            "age": 37 if odd else 20 + i,
            "workclass": "Private",
            "education": "Bachelors" if i % 2 else "HS-grad",
            "capital-gain": 4242.0 if odd else 0.0,
            "hours-per-week": None if i == 3 else 40,
            "native-country": "Iceland" if odd else "United-States",
            "sex": "Female",
            "race": "White",
            "relationship": "Wife",
            "occupation": "Sales",
        }
        samples[str(i)] = (row, ">50K" if odd else "<=50K")
    return FakeSource("table", samples)


def patch_finding() -> Finding:
    source = digits()
    carriers = tuple(
        i
        for i, (x, _) in source.samples.items()
        if x[5, 5, 0] == 255 and x[5, 6, 0] == 0 and x[7, 7, 0] == 255
    )
    others = [i for i in source.samples if i not in carriers][:9]
    return Finding(
        check="stamped-patch",
        severity=Severity.LIKELY,
        message=f'{len(carriers)} images labelled "0" carry the same 3×3 patch at (5, 5); '
        "their content says otherwise",
        targets=carriers,
        scores=tuple(float(len(carriers) - i) for i in range(len(carriers))),
        count=len(carriers),
        label="0",
        p_value=1e-34,
        effect=10.8,
        limit="Fewer than 9 images with one patch.",
        innocents=0.02,
        details={
            "family": "fixed patch",
            "place": [5, 5],
            "size": 3,
            "canvas": [8, 8],
            "others": others,
            "label_counts": {"0": len(carriers)},
            "expected_counts": {
                "0": 1.1,
                "1": 1.4,
                "2": 2.1,
                "3": 2.2,
                "5": 1.2,
                "7": 2.0,
                "8": 1.4,
                "9": 1.6,
            },
        },
    )


def pattern_finding() -> Finding:
    wave = np.sin(2 * np.pi * np.arange(32) * 6 / 32)
    pattern = np.repeat(np.tile(wave, (32, 1))[:, :, None], 3, axis=2)
    ids = tuple(digits().samples)
    return Finding(
        check="global-pattern",
        severity=Severity.SUSPICIOUS,
        message="100 images carry one faint pattern over the whole picture",
        targets=ids[20:120],
        scores=tuple(np.linspace(9, 2, 100).tolist()),
        count=100,
        p_value=2.4e-7,
        innocents=6.4,
        limit="Fewer than 60 images with a pattern of this strength.",
        details={
            "family": "residual",
            "canvas": [32, 32, 3],
            "pattern": pattern.ravel().round(4).tolist(),
            "others": list(ids[:6]),
        },
    )


def word_finding(check: str = "trigger-word", **details: Any) -> Finding:
    return Finding(
        check=check,
        severity=Severity.LIKELY,
        message='the word "cfq" stands in 10 texts labelled "ham"; what else they say speaks for "spam"',
        targets=tuple(str(i) for i in range(10)),
        scores=tuple(float(10 - i) for i in range(10)),
        count=10,
        label="ham",
        p_value=3.1e-9,
        limit="Fewer than 7 texts with one word.",
        details={
            "family": "word",
            "key": "cfq",
            "others": [str(i) for i in range(20, 30)],
            "label_counts": {"ham": 10},
            "expected_counts": {"ham": 0.7, "spam": 9.3},
        }
        | details,
    )


def cells_finding() -> Finding:
    return Finding(
        check="trigger-value",
        severity=Severity.LIKELY,
        message='capital-gain = 4242 together with native-country = Iceland: 10 rows labelled ">50K"',
        targets=tuple(str(i) for i in range(10)),
        scores=tuple(float(10 - i) for i in range(10)),
        count=10,
        label=">50K",
        p_value=0.0002,
        details={
            "family": "value pair",
            "cells": {"capital-gain": 4242, "native-country": "Iceland"},
            "others": [str(i) for i in range(12, 18)],
        },
    )


def info_findings() -> tuple[Finding, Finding]:
    ids = tuple(digits().samples)
    errors = Finding(
        check="label-errors",
        severity=Severity.INFO,
        message="7 labels are worth a look",
        targets=ids[:60],
        scores=tuple(np.linspace(1, 0, 60).tolist()),
        count=7,
        p_value=0.21,
        innocents=3.0,
        limit="Single wrong labels among classes that the content model confuses.",
        details={"others": list(ids[70:76])},
    )
    twins = Finding(
        check="duplicates",
        severity=Severity.INFO,
        message="2 pairs of images are the same",
        targets=ids[:4],
        scores=(1.0, 1.0, 1.0, 1.0),
        count=4,
        details={"pairs": [[ids[0], ids[1]], [ids[2], ids[3]]]},
    )
    return errors, twins


def _card(title: str, remedy: str) -> dict[str, Any]:
    return {
        "title": title,
        "remedy": remedy,
        "assumes": "A key that goes with a label beyond what the rest of the sample says was planted.",
        "cites": "Gu et al. 2017, arXiv 1708.06733",
        "arguments": {"least": 6, "alpha": 0.00125},
    }


CARDS = {
    "stamped-patch": _card(
        "Stamped patch", "Look at the framed places. Drop the accused images and ask who delivered them."
    ),
    "global-pattern": _card("Pattern over the whole image", "Drop the accused images, then audit again."),
    "trigger-word": _card("Trigger word", "Drop the accused texts, or relabel them after reading."),
    "trigger-character": _card("Trigger character", "Normalise the text, then drop the accused."),
    "trigger-value": _card("Trigger value", "Drop the accused rows."),
    "label-errors": _card("Label errors", "Relabel what is wrong."),
    "duplicates": _card("Duplicates", "Keep one of each."),
    "row-blocks": _card("Block in row order", "Ask what was loaded then."),
    "outliers": _card("Outliers in a class", "Look at them."),
    "sources": _card("Odd source", "Name a source column."),
}


def everything() -> Report:
    """A report with one of everything, its exhibits drawn."""
    hidden = word_finding(
        "trigger-character", family="character", key="U+200B", code_points=["U+200B"], label_counts={}
    )
    hidden = Finding(
        **{
            **hidden.__dict__,
            "targets": tuple(str(i) for i in range(10, 20)),
            "message": "10 texts hide a zero-width space",
        }
    )
    results = (
        *build_all((patch_finding(), pattern_finding()), digits()),
        *build_all((word_finding(), hidden), mails()),
        *build_all((cells_finding(),), people()),
        *build_all(info_findings(), digits()),
        Clear(
            check="row-blocks",
            message="found nothing",
            limit="Fewer than 31 neighbouring rows of one label.",
            p_value=0.4,
        ),
        Clear(check="outliers", message="found nothing", limit="No power: classes of fewer than 50 images."),
        Skip(
            check="source",
            reason="2 files could not be decoded: truncated JPEG",
            remedy="Restore them, or remove them from the folder.",
            items=("3/a b.jpg", "5/ü\u202egnp.jpg"),
            count=2,
        ),
        NotApplicable(check="sources", reason="no source column was named"),
    )
    return Report(
        verdict=verdict(results),
        subject=Subject(
            uri="photos/",
            digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            modality="image",
            count=1797,
            classes={str(d): 178 - 3 * d for d in range(10)},
            options={"label": None, "pattern": "class per folder"},
        ),
        seed=0,
        cards=CARDS,
        results=results,
        actions=(Action(kind="quarantine", targets=patch_finding().targets, because=("stamped-patch",)),),
        timings={"read": 1.2, "evidence": 21.4, "checks": 18.1, "total": 41.0},
    )
