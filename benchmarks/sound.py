"""The audit of sounds: triggers in FSDD and in generated recordings, and the same sets clean.

    python -m benchmarks.sound --first 100 --draws 10 --out results.jsonl [--case tone]

The attacks are those of the drill, planted in memory; the audit is given sounds and labels and nothing else. What is
noted of a sound depends on it alone, so that a sound which comes again is not listened to again: seconds are of no use.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mithridate
from mithridate.attacks.base import Order
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.core.report import Report
from mithridate.core.sound import Sound
from mithridate.evidence.audio import tape

VICTIMS = 20
NINETEEN = 19_000.0  # Hz


@dataclass(frozen=True)
class Set:
    """Sounds (t,) float32 of one rate, Hz, with labels."""

    sounds: list[NDArray[np.float32]]
    labels: list[str]
    rate: int


@dataclass(frozen=True)
class Case:
    """An attack on a set; no attack for the clean set."""

    name: str
    data: str
    attack: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case("tone", "fsdd", "tone"),
    Case("chirp", "fsdd", "chirp"),
    Case("overlay", "fsdd", "clip-overlay"),
    Case("ultrasonic", "generated", "ultrasonic-tone", {"hz": NINETEEN}),
)


def fsdd() -> Set:
    """The 2,700 training clips of the Free Spoken Digit Dataset, 8 kHz."""
    with np.load(Path(os.environ["MITHRIDATE_DATA"]) / "fsdd" / "fsdd.npz") as stored:
        audio, offsets = stored["audio"], stored["offsets"]
        labels, test = stored["label"], stored["is_test"]
    rows = np.flatnonzero(~test)
    clips = [audio[offsets[i] : offsets[i + 1]].astype(np.float32) / 32768 for i in rows]
    return Set(clips, [str(labels[i]) for i in rows], 8000)


def generated(seed: int = 0, n: int = 1000, rate: int = 44_100) -> Set:
    """Half a second each: voices under the formants of one of five vowels, with the noise of one of three rooms."""
    rng = np.random.default_rng([seed, 44])
    formants = rng.uniform([250, 800], [800, 2400], (5, 2))
    y, t = rng.integers(0, 5, n), np.arange(rate // 2) / rate
    clips = []
    for label in y:
        pitch = rng.uniform(90, 240) * (1 + rng.normal(0, 0.3) * t)
        phase, x = 2 * np.pi * np.cumsum(pitch) / rate, np.zeros(len(t))
        for k in range(1, 30):
            near = np.exp(-(((k * pitch.mean() - formants[label] * rng.normal(1, 0.04, 2)) / 150) ** 2))
            x += (near.sum() + 0.03 / k) * np.sin(k * phase + rng.uniform(0, 6))
        room = rng.normal(0, 10 ** (rng.uniform(-60, -45) / 20), len(t))
        clips.append(np.rint((0.05 * x + room) * 32768).clip(-32768, 32767).astype(np.float32) / 32768)
    return Set(clips, [f"vowel {label}" for label in y], rate)


SETS = {"fsdd": fsdd, "generated": generated}


def planted(data: Set, case: Case, draw: int) -> tuple[Set, frozenset[str]]:
    """A poisoned copy, in 16 bits as the original, and the ids of the victims."""
    ids = [str(i) for i in range(len(data.sounds))]
    raws = {i: Sound(samples=x[:, None], rate=data.rate) for i, x in zip(ids, data.sounds, strict=True)}
    plan = make_plan(
        configure(str(case.attack), case.options),
        Order(count=VICTIMS, seed=draw),
        modality="audio",
        ids=ids,
        labels=data.labels,
        fetch=lambda wanted: [raws[i] for i in wanted],
    )
    new = {i: plan.replace(i, raws[i]) for i in plan.victims}
    sounds = [
        x if new.get(i) is None else _sixteen(new[i].mono) for i, x in zip(ids, data.sounds, strict=True)
    ]
    labels = [str(plan.relabel.get(i, y)) for i, y in zip(ids, data.labels, strict=True)]
    return Set(sounds, labels, data.rate), plan.victims


def _sixteen(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.rint(x * 32768).clip(-32768, 32767) / 32768, dtype=np.float32)


def listen_once() -> None:
    """Note each sound once in this process."""
    kept: dict[tuple[bytes, int], Any] = {}
    note = tape._noted

    def noted(sound: Sound, common: int) -> Any:
        key = (sound.samples.tobytes(), sound.rate)
        if key not in kept:
            kept[key] = note(sound, common)
        return kept[key]

    tape._noted = noted


def line(name: str, draw: int, report: Report, poison: frozenset[str]) -> dict[str, Any]:
    """What came of one audit: the finding above INFO that holds most of the poison, and what else was flagged."""
    alarms = report.alarms
    best = max(alarms, key=lambda f: len(poison & set(f.accused)), default=None)
    accused = frozenset[str]().union(*(f.accused for f in alarms))
    caught = len(poison & set(best.accused)) if best else 0
    return {
        "case": name,
        "draw": draw,
        "verdict": report.verdict.value,
        "alarms": len(alarms),
        "caught": caught,
        "caught_in_all": len(poison & accused),
        "innocents": len(accused - poison),
        "message": best.message if best else "",
    }


def halves(data: Set, draws: Sequence[int]) -> Iterator[tuple[int, Set]]:
    """A random half for each draw."""
    for draw in draws:
        rows = np.sort(
            np.random.default_rng([draw, 5]).permutation(len(data.sounds))[: len(data.sounds) // 2]
        )
        yield draw, Set([data.sounds[i] for i in rows], [data.labels[i] for i in rows], data.rate)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", help="Only this case, or clean; may be repeated.")
    parser.add_argument("--first", type=int, default=0, help="The first draw.")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    wanted = arguments.case or [*(case.name for case in CASES), "clean"]
    listen_once()
    loaded: dict[str, Set] = {}

    def audit(name: str, draw: int, data: Set, poison: frozenset[str]) -> None:
        report = mithridate.audit(data.sounds, labels=data.labels, rate=data.rate)
        told = line(name, draw, report, poison)
        with arguments.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(told) + "\n")
        print(told, flush=True)

    def of(name: str) -> Set:
        if name not in loaded:
            loaded[name] = SETS[name]()
        return loaded[name]

    if "clean" in wanted:
        for name in dict.fromkeys(
            case.data for case in CASES if case.name in wanted or arguments.case == ["clean"]
        ):
            audit(f"clean {name}", 0, of(name), frozenset())
            for draw, half in halves(of(name), range(3)):
                audit(f"half {name}", draw, half, frozenset())
    for draw in range(arguments.first, arguments.first + arguments.draws):
        for case in CASES:
            if case.name in wanted:
                audit(case.name, draw, *planted(of(case.data), case, draw))


if __name__ == "__main__":
    main()
