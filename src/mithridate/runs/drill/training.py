"""What poison does to a model: trained on the copy as it is, cleaned, thinned at random, and without all poison."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import stream
from mithridate.attacks.plan import Plan
from mithridate.core.batch import Source
from mithridate.core.drill import NEVER_POISONED, Arm
from mithridate.core.errors import MithridateError, UsageError
from mithridate.core.hashing import keyed_hash
from mithridate.runs.drill.bundle import write_samples
from mithridate.runs.drill.cell import Outcome
from mithridate.sources.folder import MediaFiles

__all__ = [
    "ARMS",
    "HoldOut",
    "Test",
    "Training",
    "drawn_at_random",
    "hold_out",
    "measured",
    "refuse_unusable",
]

ARMS = ("undefended", "cleaned", "random filter", "perfect filter")
_SHARE, _MOST = 0.2, 5000


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """Samples that no training sees.

    Attributes:
        ids: in the data.
        raws: the samples.
        labels: their true labels.
    """

    ids: tuple[str, ...]
    raws: tuple[Any, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Test:
    """Samples to predict, and their true labels."""

    raws: Sequence[Any]
    labels: Sequence[str]


def hold_out(source: Source, seed: int = 0) -> HoldOut:
    """Set aside a fifth of the labelled samples, at most 5,000, by hash of the id."""
    labelled = [
        (i, label)
        for batch in source.batches(1024)
        for i, label in zip(batch.ids, batch.labels or (), strict=bool(batch.labels))
        if label is not None
    ]
    count = min(_MOST, int(len(labelled) * _SHARE))
    order = np.argsort(keyed_hash([i for i, _ in labelled], seed, "hold-out"), kind="stable")[:count]
    chosen = [labelled[k] for k in sorted(order)]
    ids = tuple(i for i, _ in chosen)
    batch = source.fetch(ids)
    raws = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
    return HoldOut(ids=ids, raws=tuple(raws), labels=tuple(label for _, label in chosen))


def drawn_at_random(ids: Sequence[str], count: int, seed: int) -> frozenset[str]:
    """As many of the ids as a filter would drop, at random."""
    pool = sorted(ids)
    order = np.argsort(keyed_hash(pool, seed, "random filter"), kind="stable")[:count]
    return frozenset(pool[k] for k in order)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Trains the arms of cells.

    Attributes:
        function: "package.module:name" of `fit(x, y, seed) -> predict`.
        limit_s: most seconds for training and predicting once.
        held: out of all training.
        reading: how to read copies.
        work: folder for files on the way.
    """

    function: str
    limit_s: float
    held: HoldOut
    reading: Mapping[str, Any]
    work: Path

    def arms(self, outcome: Outcome, seed: int) -> tuple[Arm, ...]:
        """All arms of one cell; what goes wrong in one is told in it and costs the others nothing."""
        from mithridate.sources.open import open_source

        assert outcome.copy is not None
        assert outcome.plan is not None
        assert outcome.ledger is not None
        assert outcome.report is not None
        source = open_source(outcome.copy, **self.reading)
        accused = {target for finding in outcome.report.alarms for target in finding.accused}
        everybody = list(source.iter_ids())
        dropped: dict[str, Collection[str]] = {
            "undefended": frozenset(),
            "cleaned": accused,
            "random filter": drawn_at_random(everybody, len(accused), seed),
            "perfect filter": outcome.ledger.touched,
        }
        tests = _tests(outcome.plan, self.held, seed)
        return tuple(self._arm(name, source, dropped[name], outcome.plan, tests, seed) for name in ARMS)

    def never_poisoned(self, source: Source, seed: int) -> Arm:
        """The model trained on the data as it is, to see what accuracy is lost to the poison and to filters."""
        tests = {"clean": Test(raws=self.held.raws, labels=self.held.labels)}
        return self._arm(NEVER_POISONED, source, frozenset(), None, tests, seed)

    def _arm(
        self,
        name: str,
        source: Source,
        drop: Collection[str],
        plan: Plan | None,
        tests: Mapping[str, Test],
        seed: int,
    ) -> Arm:
        started = time.monotonic()
        folder = self.work / "training"
        shutil.rmtree(folder, ignore_errors=True)
        arm = Arm(name=name, removed=len(drop))
        try:
            classes = self._write(folder, source, drop, tests, seed)
            problem = _in_child(
                folder, limit_s=self.limit_s, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if not problem:
                said = {n: np.load(folder / f"{n}.npy", allow_pickle=False).argmax(axis=1) for n in tests}
                predicted = {n: [classes[k] for k in p] for n, p in said.items()}
                arm = replace(arm, clean_accuracy=_accuracy(tests["clean"], predicted["clean"]))
                arm = arm if plan is None else measured(arm, plan, tests, predicted)
        except (MithridateError, OSError, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return replace(arm, problem=problem, seconds=round(time.monotonic() - started, 2))

    def _write(
        self, folder: Path, source: Source, drop: Collection[str], tests: Mapping[str, Test], seed: int
    ) -> list[str]:
        """Write the task; returns the classes in the order of the columns that predict gives."""
        paths = (
            isinstance(source, MediaFiles)
            and Path(source.uri).is_dir()
            and source.modality in ("image", "audio")
        )
        raws, labels = _kept(source, drop, paths)
        classes = sorted({*labels, *self.held.labels})
        write_samples(raws, source.modality, paths, folder / "train")
        np.save(folder / "labels.npy", np.searchsorted(classes, labels).astype(np.int64), allow_pickle=False)
        for name, test in tests.items():
            write_samples(test.raws, source.modality, paths, folder / name)
        counts = {name: len(test.raws) for name, test in tests.items()}
        task = {
            "function": self.function, "seed": seed, "classes": len(classes), "predict": list(tests), "counts": counts,
        }  # fmt: skip
        (folder / "task.json").write_text(json.dumps(task))
        return classes


def refuse_unusable(train: str) -> None:
    """Refuse a training function that is not there, before the work.

    It is looked for where it will run: in a child, so that what its module prints or changes when it is imported
    touches neither our stdout nor this process.

    Raises:
        UsageError: there is none, or its module cannot be imported.
    """
    with tempfile.TemporaryDirectory(prefix="mithridate-") as folder:
        (Path(folder) / "task.json").write_text(json.dumps({"function": train}))
        problem = _in_child(Path(folder), limit_s=None, stdout=2, stderr=None)
    if problem:
        got, remedy = f"{train!r} ({problem})", "Is its folder the current one?"
        raise UsageError("a function MODULE:NAME", got, "train", remedy)


def _in_child(folder: Path, *, limit_s: float | None, stdout: int, stderr: int | None) -> str:
    """Carry out the task in the folder; what went wrong, or nothing."""
    command = [sys.executable, "-m", "mithridate.runs.drill.trainer", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - this package, this interpreter
            command, timeout=limit_s, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=False
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {limit_s:g} s"
    told = folder / "problem.txt"
    if told.exists():
        return told.read_text(encoding="utf-8")
    if done.returncode:
        return f"ended with status {done.returncode}"
    return "" if (folder / "done").exists() else "ended the interpreter before it was done"


def _tests(plan: Plan, held: HoldOut, seed: int) -> dict[str, Test]:
    """Hold-out samples as they are, and with the trigger that the attack uses at test time."""
    tests = {"clean": Test(raws=held.raws, labels=held.labels)}
    bears: NDArray[np.bool_] = plan.bears(held.raws, held.labels)
    if plan.trigger is not None:
        trigger = plan.attack.at_test(plan.trigger)
        raws = [
            trigger.apply(raw, stream(seed, "at test", i)) for i, raw in zip(held.ids, held.raws, strict=True)
        ]
        tests["triggered"] = Test(raws=raws, labels=held.labels)
    elif bears.any():
        rows = np.flatnonzero(bears)
        tests["triggered"] = Test(raws=[held.raws[k] for k in rows], labels=[held.labels[k] for k in rows])
    return tests


def measured(arm: Arm, plan: Plan, tests: Mapping[str, Test], predicted: Mapping[str, Sequence[str]]) -> Arm:
    """The arm with attack success and robust accuracy, from predictions.

    Args:
        arm: without them.
        plan: of the attack.
        tests: "clean", and "triggered" where there is a trigger; without one, success is counted on "clean".
        predicted: labels for each of them.
    """
    name = "triggered" if "triggered" in tests else "clean"
    true, said = tests[name].labels, predicted[name]
    wanted = [plan.attack.succeeds(y, p, plan.aim) for y, p in zip(true, said, strict=True)]
    counted = [k for k, hit in enumerate(wanted) if hit is not None]
    return replace(
        arm,
        attack_success=_share([bool(wanted[k]) for k in counted]),
        robust_accuracy=_share([true[k] == said[k] for k in counted]),
    )


def _accuracy(test: Test, predicted: Sequence[str]) -> float | None:
    return _share([true == said for true, said in zip(test.labels, predicted, strict=True)])


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _kept(source: Source, drop: Collection[str], paths: bool) -> tuple[list[Any], list[str]]:
    """Labelled samples that are not dropped; images of a folder as paths."""
    raws: list[Any] = []
    labels: list[str] = []
    for batch in source.batches(1024):
        rows = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
        for i, raw, label in zip(batch.ids, rows, batch.labels or (), strict=True):
            if label is not None and i not in drop:
                raws.append(Path(source.uri) / i if paths else raw)
                labels.append(label)
    return raws, labels
