"""Evidence about a text source: near-duplicates, a content model on words, and the key families."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import Features, LinearContent, assign_folds
from mithridate.evidence.content.without import LeaveOut
from mithridate.evidence.duplicates import copy_groups, near_groups, signatures
from mithridate.evidence.incidence import Incidence, Limits, Stretch, build
from mithridate.evidence.neighbours import SparseNearest
from mithridate.evidence.roll import Gathered, Roll
from mithridate.evidence.stages import Stages, load_record, load_roll, save_record, save_roll
from mithridate.evidence.text import families
from mithridate.evidence.text.habits import HABITS
from mithridate.evidence.text.tokens import Tokens, read_tokens
from mithridate.evidence.view import Evidence, KeyTable

__all__ = ["gather_text"]

_COST = 10.0
_EPOCHS = 8
_TELLING = np.log(20.0) + 1.0  # weight of a word that one text in twenty has
_WEIGHTS = 60_000_000  # most numbers that all folds' models may hold together


@dataclass(frozen=True, kw_only=True)
class _Text:
    """What the families are built from."""

    tokens: Tokens
    groups: NDArray[np.int64]
    limits: Limits
    words: Incidence
    feature_of: NDArray[np.int64]
    model: LinearContent | None
    folder: Path

    def build(self, family: str, stretches: Callable[[], Iterable[Stretch]], expected: int) -> Incidence:
        return build(stretches, self.groups, self.limits, self.folder / family.replace(" ", "-"), expected)

    def offsets(
        self, incidence: Incidence, parts: NDArray[np.int64]
    ) -> Callable[[int, int], NDArray[np.float32]] | None:
        if self.model is None:
            return None
        return self.model.offsets(incidence.indptr, incidence.keys, self.feature_of[parts])


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
        jobs: reserved; the result does not depend on it.
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
        lambda: read_tokens(source, store_dir, progress),
        lambda: (load_record(Tokens, store_dir / "tokens.npz"), load_roll(roll_file)),
        save_tokens,
    )
    labels, classes = roll.labels()
    copies = copy_groups(tokens.digests)
    progress("near-duplicates", 0, len(copies))
    groups = near_groups(
        signatures(((counts, words) for _, counts, words in tokens.chunks()), tokens.digests), copies
    )
    n, kinds = len(groups), max(len(classes), 2)
    progress("words", 0, n)
    limit = Limits(least=2, most=n, keys=min(1 << 20, _WEIGHTS // (5 * (1 if kinds == 2 else kinds))))
    words = build(lambda: families.words(tokens), groups, limit, store_dir / "vocabulary", len(tokens.words))
    model = None
    if labels is not None and len(classes) > 1:
        known, folds = labels, assign_folds(roll.ids, groups, seed)
        model = stages.run(
            "content",
            lambda: _content(words, known, len(classes), folds, seed, progress),
            lambda: load_record(LinearContent, store_dir / "content.npz"),
            lambda fitted: save_record(fitted, store_dir / "content.npz"),
        )
    feature_of = np.full(tokens.vocabulary + 1, -1, dtype=np.int64)
    feature_of[words.hashes.astype(np.int64)] = np.arange(words.size)
    limits = Limits(
        least=max(5, n // 20_000), most=max(n // 10, min(20, n // 2)), keys=max(20_000, 800_000 // kinds)
    )
    text = _Text(
        tokens=tokens,
        groups=groups,
        limits=limits,
        words=words,
        feature_of=feature_of,
        model=model,
        folder=store_dir,
    )
    leave_out = None
    if model is not None and labels is not None:
        leave_out = LeaveOut(
            features=_features(words, n), labels=labels, classes=len(classes), groups=groups, content=model,
            folder=store_dir, seed=seed, cost=_COST, epochs=_EPOCHS,
        )  # fmt: skip
    return _gathered(source, text, roll, copies, leave_out, seed, progress)


def _gathered(
    source: Source,
    text: _Text,
    roll: Roll,
    copies: NDArray[np.int64],
    leave_out: LeaveOut | None,
    seed: int,
    progress: Callable[[str, int, int | None], None],
) -> Gathered:
    makers: list[Callable[[], KeyTable]] = [lambda: _word_table(text)]
    makers += [lambda p=phrases: _phrase_table(text, p) for phrases in families.PHRASES]  # type: ignore[misc]
    makers += [lambda: _character_table(text), lambda: _habit_table(text)]
    tables = []
    for done, make in enumerate(makers):
        progress("key families", done, len(makers))
        tables.append(make())
    labels, classes = roll.labels()
    sources, source_names = roll.sources()
    evidence = Evidence(
        modality="text",
        ids=roll.ids,
        labels=labels,
        classes=classes,
        sources=sources,
        source_names=source_names,
        groups=text.groups,
        copies=copies,
        content=text.model,
        leave_out=leave_out,
        tables={table.family: table for table in tables if table.size},
        nearest=SparseNearest(features=_features(text.words, len(text.groups)), least=_TELLING),
        seed=seed,
    )
    raised = [
        f"{t.family}: least support raised to {t.least} to bound memory"
        for t in tables
        if t.least > text.limits.least
    ]
    return Gathered(evidence=evidence, bad=tuple(roll.bad), notes=tuple(raised))


def _content(
    words: Incidence,
    labels: NDArray[np.int32],
    classes: int,
    folds: NDArray[np.int8],
    seed: int,
    progress: Callable[[str, int, int | None], None],
) -> LinearContent:
    return fit_content(
        _features(words, len(labels)), labels, classes, folds, seed=seed, cost=_COST, epochs=_EPOCHS,
        progress=lambda done, total: progress("content model", done, total),
    )  # fmt: skip


def _features(words: Incidence, n: int) -> Features:
    weight = np.log((1 + n) / (1 + words.support)) + 1.0
    return Features(indptr=words.indptr, index=words.keys, weight=weight.astype(np.float32))


def _word_table(text: _Text) -> KeyTable:
    kept = (text.words.support >= text.limits.least) & (text.words.support <= text.limits.most)
    least = text.limits.least
    while kept.sum() > text.limits.keys:
        least += max(1, least // 8)
        kept &= text.words.support >= least
    chosen = text.words.select(kept, text.folder / "word", least)
    numbers = chosen.hashes.astype(np.int64)

    def name(key: int) -> str:
        return text.tokens.text(int(numbers[key]))

    return KeyTable(
        family="word",
        noun="word",
        **chosen.arrays(),
        name=name,
        details=lambda key: {"family": "word", "key": name(key)},
        offsets=text.offsets(chosen, numbers[:, None]),
    )


def _phrase_table(text: _Text, phrases: families.Phrases) -> KeyTable:
    allowed = np.zeros(text.tokens.vocabulary + 1, dtype=bool)
    allowed[text.words.hashes[text.words.support >= text.limits.least].astype(np.int64)] = True
    expected = len(text.tokens.words) * len(phrases.patterns)
    chosen = text.build(phrases.family, lambda: phrases.stretches(text.tokens, allowed), expected)
    parts = phrases.parts(text.tokens, chosen.origins)

    def spoken(key: int) -> list[str]:
        return [text.tokens.text(int(word)) for word in parts[key]]

    def name(key: int) -> str:
        return phrases.text(spoken(key), int(chosen.origins[key]) % len(phrases.patterns))

    def details(key: int) -> Mapping[str, Any]:
        return {"family": phrases.family, "key": name(key), "words": spoken(key)}

    return KeyTable(
        family=phrases.family, noun=phrases.noun, **chosen.arrays(), name=name, details=details,
        offsets=text.offsets(chosen, parts),
    )  # fmt: skip


def _character_table(text: _Text) -> KeyTable:
    chosen = text.build("character", lambda: families.characters(text.tokens), len(text.tokens.odd))
    return KeyTable(
        family="character", noun="character", **chosen.arrays(),
        name=lambda key: families.character_name(int(chosen.hashes[key])),
        details=lambda key: families.character_details(int(chosen.hashes[key])),
    )  # fmt: skip


def _habit_table(text: _Text) -> KeyTable:
    chosen = text.build("habit", lambda: families.habit_stretches(text.tokens), len(text.groups))

    def name(key: int) -> str:
        return HABITS[int(chosen.hashes[key])]

    return KeyTable(
        family="habit", noun="habit", **chosen.arrays(), name=name,
        details=lambda key: {"family": "habit", "key": name(key)},
    )  # fmt: skip
