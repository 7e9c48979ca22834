"""Evidence about an image source: canvas, near-duplicates, residuals, a content model, patch keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.content.logistic import assign_folds
from mithridate.evidence.duplicates import copy_groups
from mithridate.evidence.image.canvas import LARGEST_SIDE, Canvas, load_canvas, paint, save_canvas
from mithridate.evidence.image.likeness import grey_thumbnails, near_duplicates
from mithridate.evidence.image.models import fit_models
from mithridate.evidence.image.parts import picture_parts
from mithridate.evidence.image.patches import patch_tables
from mithridate.evidence.image.reader import SMALLEST, can_read, open_reader
from mithridate.evidence.image.residual import residuals
from mithridate.evidence.image.sensor import kind_folds, sensor_noise
from mithridate.evidence.image.sketch import thumbnails
from mithridate.evidence.image.written import Written, load_written, read_words, save_written, written_table
from mithridate.evidence.metadata import metadata_part, metadata_table
from mithridate.evidence.neighbours import DenseNearest
from mithridate.evidence.probes import fit_probes
from mithridate.evidence.roll import Gathered, Roll
from mithridate.evidence.stages import Stages, load_arrays, save_arrays
from mithridate.evidence.store import old_map
from mithridate.evidence.view import Evidence, KeyTable, Probe

__all__ = ["gather_image"]

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
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).
    """
    stages = Stages(store_dir, source, seed)
    canvas, roll = _painted(source, store_dir, stages, jobs, progress)
    labels, classes = roll.labels()
    sources, source_names = roll.sources()
    copies = copy_groups(canvas.digests)
    groups = _groups(canvas, copies, seed, store_dir, stages, jobs, progress)
    noise = _residuals(canvas, store_dir, stages, jobs, progress)
    thumbs = thumbnails(canvas.pixels, store_dir / "thumbnails.f4", jobs)
    vectors: dict[str, NDArray[np.generic]] = {"residual": noise, "content": thumbs}
    models = None
    if labels is not None and len(classes) > 1 and min(canvas.pixels.shape[1:3]) >= _SMALLEST:
        folds = assign_folds(roll.ids, groups, seed)
        models = fit_models(
            canvas, thumbs, labels, len(classes), folds, seed, store_dir, stages, jobs, progress
        )
        vectors["sensor"] = sensor_noise(canvas.pixels, store_dir / "sensor.i1", jobs)
        vectors["part"] = kind_folds(thumbs, labels, seed)
    noted = metadata_table(roll.notes, groups)
    read = _written(source, canvas, roll, groups, store_dir, stages, seed, jobs, progress)
    said = None if read is None else written_table(read, roll.ids, groups)
    tables = patch_tables(canvas, groups, models, progress)
    tables |= {table.family: table for table in (noted, said) if table is not None}
    evidence = Evidence(
        modality="image",
        ids=roll.ids,
        labels=labels,
        classes=classes,
        sources=sources,
        source_names=source_names,
        groups=groups,
        copies=copies,
        content=None if models is None else models.content,
        sketch=None if models is None else models.sketch,
        leave_out=None if models is None else models.leave_out,
        tables=tables,
        probes=_probes(canvas, noted, roll, groups, seed, jobs, progress),
        vectors=vectors,
        shapes={"residual": canvas.pixels.shape[1:], "sensor": (*canvas.pixels.shape[1:3], 1)},
        nearest=DenseNearest(vectors=thumbs),
        seed=seed,
    )
    return Gathered(evidence=evidence, bad=tuple(roll.bad), notes=(*_notes(canvas), *_of_words(canvas, read)))


def _probes(
    canvas: Canvas,
    noted: KeyTable | None,
    roll: Roll,
    groups: NDArray[np.int64],
    seed: int,
    jobs: int,
    progress: Progress,
) -> dict[str, Probe]:
    """What parts of the pictures, and what their files say, tell of the label; nothing without labels."""
    labels, classes = roll.labels()
    if labels is None or len(classes) < 2:
        return {}
    progress("probes", 0, None)
    said = None if noted is None else metadata_part(noted)
    parts = [*picture_parts(canvas.pixels, roll.ids), *([] if said is None else [said])]
    return fit_probes(
        parts, roll.ids, labels, len(classes), groups, seed,
        lambda rows: grey_thumbnails(canvas.pixels[rows]).astype(np.float32), jobs,
    )  # fmt: skip


def _painted(
    source: Source, folder: Path, stages: Stages, jobs: int, progress: Progress
) -> tuple[Canvas, Roll]:
    return stages.run(
        "canvas",
        lambda: paint(source, folder, progress, jobs),
        lambda: load_canvas(folder),
        lambda painted: save_canvas(painted, folder),
    )


def _groups(
    canvas: Canvas,
    copies: NDArray[np.int64],
    seed: int,
    folder: Path,
    stages: Stages,
    jobs: int,
    progress: Progress,
) -> NDArray[np.int64]:
    path = folder / "groups.npz"

    def compute() -> NDArray[np.int64]:
        progress("near-duplicates", 0, None)
        return near_duplicates(canvas.pixels, copies, seed, jobs)

    return stages.run(
        "near-duplicates",
        compute,
        lambda: load_arrays(path)["groups"],
        lambda found: save_arrays(path, groups=found),
    )


def _residuals(
    canvas: Canvas, folder: Path, stages: Stages, jobs: int, progress: Progress
) -> NDArray[np.int8]:
    path = folder / "residual.i1"
    n, width = len(canvas.pixels), int(np.prod(canvas.pixels.shape[1:]))

    def compute() -> NDArray[np.int8]:
        progress("residuals", 0, None)
        return residuals(canvas.pixels, path, jobs)

    return stages.run("residuals", compute, lambda: old_map(path, np.int8, (n, width)))


def _written(
    source: Source,
    canvas: Canvas,
    roll: Roll,
    groups: NDArray[np.int64],
    folder: Path,
    stages: Stages,
    seed: int,
    jobs: int,
    progress: Progress,
) -> Written | None:
    """The words in the pictures; None where they are too small, or nothing is installed that reads."""
    if max(canvas.pixels.shape[1:3]) < SMALLEST or not can_read():
        return None
    path = folder / "written.json"

    def load() -> Written:
        written = load_written(path)
        if written.failed:
            raise ValueError(f"nothing was read: {written.failed}; try again")
        return written

    return stages.run(
        "written words",
        lambda: read_words(source, roll.ids, groups, seed, open_reader, jobs, progress),
        load,
        lambda written: save_written(written, path),
    )


def _of_words(canvas: Canvas, read: Written | None) -> tuple[str, ...]:
    """What a report says of words in pictures."""
    if max(canvas.pixels.shape[1:3]) < SMALLEST:
        return ()
    if read is None:
        return ("words in the images were not read: `pip install 'mithridate[ocr]'` brings what reads them",)
    if read.failed:
        return (f"words in the images were not read: the reader failed ({read.failed})",)
    return (f"words were read in {read.asked:,} of {len(canvas.pixels):,} images",)


def _notes(canvas: Canvas) -> tuple[str, ...]:
    h, w = canvas.pixels.shape[1:3]
    if not canvas.reduced or max(h, w) < LARGEST_SIDE:
        return ()
    return (
        f"{canvas.reduced} images were brought to {w}×{h} pixels; details smaller than that are out of sight",
    )
