"""Repairs of weights on models with known backdoors: attack success, accuracy and cost of each method.

    python -m benchmarks.repair [--set cifar10] [--seeds 3] [--rates 0.1 0.01] [--shares 0.05 0.01]
                                [--attacks BadNets ...] [--methods ft-sam ...] [--images 15000] [--epochs 8] [--table]

Models are trained once and kept in the cache (repair/NAME.pt), what each method did to them in repair/cells.jsonl, so
that a run can be cut off. Clean samples are test pictures, as many as the share of the training pictures says, of all
classes; figures are of test pictures that no method saw, frames of one film on one side where that can be. Cost is in
passes of one sample, relative to the training's. "selected" is the whole of `mithridate repair`: its cost is the taken
method's, and beside it that of everything that was tried, the searches for triggers with it. The other methods are not
told any trigger.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.inputs import cache_folder
from benchmarks.networks import Recipe, fit_network, small_cnn
from benchmarks.pictures import PictureBench
from benchmarks.strength import success
from benchmarks.untrained import blank
from benchmarks.zoo_networks import Normalised
from mithridate.attacks.plan import Plan
from mithridate.repairs.base import REPAIRS, Passes, RepairScope, counted
from mithridate.runs.drill.settings import chosen_attacks
from mithridate.runs.heal.run import heal
from mithridate.runs.scan.models import Asked
from mithridate.sources.open import open_source

__all__ = [
    "WORKS", "Cell", "Rows", "answers", "main", "measure", "measuring", "models", "options", "pictures", "planes",
    "table", "trained",
]  # fmt: skip

ATTACKS = {
    "BadNets": "patch",
    "Blended": "blend",
    "SIG": "sinusoid",
    "WaNet": "wanet strength=2",
    "TaCT": "tact",
    "label-consistent": "label-consistent",
}
#: undefended attack success from which on a cell counts.
WORKS = 0.5
_SELECTED = "selected"
_HELD = 0.2  # of the clean samples, to watch accuracy on


@dataclass(frozen=True, eq=False)
class Cell:
    """A poisoned model, and what judges repairs of it.

    Attributes:
        name: of its files.
        module: takes (n, c, h, w) in [0, 1].
        plan: the attack.
        seed: of everything.
        bench: its pictures.
        passes: that training took.
        arch: MODULE:FUNCTION that makes the module, untrained.
        device: where repairs compute.
    """

    name: str
    module: Any
    plan: Plan
    seed: int
    bench: PictureBench
    passes: int
    arch: str
    device: str = "cpu"

    def clean(self, share: float) -> tuple[Any, Any]:
        """Clean samples, as many as a share of the training pictures."""
        x, y = self.bench.test
        rows = np.random.default_rng([self.seed, 3]).permutation(self.bench.halves[0])
        rows = rows[: round(share * len(self.bench.train[1]))]
        return planes(x[rows]), torch.from_numpy(y[rows]).long()

    def figures(self, module: Any) -> tuple[float, float]:
        """Attack success and accuracy on the half of the test pictures that no repair sees."""
        x, y = self.bench.test
        unseen = self.bench.halves[1]
        right = (answers(module, x[unseen]) == y[unseen]).mean()
        shown, labels = self.bench.triggered(self.plan, self.seed, unseen)
        return success(self.plan, labels, answers(module, shown).tolist()), float(right)


def planes(x: Any) -> Any:
    """(n, h, w[, c]) grey levels → (n, c, h, w) in [0, 1]."""
    whole = x[..., None] if x.ndim == 3 else x
    return torch.from_numpy(np.ascontiguousarray(whole.transpose(0, 3, 1, 2))).float() / 255


def pictures(x: Any) -> Any:
    """The way back: (n, c, h, w) in [0, 1] → (n, h, w[, c]) grey levels."""
    whole = (x.numpy().transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)
    return whole[..., 0] if whole.shape[3] == 1 else whole


@torch.no_grad()
def answers(module: Any, x: Any) -> Any:
    """(n,) classes."""
    place = next(module.parameters()).device
    said = [module(planes(x[k : k + 500]).to(place)).argmax(1) for k in range(0, len(x), 500)]
    return torch.cat(said).cpu().numpy()


def models(given: argparse.Namespace, folder: Path) -> Any:
    """Yield a `Cell` for each seed, attack and rate; train what is not in the cache."""
    bench = PictureBench(given.set, Recipe(make=small_cnn, epochs=given.epochs), given.images)
    for seed in range(given.first, given.first + given.seeds):
        for attack in given.attacks:
            for rate in given.rates:
                spec = ATTACKS[attack]
                plan = bench.plan(
                    chosen_attacks([spec], "image")[spec], round(rate * len(bench.train[1])), seed
                )
                name = f"{given.set}-{given.images}-{given.epochs}-{attack}-{rate:g}-{seed}"
                module = trained(bench, plan, seed, folder / f"{name}.pt")
                arch = f"benchmarks.untrained:{given.set}"
                yield Cell(name, module, plan, seed, bench, given.epochs * len(bench.train[1]), arch)


def trained(bench: PictureBench, plan: Plan, seed: int, file: Path) -> Any:
    """The model that a plan makes, from the file or trained now and kept there; on the CPU."""
    channels = 3 if bench.train[0].ndim == 4 else 1
    if file.exists():
        module = blank(channels, bench.classes, bench.recipe.make)
        module.load_state_dict(torch.load(file, weights_only=True))
        return module.eval()
    net, mean, spread = fit_network(*bench.poisoned(plan), bench.classes, bench.recipe, seed)
    module = Normalised(net.to(memory_format=torch.contiguous_format), mean, spread).cpu().eval()
    part = file.with_suffix(".part")  # a run may be cut off while it writes
    torch.save(module.state_dict(), part)
    part.replace(file)
    return module


def tried(cell: Cell, method: str, share: float, budget: float) -> dict[str, Any]:
    """What a method does to a model."""
    x, y = (part.to(cell.device) for part in cell.clean(share))
    held = max(10, round(_HELD * len(x)))
    scope = RepairScope(
        x=x[held:], y=y[held:], held=(x[:held], y[:held]), classes=cell.bench.classes,
        passes=round(budget * cell.passes), loss=allowed(share), seed=cell.seed,
    )  # fmt: skip
    repair, passes, start = REPAIRS.get(method), Passes(), time.process_time()
    assert repair is not None
    module = deepcopy(cell.module)
    if repair().refuses(module, scope):
        return {}
    with counted(module, passes):
        healed = repair().heal(module, scope)
    seconds = time.process_time() - start
    asr, acc = cell.figures(healed.eval())
    return {"asr": asr, "acc": acc, "cost": passes.both / cell.passes, "seconds": round(seconds, 1)}


def allowed(share: float) -> float:
    """Accuracy that may be lost with so many clean samples."""
    return 0.02 if share >= 0.05 else 0.04


def selected(cell: Cell, share: float) -> dict[str, Any]:
    """What `mithridate repair` makes of a model, with no more than a user gives."""
    x, y = cell.clean(share)
    clean = open_source(pictures(x), labels=y.numpy().astype(str))
    with tempfile.TemporaryDirectory() as place:
        file, start = Path(place) / "model.pt", time.process_time()
        torch.save(cell.module.state_dict(), file)
        healed = heal(
            file, arch=cell.arch, asked=Asked(clean=clean, seed=cell.seed), loss=allowed(share), trained=cell.passes,
            device=cell.device,
        )  # fmt: skip
        seconds = time.process_time() - start
    module = deepcopy(cell.module)
    module.load_state_dict(healed.weights)
    asr, acc = cell.figures(module.eval())
    told = next(iter(healed.report.findings))
    tries = told.details["candidates"]
    taken = next(t for t in tries if t["taken"])
    return {
        "asr": asr, "acc": acc, "cost": taken["of_training"],
        "whole": sum(t["of_training"] for t in tries) + told.details["search"]["passes"] / cell.passes,
        "verdict": str(healed.report.verdict), "taken": taken["method"] + ", milder" * taken["milder"],
        "proof": told.details["proof"]["passes"] / cell.passes,
        "said": told.message,
        "seconds": round(seconds, 1),
    }  # fmt: skip


class Rows:
    """What was measured, one line of a file each.

    Args:
        file: that is read and added to.
        works: undefended attack success from which on repairs of a model are measured.
    """

    def __init__(self, file: Path, works: float = WORKS) -> None:
        self.file, self.works = file, works
        self.all: list[dict[str, Any]] = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            with suppress(ValueError):  # a line that was cut off counts for nothing
                self.all.append(json.loads(line))

    def note(self, row: dict[str, Any]) -> None:
        """One more, also printed."""
        self.all.append(row)
        with self.file.open("a", encoding="utf-8") as out:
            out.write("\n" + json.dumps(row))  # on a line of its own, whatever was cut off before it
        print(row, flush=True)

    def of(self, budget: float) -> list[dict[str, Any]]:
        """Those with a budget, and what was not repaired."""
        return [row for row in self.all if row["budget"] in (0, budget)]

    def missing(self, cell: str, given: argparse.Namespace) -> list[tuple[float, str]]:
        """Shares and methods (`measuring`) that are to be measured; "none" is the first, where its success says so."""
        known = {(r["share"], r["method"], r["budget"]): r.get("asr") for r in self.all if r["cell"] == cell}
        if (0, "none", 0) not in known:
            return [(0, "none")]
        if known[0, "none", 0] < self.works:
            return []
        return [(s, m) for s in given.shares for m in given.methods if (s, m, given.budget) not in known]


def measure(cell: Cell, rows: Rows, given: argparse.Namespace, until: float = float("inf")) -> None:
    """All of a model that is not there yet; nothing is begun after a time (`time.monotonic`)."""
    while time.monotonic() < until and (missing := rows.missing(cell.name, given)):
        share, method = missing[0]
        row: dict[str, Any] = {"cell": cell.name, "method": method, "share": share}
        if method == "none":
            asr, acc = cell.figures(cell.module)
            rows.note({**row, "budget": 0, "asr": asr, "acc": acc})
            continue
        did = selected(cell, share) if method == _SELECTED else tried(cell, method, share, given.budget)
        rows.note({**row, "budget": given.budget, **did})


def table(rows: list[dict[str, Any]], works: float = WORKS) -> str:
    """Of cells whose attack works, by method and share: success left, accuracy lost, how many are within the bar."""
    undefended = {r["cell"]: r for r in rows if r["method"] == "none"}
    groups: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["method"] != "none" and row.get("asr") is not None and undefended[row["cell"]]["asr"] >= works:
            groups[row["method"], row["share"]].append(row)
    lines = [
        "| method | clean | cells | success mean | worst | accuracy lost | cost | with all tried | within the bar |",
        "|---" * 9 + "|",
    ]
    for (method, share), of_it in sorted(groups.items()):
        lost = [undefended[r["cell"]]["acc"] - r["acc"] for r in of_it]
        asr = [r["asr"] for r in of_it]
        fine = sum(a <= 0.05 and b <= allowed(share) for a, b in zip(asr, lost, strict=True))
        lines.append(
            f"| {method} | {share:.0%} | {len(of_it)} | {100 * np.mean(asr):.1f} | {100 * max(asr):.1f} | "
            f"{100 * np.mean(lost):.1f} | {100 * np.mean([r['cost'] for r in of_it]):.0f} % | "
            f"{100 * np.mean([r.get('whole', r['cost']) for r in of_it]):.0f} % | {fine} |"
        )
    return "\n".join(lines)


def options(told: str | None, attacks: Sequence[str]) -> argparse.ArgumentParser:
    """What `models` is told on a command line.

    Args:
        told: description of the benchmark.
        attacks: that are run unless said otherwise.
    """
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--cache")
    parser.add_argument("--set", default="cifar10", choices=("cifar10", "gtsrb", "fashion", "mnist"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--rates", nargs="*", type=float, default=[0.1, 0.01])
    parser.add_argument("--attacks", nargs="*", default=list(attacks), choices=list(ATTACKS))
    parser.add_argument("--images", type=int, default=15_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    return parser


def measuring(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """With what `measure` is told."""
    parser.add_argument("--shares", nargs="*", type=float, default=[0.05, 0.01])
    # forgetting needs the training data: `benchmarks.forget`
    methods = [_SELECTED, *(r.card.id for r in REPAIRS if "flagged" not in r.card.needs)]
    parser.add_argument("--methods", nargs="*", default=methods)
    parser.add_argument(
        "--budget", type=float, default=0.1, help="passes of a method, as a share of the training's"
    )
    return parser


def main() -> None:
    """Run the grid."""
    parser = measuring(options(__doc__, list(ATTACKS)))
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = cache_folder(given.cache) / "repair"
    folder.mkdir(exist_ok=True)
    rows = Rows(folder / "cells.jsonl")
    for cell in () if given.table else models(given, folder):
        measure(cell, rows, given)
    print(table(rows.of(given.budget)))


if __name__ == "__main__":
    main()
