"""Embeddings of the samples into evidence that was gathered already, whatever its modality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mithridate.core.batch import BadItem
from mithridate.evidence.embedding.blend import blended
from mithridate.evidence.embedding.near import label_votes
from mithridate.evidence.embedding.store import encode, take_in
from mithridate.evidence.neighbours import DenseNearest
from mithridate.evidence.roll import Gathered
from mithridate.evidence.stages import Stages, load_arrays, save_arrays
from mithridate.models.encoders.base import Encoder
from mithridate.sources.base import RowSource
from mithridate.sources.embeddings import Embeddings

__all__ = ["embedded"]


def embedded(
    gathered: Gathered,
    source: RowSource,
    vectors: Embeddings | Encoder,
    *,
    judges: bool,
    store_dir: Path,
    jobs: int = 1,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> tuple[Gathered, tuple[BadItem, ...]]:
    """Add the vectors "embedding", what their neighbours' labels are, and a content model on them.

    Args:
        gathered: of the source, in this folder.
        source: that was gathered.
        vectors: a file of them, or what makes them.
        judges: whether they may judge labels. Not where they were learned from these very labels: a model that has seen
            wrong labels has learned to agree with them.
        store_dir: folder for files of 2 bytes per number; must outlive the evidence.
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).

    Returns:
        All of it, and samples of which the encoder gave numbers that are none.

    Raises:
        UsageError: vectors that do not belong to these samples.
        EncoderError: an encoder that failed.
    """
    evidence = gathered.evidence
    stages = Stages(store_dir, source, evidence.seed)
    progress("embedding", 0, len(evidence.ids))
    if isinstance(vectors, Embeddings):
        stored = take_in(vectors, evidence.ids, source, store_dir, stages, evidence.seed)
        where = vectors.where
    else:
        stored = encode(vectors, evidence.ids, source, store_dir, stages, evidence.seed, progress)
        where = vectors.name
    # Pictures have features of their own as "content"; texts and tables have none.
    held: dict[str, NDArray[Any]] = {"embedding": stored.vectors, "content": stored.vectors}
    key = vectors.digest[:16]
    notes = [f"embeddings: {where}, {stored.vectors.shape[1]} dimensions"]
    if not judges:
        notes[0] += ", learned from these labels, so that they judge none"
    elif evidence.labels is not None and evidence.content is not None:
        progress("neighbours", 0, len(evidence.ids))
        path = store_dir / f"embedding-{key}-votes.npz"
        known = evidence.labels
        held["votes"] = stages.run(
            f"embedding votes {key}",
            lambda: label_votes(
                stored.vectors, known, evidence.groups, len(evidence.classes), evidence.seed, jobs
            ),
            lambda: load_arrays(path)["votes"],
            lambda votes: save_arrays(path, votes=votes),
        )
        progress("content model", 0, None)
        evidence, told = blended(
            evidence, stored.vectors, key=key, folder=store_dir, stages=stages, jobs=jobs
        )
        notes.append(told)
    evidence = replace(
        evidence, vectors={**held, **evidence.vectors}, nearest=DenseNearest(vectors=stored.vectors)
    )
    return Gathered(evidence=evidence, bad=gathered.bad, notes=(*gathered.notes, *notes)), stored.broken
