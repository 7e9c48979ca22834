"""`drill`: attack by dose by seed, each planted in a copy, audited by a process that knows of no ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from mithridate.attacks.base import Attack
from mithridate.core.batch import BadItem, Source
from mithridate.core.drill import Arm, Cell, Drill, Twin, cell_of
from mithridate.core.drill_defaults import DRILL_DEFAULTS
from mithridate.core.errors import ReportError, UsageError
from mithridate.core.report import Subject
from mithridate.report.files import write_bytes
from mithridate.runs.clean import refuse_inside
from mithridate.runs.drill.auditors import Auditors
from mithridate.runs.drill.before import refuse_other
from mithridate.runs.drill.cell import Place, audited_twin, named_like, run_cell
from mithridate.runs.drill.settings import card_of, chosen_attacks
from mithridate.runs.drill.telling import Telling
from mithridate.runs.drill.training import Training, hold_out, refuse_unusable
from mithridate.sources.base import RowSource

__all__ = ["drill"]

Progress = Callable[[str, int, int | None], None]


def drill(
    data: str | Path,
    out: str | Path,
    *,
    attacks: Sequence[str] = (),
    doses: Sequence[int] = DRILL_DEFAULTS["doses"],
    seeds: int | Sequence[int] = DRILL_DEFAULTS["seeds"],
    train: str | None = None,
    train_limit_s: float = DRILL_DEFAULTS["train_limit_s"],
    audit_limit_s: float = DRILL_DEFAULTS["audit_limit_s"],
    jobs: int | None = None,
    reading: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Drill:
    """Plant every attack at every dose with every seed in a copy of the data, and audit the copies.

    Finished cells are kept in `out`: the same drill, started again, goes on where it was interrupted, and one with
    more attacks, doses or seeds adds to it. Cells that failed, or whose training did, are tried again.

    Args:
        data: path of a data set, as `audit` takes it; never written to.
        out: folder for ledgers, finished cells and, while it works, copies.
        attacks: each "ID" or "ID NAME=VALUE ..."; none means all that are made for this kind of data.
        doses: victims.
        seeds: how many, or which.
        train: "package.module:name" of `fit(x, y, seed) -> predict` with `predict(x) -> (n, classes)`
            probabilities; x is an array (n, h, w, c), a list of paths, a list of texts or a DataFrame, y the index
            of the label among all labels, sorted.
        train_limit_s: most seconds for training and predicting once.
        audit_limit_s: most seconds for one audit.
        jobs: threads, shared by up to four audits at once, one with `train`; all processors when None.
        reading: how to read the data (label, text, id, ...), as in `open_source`.
        force: work in `out` although it holds a drill that this one does not add to.
        progress: told (what is being done, audits done, audits in all), by one thread at a time.

    Raises:
        UsageError: data that cannot be used as asked, an unknown attack, another drill or the data in `out`.
        AuditError: the data itself cannot be audited.
    """
    from mithridate.sources.open import open_source

    named = dict(reading or {})
    source = open_source(data, **named)
    where = Path(out)
    refuse_inside(source.uri, where)
    told = _Orders(
        attacks=chosen_attacks(attacks, source.modality),
        doses=_ascending(doses),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(dict.fromkeys(seeds)),
    )
    if not force:
        refuse_other(where, source, attacks=told.attacks, doses=told.doses, seeds=told.seeds, train=train)
    if train is not None:
        refuse_unusable(train)
    subject, notes = _survey(source, trained=train is not None)
    with (
        _workshop(where) as work,
        Auditors(work, jobs=jobs, limit_s=audit_limit_s, alone=train is not None) as auditors,
    ):
        run = _Run(
            source=source, reading=named, out=where, work=work, auditors=auditors,
            train=train, telling=Telling(progress), planting=Lock(),
        )  # fmt: skip
        with run.base(train_limit_s) as (base, training):
            done = list(auditors.side_by_side(run.tasks(told, base, training)))
    return Drill(
        subject=subject,
        notes=notes,
        attacks={name: card_of(attack) for name, attack in told.attacks.items()},
        doses=told.doses,
        seeds=told.seeds,
        cells=tuple(found for found in done if isinstance(found, Cell)),
        twins=tuple(found for found in done if isinstance(found, Twin)),
        training=train,
        settings={
            "out": str(out), "attacks": list(attacks), "reading": named, "train_limit_s": train_limit_s,
            "audit_limit_s": audit_limit_s,
        },
    )  # fmt: skip


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """Make the folders of a drill; yields one that is empty, and goes with all that is left in it.

    Raises:
        ReportError: there is no place for them.
    """
    try:
        for part in ("cells", "truth"):
            (out / part).mkdir(parents=True, exist_ok=True)
        work = TemporaryDirectory(prefix="work-", dir=out)
    except OSError as error:
        got = error.strerror or str(error)
        raise ReportError("a place to write to", got, str(out), "Give another one, or make room.") from error
    with work as folder:
        yield Path(folder).resolve()


@dataclass(frozen=True, kw_only=True)
class _Orders:
    attacks: Mapping[str, Attack]
    doses: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What all cells share."""

    source: RowSource
    reading: Mapping[str, Any]
    out: Path
    work: Path
    auditors: Auditors
    train: str | None
    telling: Telling
    planting: AbstractContextManager[object]

    @contextmanager
    def base(self, limit_s: float) -> Iterator[tuple[RowSource, Training | None]]:
        """What is poisoned: all data, or without training's hold-out."""
        from mithridate.sources.open import open_source
        from mithridate.sources.write import write_copy

        if self.train is None:
            yield self.source, None
            return
        with TemporaryDirectory(prefix="training-", dir=self.work) as folder:
            held = hold_out(self.source)
            copy = Path(folder) / "base" / named_like(self.source)
            write_copy(self.source, copy, drop=held.ids)
            training = Training(
                function=self.train,
                limit_s=limit_s,
                held=held,
                reading=self.reading,
                work=Path(folder).resolve(),
            )
            yield open_source(copy, **self.reading), training

    def tasks(
        self, orders: _Orders, base: RowSource, training: Training | None
    ) -> list[Callable[[], Twin | Cell]]:
        """All there is to do, in order: the data as they are, once for each seed, then the cells."""
        return self.telling.counted(
            [
                *(partial(self._twin, seed, base, training) for seed in orders.seeds),
                *(
                    partial(self._cell, name, attack, dose, seed, base, training)
                    for name, attack in orders.attacks.items()
                    for dose in orders.doses
                    for seed in orders.seeds
                ),
            ]
        )

    def _twin(self, seed: int, base: RowSource, training: Training | None) -> Twin:
        twin = self._audited(seed, base)
        return twin if training is None else replace(twin, arm=self._never_poisoned(seed, base, training))

    def _audited(self, seed: int, base: RowSource) -> Twin:
        kept = self._kept(f"twin-{seed}", base, ["twin", seed])
        found = kept.read()
        if found is not None:
            return Twin(**found)
        with self._place(f"twin-{seed}") as place:
            told = self.telling.about(f"as it is, seed {seed}")
            twin = audited_twin(base.uri, self.reading, seed, place, self.auditors, told)
        kept.write(asdict(twin))
        return twin

    def _never_poisoned(self, seed: int, base: RowSource, training: Training) -> Arm:
        kept = self._kept(f"never-poisoned-{seed}", base, ["never poisoned", seed, self.train])
        found = kept.read()
        if found is not None and not found["problem"]:
            return Arm(**found)
        self.telling.about(f"as it is, seed {seed}")("training", 0, None)
        arm = training.never_poisoned(base, seed)
        kept.write(asdict(arm))
        return arm

    def _cell(
        self, name: str, attack: Attack, dose: int, seed: int, base: RowSource, training: Training | None
    ) -> Cell:
        label = f"{_slug(name)}-{dose}-{seed}"
        kept = self._kept(label, base, [name, dose, seed, self.train])
        found = kept.read()
        # What failed is tried again: its cause, such as the training function, may have been mended since.
        if found is not None and not _went_wrong(before := cell_of(found)):
            return before
        told = self.telling.about(f"{name}, dose {dose}, seed {seed}")
        with self._place(label) as place:
            outcome = run_cell(attack, dose, seed, base, self.reading, place, self.auditors, told)
            cell = replace(outcome.cell, attack=name)
            if training is not None and cell.state == "done":
                told("training", 0, None)
                cell = replace(cell, arms=training.arms(outcome, seed))
        kept.write(asdict(cell))
        return cell

    @contextmanager
    def _place(self, label: str) -> Iterator[Place]:
        with TemporaryDirectory(prefix="copy-", dir=self.work) as folder:
            truth = self.out / "truth" / f"{label}.ledger.json"
            yield Place(copies=Path(folder).resolve(), truth=truth, turn=self.planting)

    def _kept(self, label: str, base: Source, told: Sequence[Any]) -> _Kept:
        from mithridate import __version__

        words = json.dumps([base.digest, dict(self.reading), __version__, *told], default=str)
        key = blake2b(words.encode(), digest_size=16).hexdigest()
        return _Kept(path=self.out / "cells" / f"{label}.json", key=key)


