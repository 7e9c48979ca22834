"""Evidence about an audio source: keys, near-duplicates, a content model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.audio.echo import Echo
from mithridate.evidence.audio.models import fit_models, lifted
from mithridate.evidence.audio.tables import key_tables
from mithridate.evidence.audio.tape import Tape, load_tape, record, save_tape
from mithridate.evidence.content.logistic import assign_folds
from mithridate.evidence.duplicates import copy_groups
from mithridate.evidence.metadata import metadata_part, metadata_table
from mithridate.evidence.neighbours import DenseNearest
from mithridate.evidence.probes import fit_probes
from mithridate.evidence.roll import Gathered
from mithridate.evidence.stages import Stages, load_arrays, save_arrays
from mithridate.evidence.view import Evidence

__all__ = ["gather_audio"]

_LANDMARKS = "landmark"
_FEW, _SHARED = (
    10,
    0.1,
)  # landmarks, and share of them, that two encodings of one take have in common at least

Progress = Callable[[str, int, int | None], None]


def gather_audio(
    source: Source,
    *,
    store_dir: Path,
    seed: int,
    jobs: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> Gathered:
    """Read an audio source once and derive everything that checks need from what was noted.

    Args:
        source: yields batches whose `raw` is a list of `core.sound.Sound`.
        store_dir: folder for files: 12 bytes per key, 2 per feature, 2 per sample of the sounds; must outlive the
            evidence.
        seed: decides folds and random features.
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).
    """
    stages = Stages(store_dir, source, seed)
    tape, roll = stages.run(
        "tape",
        lambda: record(source, store_dir, jobs, progress),
        lambda: load_tape(store_dir),
        lambda recorded: save_tape(recorded, store_dir),
    )
    labels, classes = roll.labels()
    sources, source_names = roll.sources()
    copies = copy_groups(tape.digests)
    groups = stages.run(
        "near-duplicates",
        lambda: _groups(tape, copies, seed, progress),
        lambda: load_arrays(store_dir / "groups.npz")["groups"],
        lambda found: save_arrays(store_dir / "groups.npz", groups=found),
    )
    features = lifted(tape.statistics, store_dir, stages, seed, progress)
    models = None
    if labels is not None and len(classes) > 1:
        folds = assign_folds(roll.ids, groups, seed)
        models = fit_models(features, labels, len(classes), folds, store_dir, stages, jobs, progress)
    content = features[:, : tape.statistics.shape[1]]
    echo = None if labels is None else Echo(tape=tape, ids=roll.ids, labels=labels, seed=seed)
    tables = key_tables(tape, groups, echo, progress)
    noted = metadata_table(roll.notes, groups)
    probes = {}
    if noted is not None and labels is not None and len(classes) > 1:
        said = metadata_part(noted)
        probes = fit_probes([] if said is None else [said], roll.ids, labels, len(classes), groups, seed)
    evidence = Evidence(
        modality="audio",
        ids=roll.ids,
        labels=labels,
        classes=classes,
        sources=sources,
        source_names=source_names,
        groups=groups,
        copies=copies,
        content=None if models is None else models.content,
        leave_out=None if models is None else models.leave_out,
        tables={**tables, noted.family: noted} if noted else tables,
        probes=probes,
        vectors={"content": content},
        nearest=DenseNearest(vectors=content),
        seed=seed,
    )
    return Gathered(evidence=evidence, bad=tuple(roll.bad), notes=_notes(tape))


def _groups(tape: Tape, copies: NDArray[np.int64], seed: int, progress: Progress) -> NDArray[np.int64]:
    from mithridate.evidence.image.likeness import near_duplicates

    progress("near-duplicates", 0, None)
    groups = near_duplicates(tape.profiles, copies, seed)
    ends = np.concatenate([[0], np.cumsum(tape.counts[_LANDMARKS])])

    def codes(row: int) -> NDArray[np.int64]:
        return np.asarray(tape.codes[_LANDMARKS][int(ends[row]) : int(ends[row + 1])])

    # Small spectrograms of the same word are alike; only the same take shares its landmarks, too.
    for row in np.flatnonzero((groups != np.arange(len(groups))) & (groups != copies)).tolist():
        mine, other = codes(row), codes(int(groups[row]))
        if len(np.intersect1d(mine, other)) < max(_FEW, _SHARED * min(len(mine), len(other))):
            groups[row] = copies[row]
    return groups


def _notes(tape: Tape) -> tuple[str, ...]:
    if not tape.resampled:
        return ()
    return (
        f"{tape.resampled:,} sounds were brought to {tape.common_rate:,} Hz for content, landmarks and sweeps; tones "
        "and high bands were looked for in all of each",
    )
