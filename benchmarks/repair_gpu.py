"""Repairs of weights in the published CIFAR-10 setting, beside the published table; made for one graphics card.

    python -m benchmarks.repair_gpu [--device cuda] [--cells Blended:0.1 ...] [--methods selected ft-sam ...]
                                    [--shares 0.05 0.01] [--epochs 100] [--images 50000] [--seed 0] [--minutes 8]
                                    [--cache DIR] [--table]
    python -m benchmarks.repair_gpu --device cpu --epochs 1 --images 500 --works 0     # whether it runs at all

PreAct-ResNet18 trained as in BackdoorBench (`benchmarks.backdoorbench.FULL`: SGD, 100 epochs, cosine from 0.01, crops
and mirrors, bfloat16) on its attacks with the published parameters, and TaCT; then what `benchmarks.repair` measures,
on the same kinds of clean samples and test pictures. Models are trained one by one, the most telling ones first, and
kept in the cache (repair-gpu/NAME.pt), figures in repair-gpu/cells.jsonl: a run that was cut off goes on where it was,
and a model of which all is measured is not asked for again. With `--minutes` nothing is begun after so many minutes; a
training or a repair that was begun is ended. On the CPU the network is a quarter as wide.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.backdoorbench import FULL, protocol
from benchmarks.inputs import cache_folder
from benchmarks.networks import PreActResNet18
from benchmarks.pictures import PictureBench
from benchmarks.repair import ATTACKS, WORKS, Cell, Rows, measure, measuring, table, trained
from benchmarks.repair_published import OURS, published
from benchmarks.untrained import NARROW
from mithridate.core.errors import UsageError
from mithridate.models.devices import named_device
from mithridate.runs.drill.settings import chosen_attacks

__all__ = ["CELLS", "beside", "main"]

#: attack and rate, the most telling ones first: where published repairs differ most, then where ours fall short.
CELLS = (
    "Blended:0.1", "WaNet:0.1", "BadNets:0.01", "Blended:0.01", "SIG:0.1", "BadNets:0.1", "SIG:0.01", "TaCT:0.1",
    "TaCT:0.01", "LC:0.1", "LC:0.01", "WaNet:0.01",
)  # fmt: skip
_TARGET = "0"
_FEWEST = 20  # clean samples that a repair asks for


def cells(given: argparse.Namespace, rows: Rows, folder: Path, until: float) -> Iterator[Cell]:
    """A `Cell` for each attack and rate of which something is not measured yet; its model is trained where need be."""
    narrow = torch.device(given.device).type == "cpu"
    make = partial(PreActResNet18, width=NARROW) if narrow else PreActResNet18
    recipe = replace(FULL.recipe, make=make, epochs=given.epochs)
    bench = PictureBench("cifar10", recipe, given.images)
    attacks = {**protocol(), "TaCT": lambda: chosen_attacks([ATTACKS["TaCT"]], "image")[ATTACKS["TaCT"]]}
    for asked in given.cells:
        name = _name(asked, given)
        if not rows.missing(name, given) or time.monotonic() > until:
            continue
        attack, rate = _of(asked)
        plan = bench.plan(attacks[attack](), round(rate * len(bench.train[1])), given.seed, _TARGET)
        module = trained(bench, plan, given.seed, folder / f"{name}.pt").to(given.device)
        arch = f"benchmarks.untrained:preact18{'_narrow' if narrow else ''}"
        passes = given.epochs * len(bench.train[1])
        yield Cell(name, module, plan, given.seed, bench, passes, arch, given.device)


def _of(asked: str) -> tuple[str, float]:
    attack, _, rate = asked.partition(":")
    return attack, float(rate)


def _name(asked: str, given: argparse.Namespace) -> str:
    width = "narrow-" if torch.device(given.device).type == "cpu" else ""
    return f"{width}cifar10-{given.images}-{given.epochs}-{asked.replace(':', '-')}-{given.seed}"


def beside(rows: list[dict[str, Any]], given: argparse.Namespace) -> str:
    """Accuracy and success in per cent by attack, rate and method, ours beside the published ones."""
    told = published()
    head = [f"{whose}, {share:.0%} clean" for whose in ("ours", "published") for share in given.shares]
    lines = [f"| attack | poison | method | {' | '.join(head)} |", "|---" * (3 + len(head)) + "|"]
    for asked in given.cells:
        attack, rate = _of(asked)
        ours = {
            (r["method"], r["share"]): (100 * r["acc"], 100 * r["asr"])
            for r in rows
            if r["cell"] == _name(asked, given) and r.get("asr") is not None
        }
        theirs = {(method, s): f for (a, dose, method, s), f in told.items() if (a, dose) == (attack, rate)}
        names = {OURS.get(method, method): method for method, _ in theirs}
        for method in dict.fromkeys([*(m for m, _ in ours), *names]):
            shares = [0 if method == "none" else share for share in given.shares]
            found = [ours.get((method, s)) for s in shares]
            found += [theirs.get((names.get(method, ""), s)) for s in shares]
            texts = ["–" if one is None else f"{one[0]:.1f} / {one[1]:.1f}" for one in found]
            known = names.get(method, method)
            both = method if known == method else f"{method} ({known})"
            lines.append(f"| {attack} | {rate:.0%} | {both} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu for a reduced form")
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=CELLS, metavar="ATTACK:RATE")
    parser.add_argument("--epochs", type=int, default=FULL.recipe.epochs)
    parser.add_argument("--images", type=int, default=FULL.images)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument(
        "--works", type=float, default=WORKS, help="undefended success from which on a cell counts"
    )
    parser.add_argument("--table", action="store_true", help="print what is in the file, measure nothing")
    return measuring(parser)


def main() -> None:
    """Measure, then print both tables."""
    given = _parser().parse_args()
    until = time.monotonic() + 60 * given.minutes
    folder = cache_folder(given.cache) / "repair-gpu"
    folder.mkdir(exist_ok=True)
    rows = Rows(folder / "cells.jsonl", given.works)
    enough = [share for share in given.shares if share * given.images >= _FEWEST]
    if enough != given.shares:
        print(f"shares of fewer than {_FEWEST} clean samples are left out: {given.images} pictures")
    given.shares = enough
    if not given.table:
        try:
            named_device(given.device)
        except UsageError as error:
            raise SystemExit(f"{error} Nothing was run; --device cpu runs a reduced form.") from error
        torch.backends.cudnn.benchmark = True
        for cell in cells(given, rows, folder, until):
            measure(cell, rows, given, until)
    mine = {_name(asked, given) for asked in given.cells}
    shown = [row for row in rows.of(given.budget) if row["cell"] in mine]
    print(table(shown, given.works), beside(shown, given), sep="\n\n")


if __name__ == "__main__":
    main()
