"""How strong the attacks on pictures are: a small network trained on poisoned Fashion-MNIST.

    python -m benchmarks.strength_images [--attacks ID ...] [--seeds 3] [--out .benchmarks/strength.jsonl]

Trains on 20,000 pictures, target and trigger drawn from the seed; success is counted on up to 2,000 of the 10,000
test pictures. Finished runs are kept in the file, so that it can be interrupted; `--table` prints what is in it.
Several processes may write to one file (`--part 0/2`, `--part 1/2`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.grid import Key, finished, run
from benchmarks.networks import Recipe, small_cnn
from benchmarks.pictures import PictureBench
from benchmarks.strength import Measure, percent
from mithridate.runs.drill.settings import chosen_attacks

__all__ = ["ATTACKS_TRIED", "main", "table"]

_IMAGES = 20_000
_SETTING = f"small CNN, {_IMAGES} of Fashion-MNIST"
_DOSES = {"10 %": _IMAGES // 10, "1 %": _IMAGES // 100, "50": 50}
_RECIPE = Recipe(make=small_cnn, epochs=6, rate=0.1)
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


def grid(attacks: Sequence[str], seeds: int) -> Iterator[Key]:
    """All runs, one seed of everything first."""
    for seed in range(seeds):
        for attack in attacks:
            for dose, count in _DOSES.items():
                if dose == "50" or attack.split()[0] not in _DOZENS_ONLY:
                    yield attack, count, seed


def table(found: Mapping[Key, Measure]) -> str:
    """Markdown: mean and spread over the seeds there are."""
    lines = [
        "| attack | dose | seeds | clean accuracy % | success % | of the clean model % |",
        "|---|---|---|---|---|---|",
    ]
    for attack in ATTACKS_TRIED:
        for dose, count in _DOSES.items():
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
    parser.add_argument("--attacks", nargs="*", default=[], metavar="ID")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(".benchmarks/strength.jsonl"))
    parser.add_argument("--part", default="0/1", metavar="I/N")
    parser.add_argument("--table", action="store_true", help="print what is in the file, measure nothing")
    given = parser.parse_args()
    if given.table:
        print(table(finished(given.out, _SETTING)))
        return
    part, parts = map(int, given.part.split("/"))
    if parts > 1:
        torch.set_num_threads(1)
    bench = PictureBench("fashion", _RECIPE, _IMAGES)

    def measure(attack: str, count: int, seed: int) -> Measure:
        return bench.measure(chosen_attacks([attack], "image")[attack], count, seed)

    tried = [a for a in ATTACKS_TRIED if not given.attacks or a.split()[0] in given.attacks]
    mine = list(grid(tried, given.seeds))[part::parts]
    for (attack, count, seed), m in run(mine, given.out, _SETTING, measure):
        print(
            f"{attack}, {count}, seed {seed}: accuracy {m.accuracy:.3f}, success {m.success:.3f}, "
            f"clean model {m.before:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
