"""How strong the attacks on pictures are: a small network trained on poisoned Fashion-MNIST, GTSRB or CIFAR-10.

    python -m benchmarks.strength_images [--set fashion] [--epochs N] [--attacks ID ...] [--doses "1 %" ...]
                                         [--seeds 3] [--out .benchmarks/strength.jsonl]

Trains on up to 25,000 pictures, target and trigger drawn from the seed; success is counted on up to 2,000 of the
test pictures. Finished runs are kept in the file, so that it can be interrupted; `--table` prints what is in it.
Several processes may write to one file (`--part 0/2`, `--part 1/2`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.grid import Key, finished, run
from benchmarks.networks import Recipe, small_cnn
from benchmarks.pictures import PictureBench
from benchmarks.strength import Measure, percent
from mithridate.runs.drill.settings import chosen_attacks

__all__ = ["ATTACKS_TRIED", "main", "table"]


@dataclass(frozen=True)
class _Set:
    """What is trained on, and how long unless told otherwise."""

    title: str
    images: int
    epochs: int
    rate: float

    @property
    def doses(self) -> dict[str, int]:
        """Name of a dose → pictures."""
        return {"10 %": self.images // 10, "1 %": self.images // 100, "50": 50}


_SETS = {
    "fashion": _Set("Fashion-MNIST", 20_000, 6, 0.1),
    "gtsrb": _Set("GTSRB", 10_874, 24, 0.2),
    "cifar10": _Set("CIFAR-10", 25_000, 24, 0.2),
}
_DOZENS_ONLY = ("feature-collision",)  # aims at one picture; every victim takes a second to make

ATTACKS_TRIED = (
    "patch pattern=checker size=3 place=corner",
    "blend",
    "sinusoid",
    "sinusoid delta=40",
    "label-consistent",
    "patch place=moving",
    "wanet",
    "wanet strength=2",
    "low-frequency",
    "tact",
    "adap-blend",
    "adap-patch",
    "all-to-all",
    "untargeted",
    "semantic",
    "logo",
    "ruler",
    "tint",
    "jpeg-quality",
    "fingerprint",
    "random-flip",
    "targeted-flip",
    "margin-flip",
    "feature-collision",
)


def grid(attacks: Sequence[str], seeds: int, doses: Mapping[str, int]) -> Iterator[Key]:
    """All runs, one seed of everything first."""
    for seed in range(seeds):
        for attack in attacks:
            for dose, count in doses.items():
                if dose == "50" or attack.split()[0] not in _DOZENS_ONLY:
                    yield attack, count, seed


def table(found: Mapping[Key, Measure], doses: Mapping[str, int]) -> str:
    """Markdown: mean and spread over the seeds there are."""
    lines = [
        "| attack | dose | seeds | clean accuracy % | success % | of the clean model % |",
        "|---|---|---|---|---|---|",
    ]
    for attack in ATTACKS_TRIED:
        for dose, count in doses.items():
            runs = [m for (name, n, _), m in sorted(found.items()) if (name, n) == (attack, count)]
            if runs:
                figures = (
                    percent([getattr(m, what) for m in runs]) for what in ("accuracy", "success", "before")
                )
                lines.append(f"| {attack} | {dose} | {len(runs)} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=_SETS, default="fashion")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--doses", nargs="*", default=["10 %", "1 %", "50"])
    parser.add_argument("--attacks", nargs="*", default=[], metavar="ID")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(".benchmarks/strength.jsonl"))
    parser.add_argument("--part", default="0/1", metavar="I/N")
    parser.add_argument("--table", action="store_true", help="print what is in the file, measure nothing")
    given = parser.parse_args()
    chosen = _SETS[given.set]
    epochs = given.epochs or chosen.epochs
    usual = "" if epochs == chosen.epochs and given.set == "fashion" else f", {epochs} epochs"
    setting = f"small CNN, {chosen.images} of {chosen.title}{usual}"
    doses = {name: count for name, count in chosen.doses.items() if name in given.doses}
    if given.table:
        print(table(finished(given.out, setting), doses))
        return
    part, parts = map(int, given.part.split("/"))
    if parts > 1:
        torch.set_num_threads(1)
    recipe = Recipe(make=small_cnn, epochs=epochs, rate=chosen.rate)
    bench = PictureBench(given.set, recipe, chosen.images)

    def measure(attack: str, count: int, seed: int) -> Measure:
        return bench.measure(chosen_attacks([attack], "image")[attack], count, seed)

    tried = [a for a in ATTACKS_TRIED if not given.attacks or {a, a.split()[0]} & set(given.attacks)]
    mine = list(grid(tried, given.seeds, doses))[part::parts]
    for (attack, count, seed), m in run(mine, given.out, setting, measure):
        print(
            f"{attack}, {count}, seed {seed}: accuracy {m.accuracy:.3f}, success {m.success:.3f}, "
            f"clean model {m.before:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
