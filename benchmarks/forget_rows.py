"""Exact removal of traced samples from linear models and trees: attack success, accuracy, time, verdict.

    python -m benchmarks.forget_rows [--sets sms adult] [--rates 0.01 0.05] [--seeds 2]

Models and poison are those of `benchmarks.trace_rows`: SMS with a trigger word and logistic regression, Adult with a
trigger value and boosted trees. Named are what a trace of one and of three incidents blames, all of the poison, and a
fifth of it. Success and accuracy are of the hold-out; verdicts know neither, nor the poison, and get no clean samples.
"Trained again" is the same estimator on the truly clean rest. Cells where the attack reaches less than half are left
out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone

from benchmarks.trace_rows import Case, planted
from mithridate.runs.forget.run import Asked, forget
from mithridate.runs.tracing.feeding import Feeding
from mithridate.runs.tracing.run import Asked as AskedTrace
from mithridate.runs.tracing.run import trace
from mithridate.sources.open import open_source

__all__ = ["main"]

_ATTACKS = {"sms": ("word",), "adult": ("value",)}
_WORKS, _FIFTH = 0.5, 0.2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One removal.

    Attributes:
        cell: set, attack, dose, seed.
        named: how, recall and precision.
        figures: success and accuracy: before, after, trained again on the truly clean rest.
        seconds: of the fit, of the whole.
        left: share of named samples that still get the label they taught; others by mistake.
        verdict: "no group" where a trace named nobody.
    """

    cell: str
    named: str
    figures: tuple[tuple[float, float], ...]
    seconds: tuple[float, float] = (0.0, 0.0)
    left: tuple[float, float] = (0.0, 0.0)
    verdict: str = "no group"


def rested(case: Case) -> Any:
    """The same estimator on what is truly clean."""
    source = open_source(case.data, **case.reading)
    rows = [k for k, i in enumerate(source.iter_ids()) if i not in case.guilty]
    some = [case.data[k] for k in rows] if isinstance(case.data, list) else case.data.take(rows).to_pylist()
    x = some if case.function is None else case.function(some)
    return clone(case.model).fit(x, [case.reading["labels"][k] for k in rows])


def named(case: Case, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Four ways of naming samples."""
    for count in (1, 3):
        asked = AskedTrace(how=Feeding(function=case.function))
        report = trace(case.model, case.data, case.incidents[:count], asked=asked, **case.reading)
        yield f"trace of {count}", list(dict.fromkeys(i for f in report.findings for i in f.accused))
    guilty = sorted(case.guilty)
    yield "all", guilty
    some = np.random.default_rng(seed).permutation(guilty)[: max(2, round(_FIFTH * len(guilty)))]
    yield "a fifth", some.tolist()


def judged(cell: str, case: Case, seed: int) -> Iterator[Row]:
    """Remove what is named in each way."""
    before, reference = case.figures(case.model), case.figures(rested(case))
    for how, ids in named(case, seed):
        hits = len(case.guilty.intersection(ids))
        name = f"{how} ({100 * hits / len(case.guilty):.0f}, {100 * hits / max(1, len(ids)):.0f})"
        if not ids:
            yield Row(cell=cell, named=how, figures=(before, before, reference))
            continue
        asked = Asked(how=Feeding(function=case.function), incidents=tuple(case.incidents[:3]), seed=seed)
        started = perf_counter()
        done = forget(case.model, case.data, ids, asked=asked, **case.reading)
        details = done.report.findings[0].details
        yield Row(
            cell=cell, named=name, figures=(before, case.figures(done.model), reference),
            seconds=(details["costs"]["retraining"]["seconds"], perf_counter() - started),
            left=(details["named"][1], min(details["usual"])), verdict=str(done.report.verdict),
        )  # fmt: skip


def line(row: Row) -> str:
    """Of the table."""
    (was, right), (now, kept), (again, best) = ([100 * v for v in pair] for pair in row.figures)
    fit, whole = row.seconds
    left, usual = (100 * v for v in row.left)
    return (
        f"| {row.cell} | {row.named} | {was:.1f} → {now:.1f} | {right:.1f} → {kept:.1f} | {again:.1f}, {best:.1f} | "
        f"{left:.1f}, {usual:.1f} | {fit:.1f}, {whole:.1f} | {row.verdict} |"
    )


def main() -> None:
    """Print a table, line by line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(_ATTACKS), choices=list(_ATTACKS))
    parser.add_argument("--rates", nargs="*", type=float, default=[0.01, 0.05])
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    columns = "set, attack, dose, seed | named (recall, precision) | success | accuracy | trained again"
    print(f"| {columns} | named samples, others with the label now | seconds: fit, whole | verdict |")
    print("|---" * 8 + "|")
    for set_ in given.sets:
        for attack in _ATTACKS[set_]:
            for rate in given.rates:
                for seed in range(given.seeds):
                    cell, case = (
                        f"{set_}, {attack}, {100 * rate:g} %, {seed}",
                        planted(set_, attack, rate, seed),
                    )
                    if case.success < _WORKS or len(case.incidents) < 3:
                        print(f"| {cell} | success {100 * case.success:.0f}: left out" + " |" * 7, flush=True)
                        continue
                    for row in judged(cell, case, seed):
                        print(line(row), flush=True)


if __name__ == "__main__":
    main()
