"""The third level of a scan: what a model answers, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.bank import Bank, Statistics
from mithridate.checks.model_check import MODEL_CHECKS, Meter, ModelScope
from mithridate.core.errors import MithridateError
from mithridate.core.results import Clear, Result, Skip
from mithridate.models.base import Probabilities
from mithridate.models.graph.head import Head
from mithridate.runs.scan.inputs import Ordinary
from mithridate.triggers.inputs import Layout

__all__ = ["Box", "model_checks", "right_note", "spoken"]

Progress = Callable[[str, int, int | None], None]
#: inputs that a check may ask about: of a model at hand, and of one that only answers.
_AT_HAND, _REMOTE, _FEWEST = 24_000, 8_000, 1_000
_TRIED = 32
_ANSWERED, _FED = 512, 0.5  # clean samples asked about, and how many are right where the model is fed well
_STABLE = 1e-4  # of a probability


@dataclass(frozen=True, kw_only=True)
class Box:
    """A model that can be asked.

    Attributes:
        name: for people.
        predict: (n, *shape) float32 → (n, k) probabilities.
        shape: of one input.
        layout: how it is laid out, where it is a picture.
        differentiable: opens it with gradients; None where it can only be asked.
        head: finds its last linear layer; None where it can only be asked.
        bank: clean models to compare it with.
        keep: told what a bank would keep of it.
        queries: inputs that a check may ask about at most; None: more where the model is at hand.
        seconds: that a check may take, as far as it can tell beforehand.
    """

    name: str
    predict: Callable[[NDArray[np.float32]], Probabilities]
    shape: tuple[int, ...]
    layout: Layout = "auto"
    differentiable: Callable[[], Callable[[Any], Any]] | None = None
    head: Callable[[], Head | None] | None = None
    bank: Bank | None = None
    keep: Callable[[Statistics], None] | None = None
    queries: int | None = None
    seconds: float = 600.0


def model_checks(
    box: Box, ordinary: Ordinary, classes: tuple[str, ...], seed: int, progress: Progress
) -> Iterator[Result]:
    """What every check of behaviour says.

    Args:
        box: the model.
        ordinary: inputs without a trigger.
        classes: names of the outputs; empty where unknown.
        seed: of all randomness.
        progress: told (stage, done, total or None).
    """
    labels = None
    if ordinary.labels is not None and classes:
        labels = np.array([classes.index(label) for label in ordinary.labels], dtype=np.int64)
    scope = ModelScope(
        name=box.name,
        predict=box.predict,
        shape=box.shape,
        layout=box.layout,
        low=ordinary.low,
        high=ordinary.high,
        clean=None if ordinary.made else ordinary.x,
        labels=labels,
        ids=() if ordinary.made else ordinary.ids,
        classes=classes,
        seed=seed,
        differentiable=box.differentiable,
        head=box.head,
        bank=box.bank,
        keep=box.keep,
        budget=_budget(box, ordinary),
        seconds=box.seconds,
    )
    deaf = _deaf(box, ordinary)
    if deaf:
        remedy = "Give clean samples, or look at whether this is the model that was meant."
        yield Skip(check="scan", reason=deaf, remedy=remedy, items=(box.name,), count=1)
    for kind in MODEL_CHECKS:
        progress(kind.card.title, 0, None)
        own = replace(scope, meter=Meter())
        yield from spoken(kind.card.id, scope.name, lambda kind=kind, own=own: kind().examine(own))  # type: ignore[misc]


def right_note(
    predict: Callable[[NDArray[np.float32]], Probabilities], ordinary: Ordinary, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """How many clean samples get their label: a model that is fed wrongly says little about itself."""
    if ordinary.labels is None or not classes:
        return ()
    x, labels = ordinary.x[:_ANSWERED], ordinary.labels[:_ANSWERED]
    said = predict(x).argmax(axis=1)
    right = float(np.mean([classes[k] == label for k, label in zip(said, labels, strict=True)]))
    doubt = "" if right >= _FED else "; is it fed as it was trained (--mean, --std, --preprocess, --classes)?"
    return (f"the model gives {right:.0%} of {len(x):,} clean samples their label{doubt}",)


def _budget(box: Box, ordinary: Ordinary) -> int:
    """Queries for each check: as told, or as many as the time allows."""
    if box.queries is not None:
        return box.queries
    if box.differentiable is None:
        return _REMOTE
    x = ordinary.x[:_TRIED]
    box.predict(x)  # the first time may be slow
    start = perf_counter()
    box.predict(x)
    pace = (perf_counter() - start) / len(x)
    return int(np.clip(box.seconds / pace, _FEWEST, _AT_HAND))


def _deaf(box: Box, ordinary: Ordinary) -> str:
    """Why nothing can be learnt from what a model answers; "" where something can."""
    x = ordinary.x[:_TRIED]
    one, two = box.predict(x), box.predict(x)
    if one.shape != two.shape or np.abs(one - two).max() > _STABLE:
        return "it answers the same inputs differently every time: its behaviour cannot be examined"
    if len(x) > 1 and float(np.ptp(one, axis=0).max()) <= _STABLE:
        return "it gives the same answer to all inputs: nothing could be learnt from its behaviour"
    return ""


def spoken(check: str, name: str, ask: Callable[[], Iterator[Result]]) -> Iterator[Result]:
    """What a check says, or why it could not; a record also where it found nothing."""
    count = 0
    try:
        for result in ask():
            count += 1
            yield result
    except (MithridateError, MemoryError, ValueError, IndexError, KeyError) as error:
        count += 1
        told = (
            str(error)
            if isinstance(error, MithridateError)
            else f"{type(error).__name__}: {str(error)[:200]}"
        )
        yield Skip(check=check, reason=told, remedy="Examine this model by hand.", items=(name,), count=1)
    if not count:
        yield Clear(check=check, message=f"{name}: nothing found", limit="")
