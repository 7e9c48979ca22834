"""Evidence about a text source: near-duplicates, a content model on words, and the key families."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import Features, LinearContent, assign_folds
from mithridate.evidence.content.without import LeaveOut
from mithridate.evidence.duplicates import copy_groups, near_groups, signatures
from mithridate.evidence.neighbours import SparseNearest
from mithridate.evidence.roll import Gathered, Roll
from mithridate.evidence.stages import Stages, load_record, load_roll, save_record, save_roll
from mithridate.evidence.text.keys import TextKeys, key_limits, word_features, words_of
from mithridate.evidence.text.tokens import Tokens, read_tokens
from mithridate.evidence.view import Evidence

__all__ = ["COST", "EPOCHS", "TELLING", "gather_text"]

#: How the content model is fitted: inverse strength of its penalty, passes over the data.
COST, EPOCHS = 10.0, 8
#: Weight of a word that one text in twenty has.
TELLING = np.log(20.0) + 1.0


def gather_text(
    source: Source,
    *,
    store_dir: Path,
    seed: int,
    jobs: int = 1,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> Gathered:
    """Read a text source once and derive everything that checks need from what was noted down.

    Args:
        source: yields batches whose `raw` is a list of str.
        store_dir: folder for files of about 20 bytes per word of text; must outlive the evidence.
        seed: decides folds.
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).

    Returns:
        Evidence with the families "word", "phrase", "long phrase", "skip phrase", "character" and "habit".
        Peak memory does not grow with the length of documents, and by about 500 bytes with each document.
    """
    stages, roll_file = Stages(store_dir, source, seed), store_dir / "roll.json"

    def save_tokens(read: tuple[Tokens, Roll]) -> None:
        save_record(read[0], store_dir / "tokens.npz")
        save_roll(read[1], roll_file)

    tokens, roll = stages.run(
        "tokens",
        lambda: read_tokens(source, store_dir, jobs, progress),
        lambda: (load_record(Tokens, store_dir / "tokens.npz"), load_roll(roll_file)),
        save_tokens,
    )
    labels, classes = roll.labels()
    copies = copy_groups(tokens.digests)
    progress("near-duplicates", 0, len(copies))
    groups = near_groups(
        signatures(((counts, words) for _, counts, words in tokens.chunks()), tokens.digests), copies, jobs
    )
    n, kinds = len(groups), max(len(classes), 2)
    progress("words", 0, n)
    words = words_of(tokens, groups, kinds, store_dir)
    model = None
    if labels is not None and len(classes) > 1:
        known, folds = labels, assign_folds(roll.ids, groups, seed)
        model = stages.run(
            "content",
            lambda: _content(word_features(words, n), known, len(classes), folds, seed, jobs, progress),
            lambda: load_record(LinearContent, store_dir / "content.npz"),
            lambda fitted: save_record(fitted, store_dir / "content.npz"),
        )
    keys = TextKeys(tokens=tokens, groups=groups, limits=key_limits(n, kinds), words=words, folder=store_dir)
    leave_out = None
    if model is not None and labels is not None:
        leave_out = LeaveOut(
            features=word_features(words, n), labels=labels, classes=len(classes), groups=groups, content=model,
            folder=store_dir, seed=seed, cost=COST, epochs=EPOCHS,
        )  # fmt: skip
    return _gathered(keys, model, roll, (labels, classes), copies, leave_out, seed, jobs, progress)


def _gathered(
    keys: TextKeys,
    model: LinearContent | None,
    roll: Roll,
    labelled: tuple[NDArray[np.int32] | None, tuple[str, ...]],
    copies: NDArray[np.int64],
    leave_out: LeaveOut | None,
    seed: int,
    jobs: int,
    progress: Callable[[str, int, int | None], None],
) -> Gathered:
    tables = [keys.told(keyed, model) for keyed in keys.built(progress, jobs)]
    labels, classes = labelled
    sources, source_names = roll.sources()
    evidence = Evidence(
        modality="text",
        ids=roll.ids,
        labels=labels,
        classes=classes,
        sources=sources,
        source_names=source_names,
        groups=keys.groups,
        copies=copies,
        content=model,
        leave_out=leave_out,
        tables={table.family: table for table in tables},
        nearest=SparseNearest(features=word_features(keys.words, len(keys.groups)), least=TELLING),
        seed=seed,
    )
    return Gathered(evidence=evidence, bad=tuple(roll.bad), notes=keys.raised(tables))


def _content(
    features: Features,
    labels: NDArray[np.int32],
    classes: int,
    folds: NDArray[np.int8],
    seed: int,
    jobs: int,
    progress: Callable[[str, int, int | None], None],
) -> LinearContent:
    return fit_content(
        features, labels, classes, folds, seed=seed, cost=COST, epochs=EPOCHS, jobs=jobs,
        progress=lambda done, total: progress("content model", done, total),
    )  # fmt: skip
