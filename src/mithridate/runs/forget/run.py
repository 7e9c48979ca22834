"""`repair --forget`: named training samples lose their effect, and what that changed is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.core.report import Report
from mithridate.core.verdict import Verdict
from mithridate.models.levels import reader_of
from mithridate.repairs.base import Passes, RepairScope, counted
from mithridate.repairs.forgetting import Forgetting
from mithridate.runs.evade_model import module_with_weights
from mithridate.runs.forget.measuring import Measured, measured
from mithridate.runs.forget.page import page
from mithridate.runs.forget.reading import Training, first_readable, read_samples, read_training
from mithridate.runs.tracing.feeding import Feeding, incidents_of, settled
from mithridate.runs.tracing.looking import labels_in
from mithridate.runs.tracing.run import names_of_outputs
from mithridate.sources.base import RowSource

__all__ = ["Asked", "Forgotten", "forget"]

Progress = Callable[[str, int, int | None], None]
_SHARE = 0.1  # of the passes of the training


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user says besides model, data and what to forget.

    Attributes:
        how: raw samples become inputs.
        classes: the label that each output stands for; None as in `trace`.
        incidents: samples that got a wrong answer; they shall get another one.
        clean: labelled samples that the model was not trained on, to measure accuracy; None takes training samples
            that nobody named and that are not learnt from again.
        loss: accuracy that may be lost, as a share.
        trained: samples times epochs of the training; None where unknown.
        seed: of everything drawn.
    """

    how: Feeding = field(default_factory=Feeding)
    classes: Sequence[str] | None = None
    incidents: tuple[Any, ...] = ()
    clean: RowSource | None = None
    loss: float = 0.02
    trained: float | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What `forget` gives.

    Attributes:
        report: what was done, what it changed.
        weights: by name, as torch tensors; of the original where accuracy was lost.
    """

    report: Report
    weights: Any = field(repr=False)


def forget(
    model: str | Path,
    source: RowSource,
    named: Sequence[str],
    *,
    arch: str,
    asked: Asked | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Forgotten:
    """Take back what some training samples taught a torch module. Nothing is written, the model is not touched.

    A quarter of the named samples, of few up to a half, is not learnt from; whether they still get their label says
    whether what they have in common is forgotten. Costs at most a tenth of the training where that is known, else one
    pass over the data.

    Args:
        model: weights of a torch module that ends in a linear layer.
        source: what it was trained on.
        named: ids of the samples to forget.
        arch: MODULE:FUNCTION that makes the module; code of the user, which runs in this process.
        asked: see `Asked`.
        progress: told (stage, done, total or None).

    Raises:
        UsageError: no such samples, data of another kind, a module that cannot be trained or looked into.
    """
    asked, started = asked or Asked(), perf_counter()
    _refuse_unfit(named, source, asked, str(model))
    module = _trainable(module_with_weights(str(model), arch), arch)
    reader = reader_of(module)
    first = first_readable(source)
    how = settled(asked.how, reader, first)
    outputs = reader.read(how.inputs(first.raw, source.modality)).logits.shape[1]
    labels = names_of_outputs(reader, labels_in(source), outputs, asked.classes)
    incidents, names = incidents_of(asked.incidents, source) if asked.incidents else ([], [])
    wrong = how.inputs(incidents, source.modality) if incidents else None
    if wrong is not None:
        reader.read(wrong)  # refuses what the model cannot take
    clean = None
    if asked.clean is not None:
        reader.read(how.inputs(first_readable(asked.clean).raw, source.modality))
        clean = read_samples(asked.clean, how, labels, asked.seed)
    training = read_training(source, how, labels, named, asked.seed, progress)
    before = measured(module, training, clean, wrong)
    progress("forgetting", 0, None)
    healed, passes, seconds = _healed(module, training, asked, source.count)
    after = measured(healed, training, clean, wrong)
    verdict = _verdict(before, after, asked.loss)
    report = page(
        model=Path(model), source=source, seed=asked.seed, named=len(training.named.y), training=training,
        labels=labels, incidents=names, before=before, after=after, passes=passes, trained=asked.trained,
        healing=seconds, verdict=verdict, loss=asked.loss, unseen=asked.clean is not None,
        seconds=perf_counter() - started,
    )  # fmt: skip
    kept = module if verdict is Verdict.WORSE else healed
    return Forgotten(report=report, weights=kept.state_dict())


def _refuse_unfit(named: Sequence[str], source: RowSource, asked: Asked, model: str) -> None:
    if not named:
        remedy = "Give a report of a trace or an audit that accuses samples above INFO."
        raise UsageError("samples to forget", "none", model, remedy)
    if asked.trained is not None and not 1 <= asked.trained < 1e18:
        raise UsageError("a number of samples", str(asked.trained), "--trained", "Give samples times epochs.")
    clean = asked.clean
    if clean is None:
        return
    if clean.digest == source.digest:
        remedy = "Give samples that it was not trained on, or leave out --clean."
        raise UsageError(
            "clean samples that the model was not trained on", "the training data", clean.uri, remedy
        )
    if clean.modality != source.modality:
        got = f"{clean.modality} data"
        raise UsageError(
            f"{source.modality} data", got, clean.uri, "Give samples like those of the training."
        )
    if source.modality == "table":
        columns = [first_readable(s).raw.column_names for s in (source, clean)]
        if columns[0] != columns[1]:
            got = ", ".join(columns[1][:8])
            raise UsageError(
                f"the columns {', '.join(columns[0][:8])}", got, clean.uri, "Give the same columns."
            )


def _trainable(module: Any, arch: str) -> Any:
    """In evaluation mode, with gradients.

    Raises:
        UsageError: weights of another kind than float32.
    """
    kinds = {str(p.dtype) for p in module.parameters()}
    if kinds != {"torch.float32"}:
        remedy = "Repair the model as it was trained, in float32."
        raise UsageError("weights of float32", ", ".join(sorted(kinds)) or "none", f"--arch {arch}", remedy)
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    return module.eval()


def _healed(module: Any, training: Training, asked: Asked, count: int) -> tuple[Any, Passes, float]:
    """The repaired copy, what that cost, and its seconds."""
    x, y = training.others.learn
    scope = RepairScope(
        x=x, y=y, held=training.others.judge, classes=0, loss=asked.loss, flagged=training.named.learn,
        passes=round(_SHARE * asked.trained if asked.trained else count), seed=asked.seed,
    )  # fmt: skip
    copy, passes, started = deepcopy(module), Passes(), perf_counter()
    with counted(copy, passes):
        copy = Forgetting().heal(copy, scope)
    return copy.eval(), passes, perf_counter() - started


def _verdict(before: Measured, after: Measured, loss: float) -> Verdict:
    """HEALED needs named samples without the effect they had, other answers to all incidents, and accuracy."""
    lost = after.accuracy < before.accuracy - loss or after.lost_class(before, loss) is not None
    if lost or not after.finite:
        return Verdict.WORSE
    others = all(a != b for a, b in zip(after.answers, before.answers, strict=True))
    gone = before.taught(after) and not after.taught(before) and after.sure
    return Verdict.HEALED if gone and others else Verdict.NOT_PROVEN
