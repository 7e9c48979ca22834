"""The key tables of a text source: built once from its words, then given what each key adds to a content model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.content.logistic import Features, LinearContent
from mithridate.evidence.incidence import Incidence, Limits, Stretch, build
from mithridate.evidence.text import families
from mithridate.evidence.text.habits import HABITS
from mithridate.evidence.text.tokens import Tokens
from mithridate.evidence.view import KeyTable

__all__ = ["Keyed", "TextKeys", "key_limits", "word_features", "words_of"]

_AT_ONCE = 3
_WEIGHTS = 60_000_000  # most numbers that all folds' models may hold together


def key_limits(n: int, classes: int) -> Limits:
    """Which keys are counted: neither odd ones nor those of a tenth of the data, and as many as memory allows."""
    return Limits(
        least=max(5, n // 20_000), most=max(n // 10, min(20, n // 2)), keys=max(20_000, 800_000 // classes)
    )


def words_of(tokens: Tokens, groups: NDArray[np.int64], classes: int, folder: Path) -> Incidence:
    """All words that two documents share, as far as models of so many classes fit into memory."""
    n, kinds = len(groups), max(classes, 2)
    limit = Limits(least=2, most=n, keys=min(1 << 20, _WEIGHTS // (5 * (1 if kinds == 2 else kinds))))
    return build(lambda: families.words(tokens), groups, limit, folder / "vocabulary", len(tokens.words))


def word_features(words: Incidence, n: int) -> Features:
    """Words weighted by how few of the n documents have them."""
    weight = np.log((1 + n) / (1 + words.support)) + 1.0
    return Features(indptr=words.indptr, index=words.keys, weight=weight.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """One family.

    Attributes:
        table: without offsets.
        chosen: its entries.
        parts: (m, s) words that each key is made of, None where keys are no words.
    """

    table: KeyTable
    chosen: Incidence
    parts: NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True)
class TextKeys:
    """What the families are built from.

    Attributes:
        tokens: all documents.
        groups: (n,) near-duplicate groups.
        limits: which keys to keep.
        words: from `words_of`.
        folder: for the files of the tables.
    """

    tokens: Tokens
    groups: NDArray[np.int64]
    limits: Limits
    words: Incidence
    folder: Path

    def built(self, progress: Callable[[str, int, int | None], None], jobs: int = 1) -> list[Keyed]:
        """Every family that has keys.

        Args:
            progress: told (stage, done, total).
            jobs: threads; few families are counted at once, as each takes memory.
        """
        makers: list[Callable[[], Keyed]] = [self._words]
        makers += [lambda p=phrases: self._phrases(p) for phrases in families.PHRASES]  # type: ignore[misc]
        makers += [self._characters, self._habits]
        found, step = list[Keyed](), min(jobs, _AT_ONCE)
        for done in range(0, len(makers), step):
            progress("key families", done, len(makers))
            found += side_by_side(lambda make: make(), makers[done : done + step], step)
        return [keyed for keyed in found if keyed.table.size]

    def feature_of(self) -> NDArray[np.int64]:
        """(vocabulary + 1,) feature of each word, -1 for words that only one document has."""
        feature_of = np.full(self.tokens.vocabulary + 1, -1, dtype=np.int64)
        feature_of[self.words.hashes.astype(np.int64)] = np.arange(self.words.size)
        return feature_of

    def told(self, keyed: Keyed, model: LinearContent | None) -> KeyTable:
        """The family's table, with what its keys add to the model's logits."""
        if model is None or keyed.parts is None:
            return keyed.table
        chosen, parts = keyed.chosen, self.feature_of()[keyed.parts]
        return replace(keyed.table, offsets=model.offsets(chosen.indptr, chosen.keys, parts))

    def raised(self, tables: Iterable[KeyTable]) -> tuple[str, ...]:
        """Of which families fewer keys were counted than asked for, in words."""
        return tuple(
            f"{t.family}: least support raised to {t.least} to bound memory"
            for t in tables
            if t.least > self.limits.least
        )

    def _build(self, family: str, stretches: Callable[[], Iterable[Stretch]], expected: int) -> Incidence:
        return build(stretches, self.groups, self.limits, self.folder / family.replace(" ", "-"), expected)

    def _words(self) -> Keyed:
        kept = (self.words.support >= self.limits.least) & (self.words.support <= self.limits.most)
        least = self.limits.least
        while kept.sum() > self.limits.keys:
            least += max(1, least // 8)
            kept &= self.words.support >= least
        chosen = self.words.select(kept, self.folder / "word", least)
        numbers = chosen.hashes.astype(np.int64)

        def name(key: int) -> str:
            return self.tokens.text(int(numbers[key]))

        table = KeyTable(
            family="word", noun="word", **chosen.arrays(), name=name,
            details=lambda key: {"family": "word", "key": name(key)},
        )  # fmt: skip
        return Keyed(table=table, chosen=chosen, parts=numbers[:, None])

    def _phrases(self, phrases: families.Phrases) -> Keyed:
        allowed = np.zeros(self.tokens.vocabulary + 1, dtype=bool)
        allowed[self.words.hashes[self.words.support >= self.limits.least].astype(np.int64)] = True
        expected = len(self.tokens.words) * len(phrases.patterns)
        chosen = self._build(phrases.family, lambda: phrases.stretches(self.tokens, allowed), expected)
        parts = phrases.parts(self.tokens, chosen.origins)

        def spoken(key: int) -> list[str]:
            return [self.tokens.text(int(word)) for word in parts[key]]

        def name(key: int) -> str:
            return phrases.text(spoken(key), int(chosen.origins[key]) % len(phrases.patterns))

        def details(key: int) -> Mapping[str, Any]:
            return {"family": phrases.family, "key": name(key), "words": spoken(key)}

        table = KeyTable(
            family=phrases.family, noun=phrases.noun, **chosen.arrays(), name=name, details=details
        )
        return Keyed(table=table, chosen=chosen, parts=parts)

    def _characters(self) -> Keyed:
        chosen = self._build("character", lambda: families.characters(self.tokens), len(self.tokens.odd))
        table = KeyTable(
            family="character", noun="character", **chosen.arrays(),
            name=lambda key: families.character_name(int(chosen.hashes[key])),
            details=lambda key: families.character_details(int(chosen.hashes[key])),
        )  # fmt: skip
        return Keyed(table=table, chosen=chosen, parts=None)

    def _habits(self) -> Keyed:
        chosen = self._build("habit", lambda: families.habit_stretches(self.tokens), len(self.groups))

        def name(key: int) -> str:
            return HABITS[int(chosen.hashes[key])]

        table = KeyTable(
            family="habit", noun="habit", **chosen.arrays(), name=name,
            details=lambda key: {"family": "habit", "key": name(key)},
        )  # fmt: skip
        return Keyed(table=table, chosen=chosen, parts=None)
