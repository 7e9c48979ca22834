"""Plant poison in a copy of a data set: the only place where attacks meet data. Always leaves a ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mithridate.attacks.base import Attack, LabelAction, Order
from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.attacks.options import configure
from mithridate.attacks.plan import Plan, make_plan
from mithridate.core.batch import Batch, Source
from mithridate.core.errors import UsageError
from mithridate.sources.open import open_source
from mithridate.sources.write import write_copy

__all__ = ["carry_out", "plan_for", "plant"]

_BATCH = 1024


def plant(
    attack_id: str,
    src: Any,
    dst: str | Path,
    *,
    count: int,
    target: str | None = None,
    source_class: str | None = None,
    source_name: str | None = None,
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
        source_name: the only source that victims are taken from.
        labels: "dirty", "clean" or "all-to-all"; None does what the attack's paper does.
        seed: what everything drawn comes from; same seed, same plant, in any order of rows.
        options: parameters of the attack.
        ledger: where the ledger goes; `ledger_path(dst)` when None.
        reading: how to read `src` (label, text, id, ...), as in `open_source`.
        encode: (format, quality) that every file of a folder is encoded with after planting, so that no
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
    order = Order(
        count=count,
        target=target,
        source_class=source_class,
        source_name=source_name,
        labels=labels,
        seed=seed,
    )
    return carry_out(plan_for(attack, order, source), source, Path(dst), truth, encode)


def plan_for(attack: Attack, order: Order, source: Source) -> Plan:
    """Make an attack definite for a data set.

    Raises:
        UsageError: the attack does not fit the data, or too few samples fit.
    """
    ids, labels, sources = _survey(source)
    return make_plan(
        attack,
        order,
        modality=source.modality,
        ids=ids,
        labels=labels,
        sources=sources,
        fetch=lambda wanted: _samples(source.fetch(wanted)),
    )


def carry_out(
    plan: Plan, source: Source, dst: Path, truth: Path, encode: tuple[str, int | None] | None = None
) -> Ledger:
    """Write the poisoned copy and the ledger of what was done.

    Args:
        plan: from `plan_for`.
        source: the data, never written to.
        dst: the copy.
        truth: the ledger.
        encode: see `plant`.
    """

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
    total = outcome["count"]
    written = plan.ledger(source=source.uri, source_digest=source.digest, total=total, renamed=renamed)
    truth.parent.mkdir(parents=True, exist_ok=True)
    written.save(truth)
    return written


def _survey(source: Source) -> tuple[list[str], list[str | None] | None, list[str] | None]:
    """Ids, labels and sources of all samples that can be read."""
    ids: list[str] = []
    labels: list[str | None] = []
    sources: list[str] = []
    for batch in source.batches(_BATCH):
        ids += batch.ids
        labels += batch.labels or ()
        sources += batch.sources or ()
    return ids, labels if len(labels) == len(ids) else None, sources if len(sources) == len(ids) else None


def _samples(batch: Batch) -> Sequence[Any]:
    """The raw samples of a batch one by one: pictures, texts, or rows as {column: value}."""
    rows: Sequence[Any] = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
    return rows
