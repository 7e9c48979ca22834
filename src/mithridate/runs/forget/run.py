"""`repair --forget`: named training samples lose their effect, and what that changed is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.core.report import Report
from mithridate.core.verdict import Verdict
from mithridate.models.levels import reader_of
from mithridate.repairs.base import Passes, RepairScope, accuracy, counted
from mithridate.repairs.forgetting import Forgetting
from mithridate.runs.evade_model import module_with_weights
from mithridate.runs.forget.page import Measured, page
from mithridate.runs.forget.reading import Training, read_samples, read_training
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
    if not named:
        remedy = "Give a report of a trace or an audit that accuses samples above INFO."
        raise UsageError("samples to forget", "none", str(model), remedy)
    module = module_with_weights(str(model), arch).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    reader = reader_of(module)
    how = settled(asked.how, reader, next(iter(source.batches(8))))
    sizes = labels_in(source)
    outputs = reader.read(how.inputs(_first(source), source.modality)).logits.shape[1]
    labels = names_of_outputs(reader, sizes, outputs, asked.classes)
    training = read_training(source, how, labels, named, asked.seed, progress)
    judge = (
        training.others.judge if asked.clean is None else read_samples(asked.clean, how, labels, asked.seed)
    )
    incidents, names = incidents_of(asked.incidents, source) if asked.incidents else ([], [])
    wrong = how.inputs(incidents, source.modality) if incidents else None
    before = _measured(module, judge, training.named.judge, wrong)
    progress("forgetting", 0, None)
    healed, passes, seconds = _healed(module, training, asked, source.count)
    after = _measured(healed, judge, training.named.judge, wrong)
    verdict = _verdict(before, after, asked.loss)
    report = page(
        model=Path(model), source=source, seed=asked.seed, named=len(set(named)), training=training,
        labels=labels, incidents=names, before=before, after=after, passes=passes, trained=asked.trained,
        healing=seconds, verdict=verdict, loss=asked.loss, unseen=asked.clean is not None,
        seconds=perf_counter() - started,
    )  # fmt: skip
    kept = module if verdict is Verdict.WORSE else healed
    return Forgotten(report=report, weights=kept.state_dict())


def _first(source: RowSource) -> Any:
    for batch in source.batches(8):
        if len(batch):
            return batch.raw
    raise UsageError("samples that can be read", "none", source.uri, "Check the data.")


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


def _measured(module: Any, judge: tuple[Any, Any], named_ones: tuple[Any, Any], wrong: Any) -> Measured:
    import torch

    (x, y), (bad, taught) = judge, named_ones
    with torch.no_grad():
        said = torch.cat([module(part).argmax(1) for part in x.split(256)])
        named = torch.cat([module(part).argmax(1) for part in bad.split(256)])
        answers = None if wrong is None else module(torch.from_numpy(np.asarray(wrong, np.float32))).argmax(1)
    usual = [float((said[y != k] == k).float().mean()) for k in taught.unique() if (y != k).any()]
    return Measured(
        accuracy=accuracy(module, x, y),
        named=float((named == taught).float().mean()),
        held=len(bad),
        usual=max(usual, default=0.0),
        answers=() if answers is None else tuple(answers.tolist()),
    )


def _verdict(before: Measured, after: Measured, loss: float) -> Verdict:
    """HEALED needs named samples without the effect they had, other answers to all incidents, and accuracy."""
    if after.accuracy < before.accuracy - loss:
        return Verdict.WORSE
    others = all(a != b for a, b in zip(after.answers, before.answers, strict=True))
    return (
        Verdict.HEALED
        if before.taught(after) and not after.taught(before) and after.sure and others
        else Verdict.NOT_PROVEN
    )
