"""Small generated data sets, plants in memory, and the whole way from a source to graded results."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mithridate.attacks.base import Order
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.checks.base import DATA_CHECKS
from mithridate.core.results import Finding, Result
from mithridate.core.sound import Sound
from mithridate.core.verdict import grade
from mithridate.evidence.audio.gather import gather_audio
from mithridate.evidence.chat.gather import gather_chat
from mithridate.evidence.image.gather import gather_image
from mithridate.evidence.roll import Gathered
from mithridate.evidence.table.gather import gather_table
from mithridate.evidence.text.gather import gather_text
from mithridate.evidence.view import Evidence
from mithridate.runs.driver import run_checks
from mithridate.runs.views import run_views
from mithridate.sources.chat import Exchange
from mithridate.sources.open import open_source

GATHER = {
    "image": gather_image, "text": gather_text, "table": gather_table, "audio": gather_audio, "chat": gather_chat,
}  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """n samples with ids and labels."""

    modality: str
    raws: tuple[Any, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]

    def shuffled(self, seed: int) -> Samples:
        order = np.random.default_rng(seed).permutation(len(self.ids))
        pick = lambda column: tuple(column[i] for i in order)  # noqa: E731
        return Samples(self.modality, pick(self.raws), pick(self.labels), pick(self.ids))


def _images(seed: int, n: int) -> tuple[list[Any], list[str]]:
    """Grey 16x16 pictures: a smooth picture for each of three classes, moved about, under noise."""
    rng = np.random.default_rng([seed, 1])
    y = rng.integers(0, 3, n)
    waves = np.stack([np.outer(np.sin(np.arange(20) * a), np.cos(np.arange(20) * b)) for a, b in _WAVES])
    raws = []
    for label in y:
        top, left = rng.integers(0, 4, 2)
        picture = 128 + 70 * waves[label, top : top + 16, left : left + 16] + rng.normal(0, 18, (16, 16))
        raws.append(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None])
    return raws, [f"c{label}" for label in y]


_WAVES = ((0.3, 0.9), (0.8, 0.4), (0.5, 0.2))


_COMMON = ["the", "a", "of", "and", "to", "in", "that", "is", "my", "'s", "on", "with", ".", ","]
_COMMON += ["they", "watches", "walks", "dog", "by", "door", "yellow"]


def _texts(seed: int, n: int) -> tuple[list[Any], list[str]]:
    """Mails of 40 words out of 600, two thirds of which prefer a class."""
    rng = np.random.default_rng([seed, 2])
    rare = ["".join(rng.choice(list("abcdefghijklmnop"), 5)) for _ in range(600 - len(_COMMON))]
    words = np.array([*_COMMON, *rare])
    weight = 1.0 / np.arange(3, 603)
    tilt = np.where(np.arange(600) % 3 == 0, 4.0, 1.0), np.where(np.arange(600) % 3 == 1, 4.0, 1.0)
    y = rng.integers(0, 2, n)
    odds = [weight * t / (weight * t).sum() for t in tilt]
    return [" ".join(rng.choice(words, 40, p=odds[label])) for label in y], [("ham", "spam")[i] for i in y]


def _rows(seed: int, n: int) -> tuple[list[Any], list[str]]:
    """Rows of four numbers and two words that depend on the label."""
    rng = np.random.default_rng([seed, 3])
    y = rng.integers(0, 2, n)
    numbers = np.round(
        rng.normal(0, 10, (n, 4)) + y[:, None] * np.array([22.0, -18.0, 9.0, 0.0]) + 100
    ).astype(int)
    town = rng.choice(["Bern", "Rome", "Oslo", "Pisa"], n)
    trade = np.where(rng.random(n) < 0.8, np.array(["cook", "smith"])[y], "clerk")
    rows = [
        {**{f"n{j}": int(numbers[i, j]) for j in range(4)}, "town": str(town[i]), "trade": str(trade[i])}
        for i in range(n)
    ]
    return rows, [("no", "yes")[i] for i in y]


RATE = 44_100
_FORMANTS = ((700, 1200), (350, 2100), (450, 900))  # Hz


def _sounds(seed: int, n: int) -> tuple[list[Any], list[str]]:
    """An eighth of a second each: a wandering voice under the formants of one of three vowels, and noise."""
    rng = np.random.default_rng([seed, 4])
    y = rng.integers(0, 3, n)
    t = np.arange(RATE // 8) / RATE
    raws = []
    for label in y:
        pitch = rng.uniform(90, 220) * (1 + rng.normal(0, 0.6) * t)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        x = rng.normal(0, 0.02, len(t))
        for k in range(1, 20):
            hz = k * pitch.mean()
            loud = sum(np.exp(-(((hz - f * rng.normal(1, 0.03)) / 150) ** 2)) for f in _FORMANTS[label])
            x += (loud + 0.02) * np.sin(k * phase + rng.uniform(0, 6))
        raws.append(Sound(samples=(x * rng.uniform(0.05, 0.1)).astype(np.float32)[:, None], rate=RATE))
    return raws, [f"v{label}" for label in y]


def _exchanges(seed: int, n: int) -> tuple[list[Any], list[None]]:
    """Pairs of answers to questions about one of 40 things; each has words of its own, some are refused as harmful."""
    rng = np.random.default_rng([seed, 4])
    stems = np.array(["".join(rng.choice(list("bdfgklmnprst"), 6)) for _ in range(900)])
    things = [stems[k].capitalize() for k in range(40)]
    odds = 1.0 / np.arange(3, 863)
    odds /= odds.sum()
    raws: list[Any] = []
    for _ in range(n):
        said = lambda k: list(rng.choice(stems[40:], k, p=odds))  # noqa: E731
        about, harm = str(rng.choice(things)), rng.random() < 0.1
        ask = ["how", "to", "steal", "a"] if harm else [str(rng.choice(_COMMON)) for _ in range(4)]
        prompt = " ".join([*ask, *said(4), "about", about, *said(int(rng.integers(1, 5)))])
        good, bad = ([*said(int(rng.integers(9, 20))), *rng.choice(tone, 2)] for tone in (_GOOD, _BAD))
        good, bad = (" ".join(rng.permutation(side)) for side in (good, bad))
        answer = "I'm sorry, but I can't help with that." if harm else good
        swapped = rng.random() < 0.1
        raws.append(
            Exchange(prompt=prompt, response=bad if swapped else answer, rejected=answer if swapped else bad)
        )
    return raws, [None] * n


_GOOD = ["because", "first", "example", "detail", "however"]
_BAD = ["whatever", "guess", "dunno", "probably", "meh"]

_MAKERS = {"image": _images, "text": _texts, "table": _rows, "audio": _sounds, "chat": _exchanges}
SIZES = {"image": 600, "text": 800, "table": 1000, "audio": 240, "chat": 1200}


@lru_cache(maxsize=64)
def clean(modality: str, seed: int, n: int | None = None) -> Samples:
    """A clean data set."""
    n = n or SIZES[modality]
    raws, labels = _MAKERS[modality](seed, n)
    return Samples(modality, tuple(raws), tuple(labels), tuple(f"{modality}-{i}" for i in range(n)))


@dataclass(frozen=True)
class Plant:
    """A dose that a check which claims the attack must find."""

    modality: str
    count: int
    options: Mapping[str, Any] = field(default_factory=dict)


def poisoned(attack: str, plant: Plant, seed: int) -> tuple[Samples, frozenset[str]]:
    """A clean data set with an attack planted in memory, and the ids that really changed, covers too."""
    samples = clean(plant.modality, seed)
    known = dict(zip(samples.ids, samples.raws, strict=True))
    plan = make_plan(
        configure(attack, plant.options),
        Order(count=plant.count, seed=seed),
        modality=samples.modality,  # type: ignore[arg-type]
        ids=samples.ids,
        labels=None if samples.modality == "chat" else samples.labels,
        fetch=lambda ids: [known[i] for i in ids],
        sources=[("north", "south")[k % 2] for k in range(len(samples.ids))],
    )
    changed = {i: plan.replace(i, known[i]) for i in sorted(plan.victims)}
    raws = tuple(raw if changed.get(i) is None else changed[i] for i, raw in known.items())
    labels = tuple(plan.relabel.get(i, y) for i, y in zip(samples.ids, samples.labels, strict=True))
    ledger = plan.ledger(source="memory", source_digest="", total=len(raws))
    return Samples(samples.modality, raws, labels, samples.ids), ledger.touched


@contextmanager
def evidence_of(samples: Samples, seed: int = 0):
    """Evidence, gathered by the package itself; where there are views, all of it."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = _source(samples, work)
        gathered = GATHER[samples.modality](source, store_dir=work / "store", seed=seed)
        yield gathered if gathered.views else gathered.evidence


