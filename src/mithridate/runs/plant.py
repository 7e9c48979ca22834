"""Plant poison in a copy of a data set: the only place where attacks meet data. Always leaves a ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mithridate.attacks.base import LabelAction, Order
from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.attacks.options import configure
from mithridate.attacks.plan import Plan, make_plan
from mithridate.core.batch import Batch, Source
from mithridate.core.errors import UsageError
from mithridate.sources.open import open_source
from mithridate.sources.write import write_copy

__all__ = ["plant"]

_BATCH = 1024


def plant(
    attack_id: str,
    src: Any,
    dst: str | Path,
    *,
    count: int,
    target: str | None = None,
    source_class: str | None = None,
    labels: LabelAction | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    ledger: str | Path | None = None,
    reading: Mapping[str, Any] | None = None,
    encode: tuple[str, int | None] | None = None,
) -> Ledger:
    """Write a poisoned copy of a data set, and the ledger of what was done.

    Memory holds one batch of samples, and the id and label of each.

    Args:
        attack_id: one of those that `mithridate drill list` names.
        src: the data set, as `audit` takes it; it is never written to.
        dst: file or folder of the copy, in the same format.
        count: victims.
        target: the class that the trigger shall lead to; drawn from the seed when None.
        source_class: the only class that victims are taken from.
        labels: "dirty", "clean" or "all-to-all"; None does what the attack's paper does.
        seed: what everything drawn comes from; same seed, same plant, in any order of rows.
        options: parameters of the attack.
        ledger: where the ledger goes; `ledger_path(dst)` when None.
        reading: how to read `src` (label, text, id, ...), as in `open_source`.
        encode: (format, quality) that every picture of a folder is encoded with after planting, so that no
            encoder trace tells the victims; None keeps files that are no victims as they are.

    Returns:
        The ledger, already written.

    Raises:
        UsageError: unknown attack or parameter, an attack that does not fit the data, too few samples that
            fit, or a ledger inside the copy.
    """
    attack = configure(attack_id, options)
    truth = ledger_path(dst) if ledger is None else Path(ledger)
    if truth.resolve().is_relative_to(Path(dst).resolve()):
        remedy = "Give a path beside it; an audit of the copy must not be able to read the truth."
        raise UsageError("a ledger outside the copy", str(truth), "ledger", remedy)
    source = open_source(src, **dict(reading or {}))
    ids, known = _survey(source)
    order = Order(count=count, target=target, source_class=source_class, labels=labels, seed=seed)
    plan = make_plan(
        attack,
        order,
        modality=source.modality,
        ids=ids,
        labels=known,
        fetch=lambda wanted: _samples(source.fetch(wanted)),
    )
    return _carry_out(plan, source, Path(dst), truth, len(ids), encode)


def _carry_out(
    plan: Plan, source: Source, dst: Path, truth: Path, total: int, encode: tuple[str, int | None] | None
) -> Ledger:
    def replace(id_: str, raw: Any) -> Any:
        new = plan.replace(id_, raw)
        if not isinstance(new, Mapping):
            return new
        # Only cells that differ: writing 5.50 again as 5.5 would tell the victims without their trigger.
        return {name: value for name, value in new.items() if value != raw[name]} or None

    outcome = write_copy(
        source, dst, relabel=plan.relabel, replace=None if plan.trigger is None else replace, encode=encode
    )
    renamed = outcome.get("renamed")
    written = plan.ledger(source=source.uri, source_digest=source.digest, total=total, renamed=renamed)
    truth.parent.mkdir(parents=True, exist_ok=True)
    written.save(truth)
    return written


def _survey(source: Source) -> tuple[list[str], list[str | None] | None]:
    """Ids and labels of all samples that can be read."""
    ids: list[str] = []
    labels: list[str | None] = []
    labelled = False
    for batch in source.batches(_BATCH):
        ids += batch.ids
        labelled |= batch.labels is not None
        labels += batch.labels if batch.labels is not None else [None] * len(batch)
    return ids, labels if labelled else None


def _samples(batch: Batch) -> Sequence[Any]:
    """The raw samples of a batch one by one: pictures, texts, or rows as {column: value}."""
    rows: Sequence[Any] = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
    return rows
