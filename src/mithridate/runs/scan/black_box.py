"""A model of which nothing is known but what it answers: an address, or an object that predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from mithridate.core.errors import UsageError
from mithridate.models.base import Model
from mithridate.runs.evade_data import ask, labels_of, matched
from mithridate.runs.scan.behaviour import Box, model_checks, right_note
from mithridate.runs.scan.inputs import MOST, Ordinary, ordinary_inputs
from mithridate.runs.scan.models import Asked, ModelLevel
from mithridate.triggers.inputs import Layout

__all__ = ["examine_black_box"]

Progress = Callable[[str, int, int | None], None]
_TRIED = 2


def examine_black_box(model: Model, asked: Asked, progress: Progress) -> ModelLevel:
    """Ask a model that shows nothing but probabilities.

    Args:
        model: asked as it is; one that runs in this process is the user's own.
        asked: clean samples or a shape, names of classes, how pictures become inputs.
        progress: told (stage, done, total or None).

    Raises:
        UsageError: neither clean samples nor a shape, or the model refuses them.
    """
    ordinary, classes, layout, notes = _inputs(model, asked)
    box = Box(
        name=model.name,
        predict=model.predict,
        shape=ordinary.x.shape[1:],
        layout=layout,
        bank=asked.bank,
        queries=asked.queries,
    )
    results = tuple(model_checks(box, ordinary, classes, asked.seed, progress))
    notes = (*notes, *right_note(model.predict, ordinary, classes))
    return ModelLevel(results=results, ordinary=ordinary, classes=classes, notes=notes)


def _inputs(model: Model, asked: Asked) -> tuple[Ordinary, tuple[str, ...], Layout, tuple[str, ...]]:
    if asked.shape is not None:
        ordinary = ordinary_inputs(asked.clean, asked.shape, asked.layout, asked.how, asked.seed)
        width = model.predict(ordinary.x[:_TRIED]).shape[1]
        if ordinary.labels is None:
            return ordinary, asked.classes or (), asked.layout, ordinary.notes
        names, said = matched(sorted(set(ordinary.labels)), width, asked.classes)
        return (
            ordinary,
            names,
            asked.layout,
            (*ordinary.notes, f"labels were matched with the outputs {said}"),
        )
    if asked.clean is None:
        remedy = "Give pictures with --clean, or say what one input looks like with --shape, e.g. 3,32,32."
        raise UsageError("clean samples or a shape", "neither", model.name, remedy)
    few = min(MOST, sum(label is not None for label in labels_of(asked.clean)))
    drawn = ask(model, asked.clean, count=few, seed=asked.seed, layout=asked.layout, classes=asked.classes)
    labels = tuple(drawn.names[k] for k in drawn.y)
    ordinary = Ordinary(x=drawn.x, made=False, labels=labels, ids=drawn.ids)
    layout = cast(Layout, drawn.layout) if drawn.layout in ("hw", "chw", "hwc") else "auto"
    notes = (*drawn.notes, f"labels were matched with the outputs {drawn.matching}")
    return replace(ordinary, notes=notes), drawn.names, layout, notes
