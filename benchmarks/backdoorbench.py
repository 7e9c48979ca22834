"""The published CIFAR-10 protocol: PreAct-ResNet18 trained on six attacks at three doses, beside published figures.

    python -m benchmarks.backdoorbench [--attacks NAME ...] [--seeds 1] [--out .benchmarks/backdoorbench.jsonl]

With a GPU: 50,000 pictures, width 64, 100 epochs with crops and mirrors, as published. Without one: a reduced form
(10,000 pictures, width 16, 8 epochs, no augmentation), whose figures stand beside the published ones but are not
comparable. Finished runs are kept in the file; `--table` prints what is in it.

Published: Wu et al., BackdoorBench, NeurIPS 2022, arXiv:2206.12654, and its leaderboard (2025), undefended models.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.grid import Key, finished, run
from benchmarks.inputs import data_folder
from benchmarks.networks import PreActResNet18, Recipe
from benchmarks.pictures import PictureBench
from benchmarks.strength import Measure, percent
from mithridate.attacks.base import Attack
from mithridate.attacks.options import configure

__all__ = ["DOSES", "FULL", "PUBLISHED", "REDUCED", "Form", "main", "table"]

_TARGET = "0"
DOSES = {"10 %": 0.1, "1 %": 0.01, "0.1 %": 0.001}

#: (attack, dose) → clean accuracy and attack success in per cent; not every cell is published.
PUBLISHED: Mapping[tuple[str, str], tuple[float, float]] = {
    ("BadNets", "10 %"): (91.3, 95.0), ("BadNets", "1 %"): (93.1, 74.7),
    ("Blended", "10 %"): (93.5, 99.9), ("Blended", "1 %"): (93.8, 94.9),
    ("SIG", "10 %"): (84.5, 98.3), ("SIG", "1 %"): (93.8, 83.4),
    ("LC", "10 %"): (84.6, 99.9), ("LC", "1 %"): (93.8, 90.6),
    ("WaNet", "10 %"): (91.2, 89.7), ("WaNet", "1 %"): (90.6, 12.6),
    ("LF", "10 %"): (93.0, 99.0), ("LF", "1 %"): (94.0, 86.0),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Form:
    """How much of the protocol is carried out.

    Attributes:
        name: of the setting.
        images: to train on.
        recipe: of the training.
    """

    name: str
    images: int
    recipe: Recipe


FULL = Form(
    name="PreAct-ResNet18, 50,000, 100 epochs",
    images=50_000,
    recipe=Recipe(make=PreActResNet18, epochs=100, rate=0.01, schedule="cosine", augment=True),
)
REDUCED = Form(
    name="PreAct-ResNet18 of width 16, 10,000, 8 epochs",
    images=10_000,
    recipe=Recipe(make=partial(PreActResNet18, width=16), epochs=8, rate=0.1),
)


def protocol() -> dict[str, Callable[[], Attack]]:
    """The attacks, with the published parameters."""
    kitty = str(data_folder() / "triggers" / "blended_hello_kitty.jpeg")
    return {
        "BadNets": partial(configure, "patch", {"pattern": "white", "size": 3, "place": "corner"}),
        "Blended": partial(configure, "blend", {"picture": kitty, "alpha": 0.2}),
        "SIG": partial(configure, "sinusoid", {"delta": 40.0, "frequency": 6.0}),
        "LC": partial(configure, "label-consistent"),
        "WaNet": partial(configure, "wanet"),
        "LF": partial(configure, "low-frequency"),
    }


def grid(form: Form, attacks: Sequence[str], seeds: int) -> Iterator[Key]:
    """All runs, the largest dose of everything first."""
    for seed in range(seeds):
        for share in DOSES.values():
            for attack in attacks:
                yield attack, round(form.images * share), seed


def table(found: Mapping[Key, Measure], form: Form) -> str:
    """Markdown: clean accuracy / attack success in per cent, ours and published."""
    lines = ["| attack | dose | clean accuracy | success | published |", "|---|---|---|---|---|"]
    for attack in dict.fromkeys(name for name, _ in PUBLISHED):
        for dose, share in DOSES.items():
            runs = [
                m for (name, n, _), m in found.items() if (name, n) == (attack, round(form.images * share))
            ]
            if runs:
                ours = (percent([getattr(m, what) for m in runs]) for what in ("accuracy", "success"))
                theirs = PUBLISHED.get((attack, dose))
                beside = "–" if theirs is None else f"{theirs[0]:g} / {theirs[1]:g}"
                lines.append(f"| {attack} | {dose} | {' | '.join(ours)} | {beside} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attacks", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".benchmarks/backdoorbench.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what is in the file, measure nothing")
    given = parser.parse_args()
    form = FULL if torch.cuda.is_available() else REDUCED
    if given.table:
        print(table(finished(given.out, form.name), form))
        return
    attacks = protocol()
    bench = PictureBench("cifar10", form.recipe, form.images)

    def measure(attack: str, count: int, seed: int) -> Measure:
        return bench.measure(attacks[attack](), count, seed, _TARGET)

    wanted = grid(form, [name for name in attacks if not given.attacks or name in given.attacks], given.seeds)
    for (attack, count, seed), m in run(wanted, given.out, form.name, measure):
        print(
            f"{attack}, {count}, seed {seed}: accuracy {m.accuracy:.3f}, success {m.success:.3f}", flush=True
        )
    print(table(finished(given.out, form.name), form))


if __name__ == "__main__":
    main()
