"""Forgetting in a linear model or trees: fitted again on the rest of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.levels import reader_of
from mithridate.repairs.base import Passes
from mithridate.repairs.removal import REMOVAL, fitted
from mithridate.runs.forget.asking import Asked, Ready, ready
from mithridate.runs.forget.done import Done, Progress
from mithridate.runs.forget.measuring import Labelled, measured
from mithridate.runs.forget.removed import Removed
from mithridate.runs.forget.rows import Rows, read_rows
from mithridate.sources.base import RowSource

__all__ = ["remove_from_estimator"]


def remove_from_estimator(
    model: Any, source: RowSource, named: Sequence[str], asked: Asked, progress: Progress
) -> Done:
    """All named samples judge, as none of them is learnt from.

    Without clean samples, more fits with the named samples and without leave out a fifth of the others at a time, which
    then tells accuracy and mistakes: of samples that it has seen, a model knows too much.

    Raises:
        UsageError: no fitted classifier, samples that it does not take, a class of which nothing would be left.
    """
    classes = _classes(model, asked)
    known = ready(reader_of(model), source, asked)
    rows = read_rows(source, known.how, known.labels, named, progress)
    _refuse_empty(rows, known, source.uri)
    progress("fitting", 0, None)
    rest, started = rows.part(~rows.named), perf_counter()
    new, warned = fitted(model, rest[0], classes[rest[1]])
    seconds = perf_counter() - started
    if asked.clean is None:
        said, y = _unseen(model, rows, classes, asked.seed, progress)
    else:
        clean = read_rows(asked.clean, known.how, known.labels, (), progress)
        x, y = clean.part(~clean.named)
        said = tuple(_answers(m, classes)(x) for m in (model, new))
    progress("judging", 0, None)
    bad = rows.part(rows.named)
    before, after = (
        _measured(_answers(m, classes), bad, (theirs, y), known)
        for m, theirs in zip((model, new), said, strict=True)
    )
    least = min((before, after), key=lambda m: m.usual)
    before, after = (replace(m, usual=least.usual, unlike=least.unlike) for m in (before, after))
    count = len(rest[1])
    return Done(
        card=REMOVAL, old=model, new=new, known=known, before=before, after=after, unreadable=rows.unreadable,
        named=len(bad[1]), passes=Passes(forward=count, backward=count), busy=seconds, exact=True,
        notes=(_OWN, *(f"while fitting: {text}" for text in warned)),
    )  # fmt: skip


_OWN = (
    "fitted with the estimator's own parameters, on samples and labels in their order; what else the first fit was "
    "given, such as weights of samples, is not known"
)


def _classes(model: Any, asked: Asked) -> Any:
    """(k,) labels as the estimator knows them.

    Raises:
        UsageError: it has none, or was told what only torch modules have.
    """
    if asked.trained is not None:
        remedy = "Leave it out: the time of training again is measured."
        raise UsageError("--trained with a torch module", type(model).__name__, "--trained", remedy)
    classes = getattr(model, "classes_", None)
    if classes is None or np.ndim(classes) != 1 or not callable(getattr(model, "predict", None)):
        remedy = "Hand over a fitted classifier, or name a function that gives it."
        raise UsageError("a fitted classifier", type(model).__name__, "MODEL", remedy)
    return np.asarray(classes)


def _refuse_empty(rows: Rows, known: Ready, where: str) -> None:
    """Refuse data of which a class, or everything that is named, is not there."""
    if not rows.named.any():
        remedy = "Give a report that accuses samples with labels."
        raise UsageError("readable samples to forget", "none that the report names", where, remedy)
    gone = set(rows.y[rows.named].tolist()) - set(rows.y[~rows.named].tolist())
    if gone:
        got = f"none of class {known.labels[min(gone)]!r}"
        remedy = "Give a report that accuses samples, but not all of a class."
        raise UsageError("others of every class", got, where, remedy)


def _answers(model: Any, classes: Any) -> Callable[[Any], Any]:
    """Inputs → (n,) outputs."""
    outputs = {label: k for k, label in enumerate(classes.tolist())}

    def answers(x: Any) -> Any:
        return np.array([outputs[label] for label in np.asarray(model.predict(x)).ravel().tolist()])

    return answers


def _unseen(
    model: Any, rows: Rows, classes: Any, seed: int, progress: Progress
) -> tuple[tuple[Any, Any], Any]:
    """What fits with the named samples, and without, say of others that they have not seen; their labels."""
    told: list[tuple[Any, Any]] = []
    labels = []
    for number, held in enumerate(rows.folds(seed)):
        progress("judging", number, None)
        if not held.any():
            continue
        x, y = rows.part(held)
        answers = []
        for left_out in (held, held | rows.named):
            inputs, outputs = rows.part(~left_out)
            answers.append(_answers(fitted(model, inputs, classes[outputs])[0], classes)(x))
        told.append((answers[0], answers[1]))
        labels.append(y)
    if not labels:
        remedy = "Give others with --clean."
        raise UsageError("others to judge by", "none that can be left out", "the data", remedy)
    before, after = (np.concatenate(each) for each in zip(*told, strict=True))
    return (before, after), np.concatenate(labels)


def _measured(answers: Callable[[Any], Any], bad: Labelled, others: Labelled, known: Ready) -> Removed:
    """The model on named samples and incidents; of others, what is said already."""
    x, taught = bad
    wrong = None if known.wrong is None else answers(known.wrong)
    facts = measured(lambda said: said, named=(answers(x), taught), others=others, clean=None, wrong=wrong)
    said, y = others
    shares = {k: float((said[y != k] == k).mean()) for k in np.unique(taught).tolist() if (y != k).any()}
    worst = max(shares, key=shares.__getitem__, default=-1)
    return Removed(**vars(facts), unlike=int((y != worst).sum()))
