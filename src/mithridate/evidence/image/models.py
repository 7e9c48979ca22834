"""The content models of images: a strong one out of fold, the same with chosen samples left out, a coarse one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import one_thread, side_by_side
from mithridate.evidence.content.holdout import Holdout, fit_holdout
from mithridate.evidence.content.ridge import RidgeContent, Task, fit_ridge
from mithridate.evidence.content.stored import kept, passes
from mithridate.evidence.image.canvas import Canvas
from mithridate.evidence.image.features import PatchFeatures
from mithridate.evidence.image.sketch import sketch_features
from mithridate.evidence.stages import Stages, load_arrays, save_arrays
from mithridate.evidence.store import new_map, old_map

__all__ = ["Models", "fit_models"]

_BLOCK = 1024

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Models:
    """See the fields of the same names in `Evidence`; `extract` gives the features of `content` and `leave_out`."""

    content: RidgeContent
    leave_out: Holdout
    sketch: RidgeContent
    extract: PatchFeatures


def fit_models(
    canvas: Canvas, thumbs: NDArray[np.float32], labels: NDArray[np.int32], classes: int,
    folds: NDArray[np.int8], seed: int, folder: Path, stages: Stages, jobs: int, progress: Progress,
) -> Models:  # fmt: skip
    """Fit all three.

    Args:
        canvas: of n images.
        thumbs: (n, d) their thumbnails.
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        folds: (n,) fold of each image.
        seed: decides filters and random features.
        folder: for files of 2 bytes per feature and image.
        stages: what is done already.
        jobs: threads.
        progress: told (stage, done, total or None).
    """
    with one_thread():
        extract = PatchFeatures.learn(canvas.pixels, seed)
    stored = _features(canvas, extract, folder, stages, jobs, progress)
    task = Task(
        features=passes(stored), labels=labels, classes=classes, folds=folds, d=stored.shape[1], jobs=jobs
    )
    progress("content model", 0, None)
    moments = task.moments()
    whole = moments.total()  # fitting takes doubtful samples out
    content = kept(stages, "content", lambda: fit_ridge(task, moments), folder)
    leave_out = fit_holdout(stored, labels, whole, content)

    def coarse() -> RidgeContent:
        sketched, d = sketch_features(thumbs, seed)
        rough = Task(features=sketched, labels=labels, classes=classes, folds=folds, d=d, jobs=jobs)
        return fit_ridge(rough, rough.moments(), refit=False)

    return Models(
        content=content,
        leave_out=leave_out,
        sketch=kept(stages, "sketch", coarse, folder),
        extract=extract,
    )


def _features(
    canvas: Canvas, extract: PatchFeatures, folder: Path, stages: Stages, jobs: int, progress: Progress
) -> NDArray[np.float16]:
    path, facts, n = folder / "features.f2", folder / "features.npz", len(canvas.pixels)

    def compute() -> NDArray[np.float16]:
        stored = new_map(path, np.float16, (n, extract.width))

        def fill(start: int) -> None:
            progress("content features", start, n)
            stored[start : start + _BLOCK] = extract(canvas.pixels[start : start + _BLOCK])

        side_by_side(fill, range(0, n, _BLOCK), jobs)
        return stored

    return stages.run(
        "features",
        compute,
        lambda: old_map(path, np.float16, (n, int(load_arrays(facts)["width"]))),
        lambda stored: save_arrays(facts, width=stored.shape[1]),
    )
