"""Evidence about an image source: canvas, near-duplicates, residuals, a content model, patch keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.content.logistic import assign_folds
from mithridate.evidence.content.ridge import RidgeContent, fit_ridge
from mithridate.evidence.duplicates import copy_groups
from mithridate.evidence.image.canvas import LARGEST_SIDE, Canvas, paint
from mithridate.evidence.image.features import PatchFeatures
from mithridate.evidence.image.likeness import near_duplicates
from mithridate.evidence.image.patches import patch_tables
from mithridate.evidence.image.residual import residuals
from mithridate.evidence.roll import Gathered
from mithridate.evidence.view import Evidence

__all__ = ["gather_image"]

_BLOCK = 1024
_SMALLEST = 4  # pixels; smaller canvases have no windows

Progress = Callable[[str, int, int | None], None]


def gather_image(
    source: Source,
    *,
    store_dir: Path,
    seed: int,
    jobs: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> Gathered:
    """Read an image source once and derive everything that checks need from the canvas.

    Args:
        source: yields batches whose `raw` is a list of (h, w, c) uint8.
        store_dir: folder for files of 3 bytes per canvas value and 2 per feature; must outlive the evidence.
        seed: decides folds, filters and rotations.
        jobs: reserved; the result does not depend on it.
        progress: told (stage, done, total or None).
    """
    canvas, roll = paint(source, store_dir, progress)
    labels, classes = roll.labels()
    sources, source_names = roll.sources()
    copies = copy_groups(canvas.digests)
    progress("near-duplicates", 0, None)
    groups = near_duplicates(canvas.pixels, copies, seed)
    vectors: dict[str, NDArray[np.generic]] = {}
    progress("residuals", 0, None)
    vectors["residual"] = residuals(canvas.pixels, store_dir / "residual.i1")
    content = None
    if labels is not None and len(classes) > 1 and min(canvas.pixels.shape[1:3]) >= _SMALLEST:
        content = _content(
            canvas, labels, len(classes), assign_folds(roll.ids, groups, seed), seed, store_dir, progress
        )
    evidence = Evidence(
        modality="image",
        ids=roll.ids,
        labels=labels,
        classes=classes,
        sources=sources,
        source_names=source_names,
        groups=groups,
        copies=copies,
        content=content,
        tables=patch_tables(canvas, groups, progress),
        vectors=vectors,
        shapes={"residual": canvas.pixels.shape[1:]},
        seed=seed,
    )
    h, w = canvas.pixels.shape[1:3]
    notes = (
        (
            f"{canvas.reduced} images were brought to {w}×{h} pixels; details smaller than that are out of sight",
        )
        if canvas.reduced and max(h, w) == LARGEST_SIDE
        else ()
    )
    return Gathered(evidence=evidence, bad=tuple(roll.bad), notes=notes)


def _content(
    canvas: Canvas, labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8], seed: int, folder: Path,
    progress: Progress,
) -> RidgeContent:  # fmt: skip
    n = len(labels)
    extract = PatchFeatures.learn(canvas.pixels, seed)
    stored = np.memmap(folder / "features.f2", np.float16, "w+", shape=(n, extract.width))
    for start in range(0, n, _BLOCK):
        progress("content features", start, n)
        stored[start : start + _BLOCK] = extract(canvas.pixels[start : start + _BLOCK])

    def features() -> Iterator[tuple[int, NDArray[np.float32]]]:
        for start in range(0, n, 4 * _BLOCK):
            yield start, stored[start : start + 4 * _BLOCK].astype(np.float32)

    progress("content model", 0, None)
    return fit_ridge(features, labels, classes, folds, extract.width)
