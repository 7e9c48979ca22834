"""`drill evade`: one model, one data set, attacks on the finished model at one or more sizes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.core.evasion import Asked, Evaded, Evasion
from mithridate.core.report import Subject
from mithridate.runs.evade import EVASIONS, evade
from mithridate.runs.evade_data import ask, labels_of
from mithridate.runs.evade_model import named_model

__all__ = ["EPSILON", "drill_evade", "settings_of"]

EPSILON = 8 / 255
Progress = Callable[[str, int, int | None], None]


def drill_evade(
    model: str,
    data: str | Path,
    *,
    arch: str | None = None,
    attacks: Sequence[str] = EVASIONS,
    epsilons: Sequence[float] = (EPSILON,),
    count: int | None = None,
    iterations: int = 10,
    restarts: int = 1,
    seed: int = 0,
    layout: str = "auto",
    classes: Sequence[str] | None = None,
    reading: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Evaded:
    """Attack the model that a text names, with pictures of a data set. Nothing is written.

    Args:
        model: see `named_model`.
        data: labelled images, as for an audit.
        arch: function that makes the torch module, for a file of weights.
        attacks: of `EVASIONS`.
        epsilons: largest change of a value, each in (0, 1]; pictures are in [0, 1].
        count: pictures; None takes 200, or all where there are fewer.
        iterations: of PGD.
        restarts: of PGD.
        seed: of everything drawn.
        layout: of the inputs of the model; "auto" finds it out.
        classes: what its outputs stand for; None goes by number or by sorted name.
        reading: how to read the data (label, x_key, ...), as in `open_source`.
        progress: told (stage, done, total).

    Raises:
        UsageError: no model, no labelled images, or the two do not fit.
    """
    from mithridate.sources.open import open_source

    started = time.perf_counter()
    sizes = sorted(set(epsilons))
    if not sizes or not all(0 < size <= 1 for size in sizes):
        got = ", ".join(map(str, epsilons)) or "none"
        raise UsageError("sizes above 0 and at most 1", got, "epsilon", "8/255 is usual for pictures.")
    source = open_source(data, **(reading or {}))
    counted = Counter(label for label in labels_of(source) if label is not None)
    opened = named_model(model, arch)
    asked = ask(opened, source, count=count, seed=seed, layout=layout, classes=classes)
    how: dict[str, Any] = {"attacks": attacks, "iterations": iterations, "restarts": restarts, "seed": seed}
    runs = tuple(
        evade(opened, asked.x, asked.y, epsilon=size, **how, progress=_telling(progress, size))
        for size in sizes
    )
    subject = Subject(
        uri=source.uri, digest=source.digest, modality=source.modality, count=source.count,
        classes=dict(counted), options=source.options,
    )  # fmt: skip
    return Evaded(
        subject=subject,
        asked=asked,
        sizes=runs,
        settings=settings_of(
            model,
            arch=arch,
            epsilons=sizes,
            count=count,
            layout=layout,
            classes=classes,
            reading=reading,
            **how,
        ),
        notes=(*source.notes, *asked.notes, *_doubts(asked, runs[0])),
        seconds=round(time.perf_counter() - started, 2),
    )


def settings_of(model: str, **asked: Any) -> dict[str, Any]:
    """What decides the outcome besides the data, as JSON values; arguments as of `drill_evade`."""
    classes = asked["classes"]
    return {
        "model": model,
        "arch": asked["arch"],
        "attacks": [name for name in EVASIONS if name in asked["attacks"]],
        "epsilons": sorted(set(asked["epsilons"])),
        "classes": None if classes is None else list(classes),
        "reading": dict(asked["reading"] or {}),
        **{name: asked[name] for name in ("count", "iterations", "restarts", "seed", "layout")},
    }


def _telling(progress: Progress | None, size: float) -> Progress | None:
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{stage}, {255 * size:.3g} grey levels", done, total)


def _doubts(asked: Asked, evasion: Evasion) -> tuple[str, ...]:
    """What makes the figures doubtful."""
    if not evasion.results:
        return ("No attack could be carried out, so nothing was measured.",)
    right = round(evasion.results[0].clean_accuracy * len(asked.ids))
    if right == 0:
        return (
            "The model is right about none of these pictures, so there is nothing to lead astray and success is not "
            "defined. Are the pictures scaled as in training (here 0 to 1), and are its outputs in this order?",
        )
    if right / len(asked.ids) < 2 / len(asked.names) and len(asked.names) > 2:
        return (
            "The model is hardly better than guessing on these pictures as they are: are they scaled as in training "
            "(here 0 to 1), and are its outputs in this order?",
        )
    return ()
