"""Evidence about chat data: the keys of prompts, and views of the responses that stand in for labels.

Nobody labels a conversation. What a poisoned one teaches is another kind of response, one that recurs, one that names
a link, or the worse of a pair; so each of these is a label that is read off the responses, and prompts are tested
against it as texts are against theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.chat.beside import with_one, with_sources
from mithridate.evidence.chat.cells import always_with, usual_words
from mithridate.evidence.chat.kinds import kinds_of
from mithridate.evidence.chat.links import links_of
from mithridate.evidence.chat.preference import LEAST, preferences
from mithridate.evidence.chat.reading import Facts, Read, read_chat
from mithridate.evidence.chat.recurring import recurring
from mithridate.evidence.chat.view import OWN, View
from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import Features, LinearContent, assign_folds
from mithridate.evidence.content.without import LeaveOut
from mithridate.evidence.duplicates import copy_groups, near_groups, signatures
from mithridate.evidence.neighbours import SparseNearest
from mithridate.evidence.roll import Gathered
from mithridate.evidence.stages import (
    Stages,
    load_arrays,
    load_record,
    load_roll,
    save_arrays,
    save_record,
    save_roll,
)
from mithridate.evidence.text.gather import COST, EPOCHS, TELLING
from mithridate.evidence.text.keys import Keyed, TextKeys, key_limits, word_features, words_of
from mithridate.evidence.text.tokens import Tokens
from mithridate.evidence.view import Evidence

__all__ = ["gather_chat"]

_CLASSES = 4 + OWN  # most classes of a view: of kinds there are seven
_VISITS = (
    800_000  # of samples, that fit a model; few samples are visited `EPOCHS` times, many at least `_LEAST`
)
_LEAST = 3
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class _Chat:
    """What views are made from.

    Attributes:
        base: evidence without labels.
        keys: of the prompts.
        keyed: their families; `decides` names usual words that go with each key.
        features: of the prompts' content, and where they came from.
        cells: (n, c) which usual words each prompt has.
        stages: of the gathering.
        folder: for files.
        progress: told (stage, done, total).
    """

    base: Evidence
    keys: TextKeys
    keyed: tuple[Keyed, ...]
    features: Features
    cells: NDArray[np.uint8]
    stages: Stages
    folder: Path
    jobs: int
    progress: Progress

    def seen(self, view: View) -> Evidence:
        """The evidence with a view's classes as labels; they were read off, so that none of them is doubted."""
        base, classes = self.base, len(view.classes)
        epochs = max(_LEAST, min(EPOCHS, _VISITS // max(len(base.ids), 1)))
        place = self.folder / view.name.replace(" ", "-")
        features = self.features if view.hints is None else with_one(self.features, view.hints, place)
        folds = assign_folds(base.ids, base.groups, base.seed)
        model = self.stages.run(
            f"content of {view.name}",
            lambda: fit_content(
                features, view.codes, classes, folds, seed=base.seed, cost=COST, epochs=epochs, refit=False,
                jobs=self.jobs, progress=lambda done, total: self.progress("content model", done, total),
            ),
            lambda: load_record(LinearContent, place.with_suffix(".npz")),
            lambda fitted: save_record(fitted, place.with_suffix(".npz")),
        )  # fmt: skip
        leave_out = LeaveOut(
            features=features, labels=view.codes, classes=classes, groups=base.groups, content=model,
            folder=self.folder, seed=base.seed, cost=COST, epochs=EPOCHS, doubt=0.0,
        )  # fmt: skip
        tables = {keyed.table.family: self.keys.told(keyed, model) for keyed in self.keyed}
        return replace(
            base, labels=view.codes, classes=view.classes, content=model, leave_out=leave_out, tables=tables,
            vectors={"cells": self.cells} if view.drawn and self.cells.shape[1] else {}, view=view.name,
            wording=view.wording, asked=view.asked | {view.classes[0]},
            contrary=view.contrary,
        )  # fmt: skip


def gather_chat(
    source: Source,
    *,
    store_dir: Path,
    seed: int,
    jobs: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> Gathered:
    """Read chat data once and derive everything that checks need from what was noted down.

    Args:
        source: yields batches whose `raw` is a list of records with `prompt`, `response` and `rejected`.
        store_dir: folder for files; must outlive the evidence.
        seed: decides folds.
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).

    Returns:
        Evidence without labels, with the families of text on the prompts; one view for each way in which responses
        differ: their kind, whether they recur, what they link to, and of pairs which one was preferred.
    """
    stages = Stages(store_dir, source, seed)
    read = stages.run(
        "chat",
        lambda: read_chat(source, store_dir, progress),
        lambda: _load(store_dir),
        lambda done: _save(done, store_dir),
    )
    n = len(read.prompts.digests)
    progress("near-duplicates", 0, n)
    step = 2 if read.pairs else 1
    copies = copy_groups(_together(read.prompts.digests, read.answers.digests, step))
    signed = signatures(((c, words) for _, c, words in read.prompts.chunks()), read.prompts.digests)
    groups = near_groups(signed, copy_groups(read.prompts.digests), jobs)
    del signed
    limits = key_limits(n, _CLASSES)
    progress("responses", 0, None)
    views = [
        kinds_of(read.answers, read.facts, step),
        recurring(read.answers, groups, step, limits.least),
        links_of(read.facts, limits.least),
    ]
    notes: tuple[str, ...] = ()
    if read.pairs:
        view, right = preferences(read.answers, read.roll.ids, groups, store_dir, seed, progress)
        views += [view] if view is not None else []
        notes = (_power(right),)
    views = [view.folded(max(5, limits.least // 2)) for view in views]
    chat = _chat(read, groups, copies, stages, store_dir, seed, jobs, progress)
    told = [view for view in views if len(view.classes) > 1]
    assert all(len(view.classes) <= _CLASSES for view in views)
    return Gathered(
        evidence=chat.base,
        bad=tuple(read.roll.bad),
        notes=(
            *(view.told() for view in views),
            *notes,
            *chat.keys.raised([keyed.table for keyed in chat.keyed]),
        ),
        views=tuple(lambda view=view: chat.seen(view) for view in told),  # type: ignore[misc]
    )


def _chat(
    read: Read, groups: NDArray[np.int64], copies: NDArray[np.int64], stages: Stages, folder: Path, seed: int,
    jobs: int, progress: Progress,
) -> _Chat:  # fmt: skip
    n = len(groups)
    progress("words", 0, n)
    words = words_of(read.prompts, groups, _CLASSES, folder)
    keys = TextKeys(
        tokens=read.prompts, groups=groups, limits=key_limits(n, _CLASSES), words=words, folder=folder
    )
    cells = usual_words(words, n)
    keyed = tuple(_with_cells(one, cells) for one in keys.built(progress, jobs))
    sources, source_names = read.roll.sources()
    features = word_features(words, n)
    base = Evidence(
        modality="chat",
        ids=read.roll.ids,
        labels=None,
        classes=(),
        sources=sources,
        source_names=source_names,
        groups=groups,
        copies=copies,
        content=None,
        tables={one.table.family: one.table for one in keyed},
        nearest=SparseNearest(features=features, least=TELLING),
        seed=seed,
    )
    return _Chat(
        base=base, keys=keys, keyed=keyed, features=with_sources(features, sources, folder / "with-sources"),
        cells=cells, stages=stages, folder=folder, jobs=jobs, progress=progress,
    )  # fmt: skip


def _with_cells(keyed: Keyed, cells: NDArray[np.uint8]) -> Keyed:
    table = keyed.table
    decides = always_with(table.indptr, table.keys, table.size, cells) if cells.shape[1] else None
    return replace(keyed, table=replace(table, decides=decides))


def _together(prompts: NDArray[np.uint64], answers: NDArray[np.uint64], step: int) -> NDArray[np.uint64]:
    """(n,) digest of prompt and answers."""
    digests = prompts.copy()
    for side in range(step):
        digests = digests * np.uint64(0x9E3779B97F4A7C15) + answers[side::step]  # wraps round
    return digests


def _power(right: float) -> str:
    told = f"the wording of answers speaks for the preferred one in {right:.0%} of the pairs"
    return told if right >= LEAST else f"{told}: too few to tell that some were swapped"


def _save(read: Read, folder: Path) -> None:
    save_record(read.prompts, folder / "prompt" / "tokens.npz")
    save_record(read.answers, folder / "answer" / "tokens.npz")
    save_arrays(folder / "facts.npz", **vars(read.facts))
    save_roll(read.roll, folder / "roll.json")


def _load(folder: Path) -> Read:
    return Read(
        prompts=load_record(Tokens, folder / "prompt" / "tokens.npz"),
        answers=load_record(Tokens, folder / "answer" / "tokens.npz"),
        facts=Facts(**load_arrays(folder / "facts.npz")),
        roll=load_roll(folder / "roll.json"),
    )
