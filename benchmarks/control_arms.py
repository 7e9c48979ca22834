"""The control arms on SMS: a check that is of no use must not beat the random filter, nor anything the perfect one.

    python -m benchmarks.control_arms [--seeds 5] [--share 0.1]

A rare word in 1 % of the messages. Beside the audit, a check that accuses a share of the messages by the hash of
their id stands in for a useless one. Every filter is judged by a model trained on what it leaves.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.inputs import build
from benchmarks.strength import percent
from mithridate.attacks.base import Order
from mithridate.attacks.options import configure
from mithridate.core.drill import Arm, Cell
from mithridate.core.hashing import keyed_hash
from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity
from mithridate.runs.audit import audit
from mithridate.runs.drill.cell import Outcome
from mithridate.runs.drill.training import Training, hold_out
from mithridate.runs.plant import carry_out, plan_for
from mithridate.sources.open import open_source
from mithridate.sources.write import write_copy

__all__ = ["Row", "rows"]

_READING = {"text": "text", "label": "label"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One arm of one seed.

    Attributes:
        name: of the filter.
        arm: what training said.
    """

    name: str
    arm: Arm


def useless(report: Report, ids: list[str], share: float, seed: int) -> Report:
    """The report of a check that knows nothing: it accuses a share of the samples by hash."""
    order = np.argsort(keyed_hash(ids, seed, "useless check"), kind="stable")[: round(share * len(ids))]
    accused = tuple(ids[k] for k in order)
    finding = Finding(
        check="useless",
        severity=Severity.LIKELY,
        message="accuses by hash",
        targets=accused,
        scores=(1.0,) * len(accused),
        count=len(accused),
    )
    return replace(report, results=(finding,))


def rows(data: Path, train: str, seed: int, share: float) -> Iterator[Row]:
    """Plant, audit, and train behind the audit, behind the useless check, and behind their control arms."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        whole = open_source(data, **_READING)
        held = hold_out(whole)
        write_copy(whole, folder / "base.csv", drop=held.ids)
        base, copy = open_source(folder / "base.csv", **_READING), folder / "copy.csv"
        count = sum(1 for _ in base.iter_ids()) // 100
        plan = plan_for(configure("word"), Order(count=count, seed=seed, target="ham"), base)
        ledger = carry_out(plan, base, copy, folder / "truth.json")
        training = Training(
            function=train, limit_s=600.0, held=held, reading=_READING, work=folder / "training"
        )
        (folder / "training").mkdir()
        yield Row(name="never poisoned", arm=training.never_poisoned(base, seed))
        report = audit(open_source(copy, **_READING), seed=seed)
        ids = list(open_source(copy, **_READING).iter_ids())
        for what, told in (("the audit", report), ("the useless check", useless(report, ids, share, seed))):
            cell = Cell(attack="word", dose=count, seed=seed)
            outcome = Outcome(cell=cell, plan=plan, ledger=ledger, report=told, copy=copy)
            for arm in training.arms(outcome, seed):
                called = {"cleaned": what, "random filter": f"random filter of the size of {what}"}
                yield Row(name=called.get(arm.name, arm.name), arm=arm)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.1)
    given = parser.parse_args()
    arms: dict[str, dict[int, Arm]] = {}
    for seed in range(given.seeds):
        for row in rows(build("sms.csv"), "benchmarks.training:fit_texts", seed, given.share):
            if row.arm.problem:
                raise SystemExit(f"{row.name}: {row.arm.problem}")
            arms.setdefault(row.name, {})[seed] = row.arm
    print(
        "| filter | removed | clean accuracy % | attack success % | robust accuracy % |\n|---|---|---|---|---|"
    )
    for name, by_seed in arms.items():
        found = list(by_seed.values())
        figures = [
            percent([np.nan if (v := getattr(arm, what)) is None else v for arm in found])
            for what in ("clean_accuracy", "attack_success", "robust_accuracy")
        ]
        print(f"| {name} | {np.mean([arm.removed for arm in found]):.0f} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
