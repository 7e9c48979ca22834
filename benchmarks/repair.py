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
from benchmarks.zoo_networks import Normalised
from mithridate.attacks.plan import Plan
from mithridate.repairs.base import REPAIRS, Passes, RepairScope, counted
from mithridate.runs.drill.settings import chosen_attacks
from mithridate.runs.heal.run import heal
from mithridate.runs.scan.models import Asked
from mithridate.sources.open import open_source

__all__ = ["WORKS", "Cell", "answers", "main", "models", "options", "pictures", "planes", "trained"]

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
    """

    name: str
    module: Any
    plan: Plan
    seed: int
    bench: PictureBench
    passes: int

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
    return torch.cat([module(planes(x[k : k + 500])).argmax(1) for k in range(0, len(x), 500)]).numpy()


def models(given: argparse.Namespace, folder: Path) -> Any:
    """Yield a `Cell` for each seed, attack and rate; train what is not in the cache."""
    bench = PictureBench(given.set, Recipe(make=small_cnn, epochs=given.epochs), given.images)
    for seed in range(given.seeds):
        for attack in given.attacks:
            for rate in given.rates:
                spec = ATTACKS[attack]
                plan = bench.plan(
                    chosen_attacks([spec], "image")[spec], round(rate * len(bench.train[1])), seed
                )
                name = f"{given.set}-{given.images}-{given.epochs}-{attack}-{rate:g}-{seed}"
                module = trained(bench, plan, seed, folder / f"{name}.pt")
                yield Cell(name, module, plan, seed, bench, given.epochs * len(bench.train[1]))


def trained(bench: PictureBench, plan: Plan, seed: int, file: Path) -> Any:
    """The model that a plan makes, from the file or trained now and kept there."""
    channels = 3 if bench.train[0].ndim == 4 else 1
    blank = torch.zeros(channels, 1, 1)
    if file.exists():
        module = Normalised(bench.recipe.make(channels, bench.classes), blank, blank)
        module.load_state_dict(torch.load(file, weights_only=True))
        return module.eval()
    net, mean, spread = fit_network(*bench.poisoned(plan), bench.classes, bench.recipe, seed)
    module = Normalised(net.to(memory_format=torch.contiguous_format), mean, spread).eval()
    torch.save(module.state_dict(), file)
    return module


def tried(cell: Cell, method: str, share: float, budget: float) -> dict[str, Any]:
    """What a method does to a model."""
    x, y = cell.clean(share)
    held = max(10, round(_HELD * len(x)))
    scope = RepairScope(
        x=x[held:], y=y[held:], held=(x[:held], y[:held]), classes=cell.bench.classes,
        passes=round(budget * cell.passes), seed=cell.seed,
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


def selected(cell: Cell, share: float, set_: str) -> dict[str, Any]:
    """What `mithridate repair` makes of a model, with no more than a user gives."""
    x, y = cell.clean(share)
    clean = open_source(pictures(x), labels=y.numpy().astype(str))
    with tempfile.TemporaryDirectory() as place:
        file, start = Path(place) / "model.pt", time.process_time()
        torch.save(cell.module.state_dict(), file)
        healed = heal(
            file, arch=f"benchmarks.untrained:{set_}", asked=Asked(clean=clean, seed=cell.seed), trained=cell.passes
        )  # fmt: skip
        seconds = time.process_time() - start
    module = deepcopy(cell.module)
    module.load_state_dict(healed.weights)
    asr, acc = cell.figures(module.eval())
    told = next(iter(healed.report.findings))
    tries = told.details["candidates"]
    return {
        "asr": asr, "acc": acc, "cost": next(t["of_training"] for t in tries if t["method"] == told.check),
        "whole": sum(t["of_training"] for t in tries) + told.details["search"]["passes"] / cell.passes,
        "verdict": str(healed.report.verdict), "taken": told.check, "said": told.message,
        "seconds": round(seconds, 1),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """By method and share: mean and worst attack success, accuracy lost, cells within the bar."""
    undefended = {r["cell"]: r for r in rows if r["method"] == "none"}
    groups: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["method"] != "none" and row.get("asr") is not None and undefended[row["cell"]]["asr"] >= WORKS:
            groups[row["method"], row["share"]].append(row)
    lines = [
        "| method | clean | cells | success mean | worst | accuracy lost | cost | with all tried | within the bar |",
        "|---" * 9 + "|",
    ]
    for (method, share), of_it in sorted(groups.items()):
        lost = [undefended[r["cell"]]["acc"] - r["acc"] for r in of_it]
        asr = [r["asr"] for r in of_it]
        allowed = 0.02 if share >= 0.05 else 0.04
        fine = sum(a <= 0.05 and b <= allowed for a, b in zip(asr, lost, strict=True))
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
    parser.add_argument("--rates", nargs="*", type=float, default=[0.1, 0.01])
    parser.add_argument("--attacks", nargs="*", default=list(attacks), choices=list(ATTACKS))
    parser.add_argument("--images", type=int, default=15_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    return parser


def main() -> None:
    """Run the grid."""
    parser = options(__doc__, list(ATTACKS))
    parser.add_argument("--shares", nargs="*", type=float, default=[0.05, 0.01])
    # forgetting needs the training data: `benchmarks.forget`
    methods = [_SELECTED, *(r.card.id for r in REPAIRS if "flagged" not in r.card.needs)]
    parser.add_argument("--methods", nargs="*", default=methods)
    parser.add_argument(
        "--budget", type=float, default=0.1, help="passes of a method, as a share of the training's"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = cache_folder(given.cache) / "repair"
    folder.mkdir(exist_ok=True)
    file = folder / "cells.jsonl"
    rows = (
        [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    )
    known = {(r["cell"], r["method"], r["share"], r["budget"]) for r in rows}

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        print(row, flush=True)

    for cell in () if given.table else models(given, folder):
        if (cell.name, "none", 0, 0) not in known:
            asr, acc = cell.figures(cell.module)
            note({"cell": cell.name, "method": "none", "share": 0, "budget": 0, "asr": asr, "acc": acc})
        if next(r["asr"] for r in rows if r["cell"] == cell.name) < WORKS:
            continue
        for share in given.shares:
            for method in given.methods:
                if (cell.name, method, share, given.budget) not in known:
                    did = (
                        selected(cell, share, given.set)
                        if method == _SELECTED
                        else tried(cell, method, share, given.budget)
                    )
                    note({"cell": cell.name, "method": method, "share": share, "budget": given.budget, **did})
    print(table([r for r in rows if r["budget"] in (0, given.budget)]))


if __name__ == "__main__":
    main()
