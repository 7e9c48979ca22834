"""Forgetting in a torch module: its weights are trained on, on a budget."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from time import perf_counter
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.levels import reader_of
from mithridate.models.torch_module import output_of
from mithridate.repairs.base import Passes, RepairScope, counted
from mithridate.repairs.forgetting import Forgetting
from mithridate.runs.forget.asking import Asked, ready
from mithridate.runs.forget.done import Done, Progress
from mithridate.runs.forget.measuring import Measured, measured
from mithridate.runs.forget.reading import Training, read_samples, read_training
from mithridate.sources.base import RowSource

__all__ = ["forget_in_module"]

_SHARE = 0.1  # of the passes of the training
_AT_ONCE = 256


def forget_in_module(
    module: Any, source: RowSource, named: Sequence[str], asked: Asked, progress: Progress
) -> Done:
    """A quarter of the named samples, of few up to a half, is not learnt from; these judge.

    Raises:
        UsageError: a module that cannot be trained or looked into, samples that it does not take.
    """
    module = _trainable(module)
    known = ready(reader_of(module), source, asked)
    clean = None if asked.clean is None else read_samples(asked.clean, known.how, known.labels, asked.seed)
    training = read_training(source, known.how, known.labels, named, asked.seed, progress)
    before = _measured(module, training, clean, known.wrong)
    progress("forgetting", 0, None)
    healed, passes, seconds = _healed(module, training, asked, source.count)
    return Done(
        card=Forgetting.card, old=module, new=healed, known=known, before=before,
        after=_measured(healed, training, clean, known.wrong), unreadable=training.unreadable,
        named=len(training.named.y), passes=passes, busy=seconds,
    )  # fmt: skip


def _trainable(module: Any) -> Any:
    """A copy in evaluation mode, with gradients.

    Raises:
        UsageError: weights of another kind than float32.
    """
    kinds = {str(p.dtype) for p in module.parameters()}
    if kinds != {"torch.float32"}:
        remedy = "Repair the model as it was trained, in float32."
        got = ", ".join(sorted(kinds)) or "none"
        raise UsageError("weights of float32", got, type(module).__name__, remedy)
    copy = deepcopy(module)
    for parameter in copy.parameters():
        parameter.requires_grad_(True)
    return copy.eval()


def _healed(module: Any, training: Training, asked: Asked, count: int) -> tuple[Any, Passes, float]:
    """The repaired copy, what that cost, and its seconds."""
    (x, y), flagged = (_where(module, part.learn) for part in (training.others, training.named))
    scope = RepairScope(
        x=x, y=y, held=training.others.judge, classes=0, loss=asked.loss, flagged=flagged,
        passes=round(_SHARE * asked.trained if asked.trained else count), seed=asked.seed,
    )  # fmt: skip
    copy, passes, started = deepcopy(module), Passes(), perf_counter()
    with counted(copy, passes):
        copy = Forgetting().heal(copy, scope)
    return copy.eval(), passes, perf_counter() - started


def _where(module: Any, tensors: Sequence[Any]) -> tuple[Any, ...]:
    """Tensors where the module is."""
    device = next(module.parameters()).device
    return tuple(tensor.to(device) for tensor in tensors)


def _measured(module: Any, training: Training, clean: tuple[Any, Any] | None, wrong: Any) -> Measured:
    import torch

    def answers(x: Any) -> Any:
        with torch.no_grad():
            said = [output_of(module, *_where(module, (part,))).argmax(1) for part in x.split(_AT_ONCE)]
        return torch.cat(said).cpu().numpy()

    return measured(
        answers, named=training.named.judge, others=training.others.judge, clean=clean,
        wrong=None if wrong is None else torch.from_numpy(np.array(wrong)),
        finite=all(bool(torch.isfinite(p).all()) for p in module.state_dict().values()),
    )  # fmt: skip
