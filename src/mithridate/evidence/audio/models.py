"""The content models of sounds: one out of fold, the same with chosen samples left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import one_thread
from mithridate.evidence.audio.features import Lift
from mithridate.evidence.content.holdout import Holdout, fit_holdout
from mithridate.evidence.content.ridge import RidgeContent, Task, fit_ridge
from mithridate.evidence.content.stored import kept, passes
from mithridate.evidence.stages import Stages
from mithridate.evidence.store import new_map, old_map

__all__ = ["Models", "fit_models", "lifted"]

_BLOCK = 2048

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Models:
    """See the fields of the same names in `Evidence`."""

    content: RidgeContent
    leave_out: Holdout


def lifted(
    statistics: NDArray[np.float32], folder: Path, stages: Stages, seed: int, progress: Progress
) -> NDArray[np.float16]:
    """(n, width) features of all sounds, on disk."""
    lift, path, n = Lift(statistics, seed), folder / "features.f2", len(statistics)

    def compute() -> NDArray[np.float16]:
        stored = new_map(path, np.float16, (n, lift.width))
        with one_thread():
            for start in range(0, n, _BLOCK):
                progress("content features", start, n)
                stored[start : start + _BLOCK] = lift(statistics[start : start + _BLOCK])
        return stored

    return stages.run("features", compute, lambda: old_map(path, np.float16, (n, lift.width)))


def fit_models(
    stored: NDArray[np.float16], labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8], folder: Path,
    stages: Stages, jobs: int, progress: Progress,
) -> Models:  # fmt: skip
    """Fit both.

    Args:
        stored: (n, d) features.
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        folds: (n,) fold of each sound.
        folder: for what is kept.
        stages: what is done already.
        jobs: threads.
        progress: told (stage, done, total or None).
    """
    task = Task(
        features=passes(stored), labels=labels, classes=classes, folds=folds, d=stored.shape[1], jobs=jobs
    )
    progress("content model", 0, None)
    moments = task.moments()
    whole = moments.total()  # fitting takes doubtful samples out
    content = kept(stages, "content", lambda: fit_ridge(task, moments), folder)
    return Models(content=content, leave_out=fit_holdout(stored, labels, whole, content))