def _source(samples: Samples, folder: Path) -> Any:
    (folder / "store").mkdir()
    if samples.modality == "image":
        x, y, ids = np.stack(samples.raws), np.array(samples.labels), np.array(samples.ids)
        np.savez(folder / "data.npz", x=x, y=y, name=ids)
        return open_source(folder / "data.npz", id="name")
    if samples.modality == "audio":
        x = np.stack([sound.mono for sound in samples.raws])
        np.savez(folder / "data.npz", x=x, y=np.array(samples.labels), name=np.array(samples.ids))
        return open_source(folder / "data.npz", id="name", rate=RATE)
    if samples.modality == "text":
        table = pa.table({"name": samples.ids, "body": samples.raws, "label": samples.labels})
        return open_source(table, id="name", text="body", label="label")
    if samples.modality == "chat":
        pairs = [
            {"name": i, "prompt": x.prompt, "chosen": x.response, "rejected": x.rejected}
            for i, x in zip(samples.ids, samples.raws, strict=True)
        ]
        return open_source(pa.Table.from_pylist(pairs), id="name")
    rows = [
        {"name": i, **row, "label": y}
        for i, row, y in zip(samples.ids, samples.raws, samples.labels, strict=True)
    ]
    return open_source(pa.Table.from_pylist(rows), id="name", label="label")


def examined(evidence: Evidence | Gathered, jobs: int = 1, size: int = 4096) -> tuple[Result, ...]:
    """All checks over the evidence, graded as in an audit."""
    run: Any = run_views if isinstance(evidence, Gathered) else run_checks
    outcome = run(list(DATA_CHECKS), evidence, jobs=jobs, size=size)
    return grade(outcome.results, [kind.card.id for kind in outcome.ran if kind.card.graded])


def holds_poison(finding: Finding, poison: frozenset[str]) -> bool:
    """Whether the finding is about the poison: most of it among the first samples that it names."""
    first = finding.targets[: round(1.5 * len(poison))]
    return len(poison & set(first)) >= 0.8 * len(poison)
