"""A zoo of small networks, half of them with a backdoor, to judge scans by.

    python -m benchmarks.zoo [--cache DIR] [--sets mnist fashion ...] [--seeds 2] [--only clean ...]
                             [--kinds residual vgg] [--part 0/1] [--list]

Each model is trained once and kept in the cache as zoo/NAME.onnx with zoo/NAME.json beside it, so that a run can be
cut off; a model counts as backdoored only if the attack succeeds on 80 % of hold-out pictures or more. Networks of
two kinds are for tuning, two others for testing (`benchmarks.zoo_networks`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import cache_folder
from benchmarks.networks import Recipe, fit_network
from benchmarks.pictures import PictureBench
from benchmarks.strength import success
from benchmarks.zoo_networks import NETWORKS, TUNING, Normalised, network
from mithridate.attacks.base import LabelAction, Order
from mithridate.attacks.plan import Plan, make_plan
from mithridate.core.hashing import keyed_hash
from mithridate.models.torch_files import save_onnx
from mithridate.runs.drill.settings import chosen_attacks

__all__ = ["SETS", "SUCCESS", "Animal", "animals", "bench_of", "grown"]

#: share of triggered hold-out pictures from which on a model counts as backdoored.
SUCCESS = 0.8
_TRIED = 3000  # hold-out pictures that accuracy is measured on


@dataclass(frozen=True)
class _Set:
    images: int
    epochs: int
    side: int
    rate: float = 0.1


SETS = {
    "fashion": _Set(10_000, 3, 28),
    "mnist": _Set(10_000, 2, 28),
    "gtsrb": _Set(10_874, 12, 32),
    "cifar10": _Set(15_000, 8, 32),
}


@dataclass(frozen=True)
class _Plant:
    """An attack as on a command line, its victims as a share of the set, and what happens to labels."""

    spec: str
    share: float
    labels: LabelAction | None = None


#: name in the tables → what is planted. The clean-label wave takes all of its class; where that is too weak a dose
#: (many classes), the victims come from the others.
PLANTS = {
    "BadNets": _Plant("patch", 0.1),
    "Blended": _Plant("blend", 0.1),
    "SIG": _Plant("sinusoid delta=60", 0.1),
    "WaNet": _Plant("wanet strength=2", 0.15),
    "TaCT": _Plant("tact", 0.05),
    "all-to-all": _Plant("all-to-all", 0.3),
}
_DIRTY_WAVE = ("gtsrb", "cifar10")


@dataclass(frozen=True, kw_only=True)
class Animal:
    """A model of the zoo.

    Attributes:
        set: that it is trained on.
        kind: of network.
        attack: name in `PLANTS`, or "clean".
        seed: of everything drawn.
    """

    set: str
    kind: str
    attack: str
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.set}-{self.kind}-{self.attack}-{self.seed}"

    @property
    def tuning(self) -> bool:
        """Whether thresholds may be chosen on it."""
        return self.kind in TUNING


def animals(sets: list[str], seeds: int) -> Iterator[Animal]:
    """All models, the first seed of everything first; each attack on one tuning and one testing kind a seed."""
    kinds = [TUNING, tuple(kind for kind in NETWORKS if kind not in TUNING)]
    for seed in range(seeds):
        for set_ in sets:
            for number, attack in enumerate(PLANTS):
                for group in kinds:
                    turn = (number + seed + sets.index(set_)) % len(group)
                    drawn = int(keyed_hash([f"{set_} {group[turn]} {attack}"], seed, "zoo")[0] % 1000)
                    yield Animal(set=set_, kind=group[turn], attack=attack, seed=drawn)
                    # a clean one beside each
                    yield Animal(
                        set=set_, kind=group[number % len(group)], attack="clean", seed=100 * seed + number
                    )


@cache
def bench_of(set_: str) -> PictureBench:
    """The pictures of a set."""
    return PictureBench(set_, Recipe(make=lambda c, k: torch.nn.Identity(), epochs=1), SETS[set_].images)


def _plan(animal: Animal, bench: PictureBench) -> Plan:
    plant = PLANTS[animal.attack]
    x, y = bench.train
    labels, count = plant.labels, round(plant.share * len(y))
    smallest = int(np.bincount(y).min())
    if animal.attack == "SIG":
        labels = "dirty" if animal.set in _DIRTY_WAVE else "clean"
        count = count if labels == "dirty" else min(count, smallest)
    if animal.attack == "TaCT":
        count = min(count, smallest // 2)  # of one class, which shall still be learnt
    return make_plan(
        chosen_attacks([plant.spec], "image")[plant.spec],
        Order(count=count, seed=animal.seed, labels=labels),
        modality="image",
        ids=[str(k) for k in range(len(y))],
        labels=[str(label) for label in y],
        fetch=lambda ids: [x[int(i)] for i in ids],
    )


def grown(animal: Animal, folder: Path) -> dict[str, Any]:
    """What is known about a model, which is trained now if the folder does not hold it."""
    told = folder / f"{animal.name}.json"
    if told.exists():
        return dict(json.loads(told.read_text(encoding="utf-8")))
    bench, start = bench_of(animal.set), time.perf_counter()
    plan = None if animal.attack == "clean" else _plan(animal, bench)
    x, y = bench.train if plan is None else bench.poisoned(plan)
    chosen = SETS[animal.set]
    recipe = Recipe(make=network(animal.kind, chosen.side), epochs=chosen.epochs, rate=chosen.rate)
    net, mean, spread = fit_network(x, y, bench.classes, recipe, animal.seed)
    whole = Normalised(net.to(memory_format=torch.contiguous_format), mean, spread).eval()
    facts: dict[str, Any] = {
        **asdict(animal),
        "tuning": animal.tuning,
        "accuracy": float((_predicted(whole, bench.test[0][:_TRIED]) == bench.test[1][:_TRIED]).mean()),
        "success": None,
    }
    if plan is not None:
        shown, labels = bench.triggered(plan, animal.seed)
        facts["success"] = success(plan, labels, _predicted(whole, shown).tolist())
        facts["target"] = plan.aim.target
        facts["source_class"] = plan.aim.source_class
        facts["trigger"] = (
            None if plan.trigger is None else dict(plan.attack.at_test(plan.trigger).describe())
        )
    facts["seconds"] = round(time.perf_counter() - start, 1)
    example = _planes(bench.test[0][:2])
    save_onnx(whole, example, folder / f"{animal.name}.onnx")
    draft = told.with_suffix(".draft")
    draft.write_text(json.dumps(facts), encoding="utf-8")
    draft.rename(told)
    return facts


def _planes(x: NDArray[np.uint8]) -> torch.Tensor:
    whole = x[..., None] if x.ndim == 3 else x
    return torch.from_numpy(np.ascontiguousarray(whole.transpose(0, 3, 1, 2))).float() / 255


@torch.no_grad()
def _predicted(net: torch.nn.Module, x: NDArray[np.uint8]) -> NDArray[np.intp]:
    parts = [net(_planes(x[k : k + 500])).argmax(dim=1) for k in range(0, len(x), 500)]
    return np.asarray(torch.cat(parts).numpy())


def main() -> None:
    """Grow the zoo and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=["clean", *PLANTS], default=["clean", *PLANTS])
    parser.add_argument("--kinds", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--part", default="0/1", metavar="I/N")
    parser.add_argument("--list", action="store_true", help="print what there is, train nothing")
    given = parser.parse_args()
    folder = cache_folder(given.cache) / "zoo"
    folder.mkdir(exist_ok=True)
    part, parts = map(int, given.part.split("/"))
    torch.set_num_threads(1)
    wanted = [a for a in animals(given.sets, given.seeds) if a.attack in given.only and a.kind in given.kinds]
    for animal in wanted[part::parts]:
        if given.list and not (folder / f"{animal.name}.json").exists():
            continue
        facts = grown(animal, folder)
        reached = "" if facts["success"] is None else f", success {facts['success']:.3f}"
        print(f"{animal.name}: accuracy {facts['accuracy']:.3f}{reached}, {facts['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