@dataclass(frozen=True)
class _Kept:
    """A finished cell in a file; one of other data, settings or version counts for nothing."""

    path: Path
    key: str

    def read(self) -> dict[str, Any] | None:
        try:
            told = json.loads(self.path.read_text(encoding="ascii"))
            found: dict[str, Any] = told["found"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if told.get("key") == self.key else None

    def write(self, found: Mapping[str, Any]) -> None:
        write_bytes(self.path, json.dumps({"key": self.key, "found": found}).encode("ascii"))


def _went_wrong(cell: Cell) -> bool:
    return cell.state == "failed" or any(arm.problem for arm in cell.arms)


def _ascending(doses: Sequence[int]) -> tuple[int, ...]:
    if not doses or min(doses) < 1:
        raise UsageError("doses of 1 or more", str(list(doses)), "doses", "Write e.g. 10,25,100,500.")
    return tuple(sorted(set(doses)))


def _slug(name: str) -> str:
    """A name as part of a file name; different names differ."""
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return plain if plain == name else f"{plain[:40]}-{blake2b(name.encode(), digest_size=4).hexdigest()}"


def _survey(source: RowSource, trained: bool) -> tuple[Subject, tuple[str, ...]]:
    """What is in the data, and what a person should know about how it was read.

    Args:
        source: the data.
        trained: whether a model is trained on it.

    Raises:
        UsageError: fewer than two labels, where something needs them.
    """
    counts: dict[str, int] = {}
    total, bad = 0, list[BadItem]()
    for batch in source.batches(1024):
        total += len(batch)
        bad += batch.bad
        for label in batch.labels or ():
            if label is not None:
                counts[label] = counts.get(label, 0) + 1
    subject = Subject(
        uri=source.uri,
        digest=source.digest,
        modality=source.modality,
        count=total,
        classes=dict(sorted(counts.items())),
        options=source.options,
    )
    if len(counts) < 2 and (source.modality != "chat" or trained):  # nobody labels conversations
        got = f"{len(counts)} label(s): {', '.join(counts) or 'none'}"
        remedy = "Say where the labels are: --label (label), or one folder per class."
        raise UsageError("data with two or more labels", got, source.uri, remedy)
    skipped = (
        f"{len(bad):,} items could not be read and were left out, e.g. {bad[0].id}: {bad[0].reason}"
        if bad
        else ""
    )
    return subject, (*source.notes, *([skipped] if skipped else []))
