"""Forgetting of traced samples beside training again on the rest: attack success, accuracy, cost, verdict.

    python -m benchmarks.forget [--set cifar10] [--seeds 1] [--rates 0.1 0.01] [--attacks BadNets ...] [--table]

Models are those of `benchmarks.repair`, trained once and kept in the cache, as are the reference ones that were trained
without the poison; what forgetting did is kept in repair/forget.jsonl, so that a run can be cut off. Named are what a
trace of three incidents blames ("traced"), all of the poison, and a fifth of it. Cost is in passes of one sample,
relative to the training's; verdicts know neither poison nor trigger, and measure accuracy on clean samples (1 %).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.inputs import cache_folder
from benchmarks.networks import Recipe, fit_network, small_cnn
from benchmarks.repair import WORKS, Cell, answers, models, options, pictures
from benchmarks.untrained import blank
from benchmarks.zoo_networks import Normalised
from mithridate.runs.forget.run import Asked, forget
from mithridate.runs.tracing.feeding import Feeding
from mithridate.runs.tracing.run import Asked as AskedTrace
from mithridate.runs.tracing.run import trace
from mithridate.sources.open import open_source

__all__ = ["main"]

_CHW = Feeding(layout="chw")
_INCIDENTS, _FIFTH = 3, 0.2


def _retrained(cell: Cell, x: Any, y: Any, rest: Any, epochs: int, file: Path) -> Any:
    """Trained on the rest, with the same recipe and seed."""
    channels = 3 if x.ndim == 4 else 1
    if not file.exists():
        recipe = Recipe(make=small_cnn, epochs=epochs)
        net, mean, spread = fit_network(x[rest], y[rest], cell.bench.classes, recipe, cell.seed)
        whole = Normalised(net.to(memory_format=torch.contiguous_format), mean, spread)
        torch.save(whole.state_dict(), file)
    module = blank(channels, cell.bench.classes)
    module.load_state_dict(torch.load(file, weights_only=True))
    return module.eval()


def _incidents(cell: Cell, honest: Any) -> list[Any]:
    """Triggered pictures that the poisoned model alone takes for the target."""
    shown, _ = cell.bench.triggered(cell.plan, cell.seed, cell.bench.halves[0])
    target = int(cell.plan.aim.target or 0)
    won = (answers(cell.module, shown) == target) & (answers(honest, shown) != target)
    return [shown[k] for k in np.flatnonzero(won)[:_INCIDENTS]]


def _named(cell: Cell, x: Any, y: Any, poison: Any, incidents: list[Any]) -> Iterator[tuple[str, list[str]]]:
    if incidents:
        report = trace(cell.module, x, incidents, asked=AskedTrace(how=_CHW), labels=y.astype(str))
        yield "traced", [i for f in report.findings for i in f.accused]
    yield "all", [str(i) for i in poison]
    some = np.random.default_rng(cell.seed).permutation(poison)[: max(2, round(_FIFTH * len(poison)))]
    yield "a fifth", [str(i) for i in some]


def judged(cell: Cell, epochs: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Forget in each of three ways."""
    x, y = cell.bench.poisoned(cell.plan)
    poison = np.array(sorted(int(i) for i in cell.plan.relabel or cell.plan.victims))  # covers are right
    rest = np.setdiff1d(np.arange(len(y)), poison)
    again = _retrained(cell, x, y, rest, epochs, folder / f"{cell.name}-rest.pt")
    before, reference = cell.figures(cell.module), cell.figures(again)
    incidents = _incidents(cell, again)
    few, theirs = cell.clean(0.01)
    clean = pictures(few), theirs.numpy()
    for how, ids in _named(cell, x, y, poison, incidents):
        right = len(set(map(int, ids)) & set(poison.tolist()))
        row: dict[str, Any] = {
            "cell": cell.name, "named": how, "count": len(ids), "recall": right / len(poison),
            "precision": right / len(ids) if ids else None, "before": before, "reference": reference,
        }  # fmt: skip
        if ids:
            asked = Asked(
                how=_CHW, incidents=tuple(incidents), trained=cell.passes, seed=cell.seed,
                clean=open_source(clean[0], labels=clean[1].astype(str)),
            )  # fmt: skip
            done = forget(cell.module, x, ids, asked=asked, labels=y.astype(str))
            details = next(iter(done.report.findings)).details
            row |= {
                "verdict": str(done.report.verdict), "after": cell.figures(done.model),
                "cost": details["of_training"], "left": details["named"][1],
            }  # fmt: skip
        yield row


def table(rows: list[dict[str, Any]]) -> str:
    """One line a cell and way of naming."""
    lines = [
        "| model | named (recall, precision) | success | accuracy | trained again | cost | verdict |",
        "|---" * 7 + "|",
    ]
    for r in rows:
        precision = "–" if r["precision"] is None else f"{100 * r['precision']:.0f}"
        name = f"{r['named']} ({100 * r['recall']:.0f}, {precision})"
        if "after" not in r:
            lines.append(f"| {r['cell']} | {name} | {100 * r['before'][0]:.1f} | | | | nothing to forget |")
            continue
        success, right = ([100 * r[when][k] for when in ("before", "after")] for k in (0, 1))
        lines.append(
            f"| {r['cell']} | {name} | {success[0]:.1f} → {success[1]:.1f} | {right[0]:.1f} → {right[1]:.1f} | "
            f"{100 * r['reference'][0]:.1f}, {100 * r['reference'][1]:.1f} | {100 * r['cost']:.0f} % | {r['verdict']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, print the table."""
    given = options(__doc__, ("BadNets", "Blended", "TaCT")).parse_args()
    torch.set_num_threads(1)
    folder = cache_folder(given.cache) / "repair"
    folder.mkdir(exist_ok=True)
    file = folder / "forget.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    for cell in () if given.table else models(given, folder):
        if any(r["cell"] == cell.name for r in rows) or cell.figures(cell.module)[0] < WORKS:
            continue
        for row in judged(cell, given.epochs, folder):
            rows.append(row)
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
