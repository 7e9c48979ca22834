"""How well a trace finds the samples that taught a wrong answer.

    python -m benchmarks.trace [--sets fashion mnist sms enron spamassassin adult collision honest honest-rows
                                       honest-texts] [--rates 0.005 0.01 0.05]
                               [--attacks BadNets ...] [--kind lenet] [--first 0] [--seeds 1] [--incidents 5]
                               [--out .benchmarks/trace.jsonl] [--table]

Pictures: a small network (`--kind` of the zoo) on 10,000 pictures; texts and tables: scikit-learn. An incident is a
hold-out sample with the trigger that the poisoned model gets wrong as the attack wants and the clean model does not;
attacks that succeed on less than half of the hold-out (flips: a quarter) are left out, and said. Honest mistakes: of
clean models, as they come. Finished runs are kept in the file. Rules were made on scikit-learn's digits, and on `lenet`
and `plain` of MNIST and Fashion-MNIST, SMS and Adult with seeds 0 to 2: other kinds of network, other sets and seeds
from 3 on are for testing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.networks import Recipe, fit_network, small_cnn
from benchmarks.pictures import PictureBench
from benchmarks.zoo_networks import Normalised, network
from mithridate.runs.drill.settings import chosen_attacks
from mithridate.runs.tracing.feeding import Feeding
from mithridate.runs.tracing.run import Asked, trace

__all__ = ["main"]

_SETS = {
    "fashion": (10_000, 4, 28),
    "mnist": (10_000, 4, 28),
    "gtsrb": (10_874, 12, 32),
    "cifar10": (15_000, 8, 32),
}
_ATTACKS = {
    "BadNets": "patch size=3",
    "Blended": "blend",
    "TaCT": "tact",
    "flips": "targeted-flip",
}
_SUCCESS, _FLIPPED = 0.5, 0.25


@dataclass(frozen=True, kw_only=True)
class Run:
    """One trace, or a cell that was left out.

    Attributes:
        cell: set, kind of network, attack, rate, seed.
        incidents: traced together; 0 says that the attack failed, and nothing was traced.
        recall: of the poison.
        precision: of the blamed; nan where none are.
        blamed: how many.
        seconds: of the trace.
        forward: seconds of one forward pass over the training set.
        success: of the attack.
    """

    cell: tuple[str, str, str, float, int]
    incidents: int
    recall: float
    precision: float
    blamed: int
    seconds: float
    forward: float
    success: float


@cache
def _bench(set_: str) -> PictureBench:
    return PictureBench(set_, Recipe(make=small_cnn, epochs=1), _SETS[set_][0])


def _trained(set_: str, kind: str, x: NDArray[Any], y: NDArray[Any], seed: int) -> torch.nn.Module:
    _, epochs, side = _SETS[set_]
    recipe = Recipe(make=network(kind, side), epochs=epochs, rate=0.1)
    net, mean, spread = fit_network(x, y, _bench(set_).classes, recipe, seed)
    return Normalised(net.to(memory_format=torch.contiguous_format), mean, spread).eval()


@cache
def _clean(set_: str, kind: str, seed: int = 0) -> torch.nn.Module:
    return _trained(set_, kind, *_bench(set_).train, seed)


@torch.no_grad()
def _said(net: torch.nn.Module, x: NDArray[np.uint8]) -> NDArray[np.intp]:
    whole = x[..., None] if x.ndim == 3 else x
    planes = torch.from_numpy(np.ascontiguousarray(whole.transpose(0, 3, 1, 2)))
    return np.concatenate([net(part.float() / 255).argmax(dim=1).numpy() for part in planes.split(500)])


def _needed(attack: str) -> float:
    """Success from which on an attack is traced: of flips the incident bears no trigger, and half is the most."""
    return _FLIPPED if attack in ("flips", "targeted-flip") else _SUCCESS


def _scored(
    cell: tuple[str, str, str, float, int], model: Any, data: Any, incidents: list[Any], guilty: set[str],
    forward: float, success: float, asked: Asked, **reading: Any,
) -> Run:  # fmt: skip
    start = time.perf_counter()
    report = trace(model, data, incidents, asked=asked, **reading)
    spent = time.perf_counter() - start
    blamed = {i for f in report.findings for i in f.accused}
    right = len(blamed & guilty)
    return Run(
        cell=cell,
        incidents=len(incidents),
        recall=right / max(len(guilty), 1),
        precision=right / len(blamed) if blamed else float("nan"),
        blamed=len(blamed),
        seconds=round(spent, 2),
        forward=round(forward, 2),
        success=round(success, 4),
    )


def pictures(cell: tuple[str, str, str, float, int], count: int) -> Iterator[Run]:
    """Plant, train, trace `count` incidents one by one, and the first three together."""
    set_, kind, name, rate, seed = cell
    bench, spec = _bench(set_), _ATTACKS[name]
    plan = bench.plan(chosen_attacks([spec], "image")[spec], round(rate * len(bench.train[1])), seed)
    x, y = bench.poisoned(plan)
    net, clean = _trained(set_, kind, x, y, seed), _clean(set_, kind)
    shown, _ = bench.triggered(plan, seed)
    target = int(plan.aim.target or 0)
    won = _said(net, shown) == target
    ok = np.flatnonzero(won & (_said(clean, shown) != target))
    guilty = set(plan.relabel)
    start = time.perf_counter()
    _said(net, x)
    forward = time.perf_counter() - start
    if won.mean() < _needed(name) or len(ok) < 3:
        yield Run(cell=cell, incidents=0, recall=0, precision=0, blamed=0, seconds=0, forward=forward,
                  success=float(won.mean()))  # fmt: skip
        return
    asked = Asked(how=Feeding(layout="chw"))
    for rows in [[k] for k in ok[:count]] + [ok[:3].tolist()]:
        yield _scored(
            cell,
            net,
            x,
            [shown[k] for k in rows],
            guilty,
            forward,
            float(won.mean()),
            asked,
            labels=y.astype(str),
        )


def honest(cell: tuple[str, str, str, float, int], count: int) -> Iterator[Run]:
    """Mistakes of a clean model, one by one; whoever is blamed is innocent."""
    set_, kind, _, _, seed = cell
    bench, net = _bench(set_), _clean(set_, kind, seed)
    x, y = bench.test
    wrong = np.flatnonzero(_said(net, x) != y)
    labels = bench.train[1].astype(str)
    asked = Asked(how=Feeding(layout="chw"))
    draw = np.random.default_rng(seed).permutation(wrong)[:count]
    for row in draw:
        yield _scored(cell, net, bench.train[0], [x[row]], set(), 0.0, 0.0, asked, labels=labels)


def honest_rows(cell: tuple[str, str, str, float, int], count: int) -> Iterator[Run]:
    """The same of texts and a table."""
    from benchmarks.trace_rows import mistaken

    case = mistaken(cell[0], cell[4])
    asked = Asked(how=Feeding(function=case.function))
    for incident in case.incidents[:count]:
        yield _scored(cell, case.model, case.data, [incident], set(), 0.0, 0.0, asked, **case.reading)


def collision(cell: tuple[str, str, str, float, int], count: int) -> Iterator[Run]:
    """Poison Frogs in transfer learning: features of a network trained on half of the classes, a new last layer.

    For each incident, pictures of one class are moved to where the features see it (Shafahi et al.,
    arXiv:1804.00792, algorithm 1), and only the last layer is trained, on classes that the features never saw.
    """
    from benchmarks.trace_collision import collided

    set_, kind, _, rate, seed = cell
    bench = _bench(set_)
    for number in range(count):
        case = collided(bench, lambda x, y: _trained(set_, kind, x, y, seed), rate, 100 * seed + number)
        if case is None:
            yield Run(
                cell=cell, incidents=0, recall=0, precision=0, blamed=0, seconds=0, forward=0, success=0
            )
            continue
        asked = Asked(how=Feeding(layout="chw"))
        yield _scored(
            cell, case.model, case.x, [case.incident], case.guilty, 0.0, 1.0, asked, labels=case.y.astype(str)
        )


def rows(cell: tuple[str, str, str, float, int], count: int) -> Iterator[Run]:
    """Texts (SMS, a trigger word) and a table (Adult, a trigger value)."""
    from benchmarks.trace_rows import planted

    case = planted(cell[0], cell[2], cell[3], cell[4])
    if case.success < _needed(cell[2]) or len(case.incidents) < 3:
        yield Run(cell=cell, incidents=0, recall=0, precision=0, blamed=0, seconds=0, forward=case.forward,
                  success=case.success)  # fmt: skip
        return
    asked = Asked(how=Feeding(function=case.function))
    for some in [[i] for i in case.incidents[:count]] + [case.incidents[:3]]:
        yield _scored(
            cell, case.model, case.data, some, case.guilty, case.forward, case.success, asked, **case.reading
        )


def cells(given: argparse.Namespace) -> Iterator[tuple[tuple[str, str, str, float, int], Callable[..., Any]]]:
    """What was asked for: one seed of everything first."""
    for seed in range(given.first, given.first + given.seeds):
        for set_ in given.sets:
            if set_ == "honest":
                for where in ("fashion", "mnist"):
                    yield (where, given.kind, "honest", 0.0, seed), honest
            elif set_ in ("honest-rows", "honest-texts"):
                for where in ("sms", "adult") if set_ == "honest-rows" else ("enron", "spamassassin"):
                    yield (where, "sklearn", "honest", 0.0, seed), honest_rows
            elif set_ == "collision":
                for where in ("fashion", "mnist"):
                    yield (where, given.kind, "collision", 0.03, seed), collision
            elif set_ in _SETS:
                for name in given.attacks or _ATTACKS:
                    for rate in given.rates:
                        yield (set_, given.kind, name, rate, seed), pictures
            else:
                rowed = ("value", "value-pair", "targeted-flip")
                names = rowed if set_ == "adult" else ("word", "targeted-flip")
                for name in names:
                    for rate in given.rates:
                        yield (set_, "sklearn", name, rate, seed), rows


def table(runs: list[Run]) -> str:
    """Markdown: one line for each set and attack, means over incidents that succeeded."""
    lines = [
        "| set | model | attack | rate | success % | incidents | recall % | precision % | of 3 together | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys(r.cell[:4] for r in runs):
        some = [r for r in runs if r.cell[:4] == key]
        one, three = [r for r in some if r.incidents == 1], [r for r in some if r.incidents > 1]
        if key[2] == "honest":
            found = [r.blamed for r in one]
            lines.append(
                f"| {key[0]} | {key[1]} | none: honest mistakes | – | – | {len(one)} | blamed in "
                f"{sum(b > 0 for b in found)}, {max(found, default=0)} at most | – | – | "
                f"{np.mean([r.seconds for r in one]):.1f} |"
            )
            continue
        hit = 100 * np.mean([r.success for r in some])
        if not one:
            lines.append(
                f"| {key[0]} | {key[1]} | {key[2]} | {key[3]:.1%} | {hit:.0f} | failed | – | – | – | – |"
            )
            continue
        right = [0.0 if np.isnan(r.precision) else r.precision for r in one]
        together = "–"
        if three:
            most = [0.0 if np.isnan(r.precision) else r.precision for r in three]
            together = f"{100 * np.mean([r.recall for r in three]):.1f} / {100 * np.mean(most):.1f}"
        lines.append(
            f"| {key[0]} | {key[1]} | {key[2]} | {key[3]:.1%} | {hit:.0f} | {len(one)} | "
            f"{100 * np.mean([r.recall for r in one]):.1f} | {100 * np.mean(right):.1f} | {together} | "
            f"{np.mean([r.seconds for r in one]):.1f} |"
        )
    return "\n".join(lines)


def _kept(file: Path) -> list[Run]:
    if not file.exists():
        return []
    plain = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [replace(Run(**entry), cell=tuple(entry["cell"])) for entry in plain]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sets",
        nargs="*",
        default=["fashion", "mnist", "sms", "adult", "collision", "honest", "honest-rows"],
    )
    parser.add_argument("--attacks", nargs="*", default=[], choices=list(_ATTACKS))
    parser.add_argument("--rates", nargs="*", type=float, default=[0.005, 0.01, 0.05])
    parser.add_argument("--kind", default="lenet", help="of network, see benchmarks.zoo_networks")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--incidents", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(".benchmarks/trace.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what is in the file, measure nothing")
    given = parser.parse_args()
    if given.table:
        print(table(_kept(given.out)))
        return
    torch.set_num_threads(1)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    finished = {run.cell for run in _kept(given.out)}
    for cell, measure in cells(given):
        if cell in finished:
            continue
        runs = list(measure(cell, given.incidents))
        with given.out.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(asdict(run)) + "\n" for run in runs)
        for run in runs:
            print(f"{run.cell} {run.incidents}: recall {run.recall:.3f}, precision {run.precision:.3f}, "
                  f"blamed {run.blamed}, {run.seconds} s, success {run.success:.2f}", flush=True)  # fmt: skip
    print(table(_kept(given.out)))


if __name__ == "__main__":
    main()
