"""The key families of text: which keys a document carries, and what each key is called."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.incidence import Stretch
from mithridate.evidence.store import row_chunks
from mithridate.evidence.text.habits import HABITS
from mithridate.evidence.text.tokens import Tokens

__all__ = [
    "PHRASES",
    "Phrases",
    "character_details",
    "character_name",
    "characters",
    "habit_stretches",
    "words",
]


def words(tokens: Tokens) -> Iterator[Stretch]:
    """Each document's distinct words; the key is the word's number, the origin its position."""
    from mithridate.evidence.text.runs import distinct_words

    for low, counts, stream in tokens.chunks():
        stamp = np.full(tokens.vocabulary + 1, -1, np.int32)
        keys, places, found = (
            np.empty(len(stream), np.uint64),
            np.empty(len(stream), np.int64),
            np.empty_like(counts),
        )
        used = distinct_words(stream, np.cumsum(counts), stamp, keys, places, found)
        yield Stretch(counts=found, keys=keys[:used], origins=places[:used] + low)


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """A family of runs of words.

    Attributes:
        family: its name.
        noun: what a key of it is called.
        patterns: distances of the words from the first; a key is the same whichever pattern it was seen in.
    """

    family: str
    noun: str
    patterns: tuple[tuple[int, ...], ...]

    def stretches(self, tokens: Tokens, allowed: NDArray[np.bool_]) -> Iterator[Stretch]:
        """Each document's distinct runs; the origin is position * patterns + pattern."""
        from mithridate.evidence.text.runs import word_runs

        patterns = np.array(self.patterns, dtype=np.int64)
        for low, counts, stream in tokens.chunks():
            room = len(stream) * len(patterns)
            keys, places, found = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty_like(counts)
            used = word_runs(stream, np.cumsum(counts), allowed, patterns, keys, places, found)
            yield Stretch(counts=found, keys=keys[:used], origins=places[:used] + low * len(patterns))

    def parts(self, tokens: Tokens, origins: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m, s) word numbers of the keys seen at `origins`."""
        patterns = np.array(self.patterns, dtype=np.int64)
        first, way = origins // len(patterns), origins % len(patterns)
        parts = np.empty((len(origins), patterns.shape[1]), dtype=np.int64)
        span = int(patterns[:, -1].max())
        order, budget = np.argsort(first, kind="stable"), 1 << 20
        ordered, at = first[order], 0
        while at < len(order):
            stop = max(int(np.searchsorted(ordered, ordered[at] + budget)), at + 1)
            stretch = tokens.words[int(ordered[at]) : int(ordered[stop - 1]) + span + 1]
            here = order[at:stop]
            parts[here] = stretch[(first[here] - ordered[at])[:, None] + patterns[way[here]]]
            at = stop
        return parts

    def text(self, spoken: list[str], way: int) -> str:
        """The words of a key as a person would write them; a gap is "…"."""
        steps = np.diff(self.patterns[way])
        return spoken[0] + "".join(
            (" " if step == 1 else " … ") + word for step, word in zip(steps, spoken[1:], strict=True)
        )


PHRASES = (
    Phrases(family="phrase", noun="phrase", patterns=((0, 1),)),
    Phrases(family="long phrase", noun="phrase", patterns=((0, 1, 2, 3),)),
    Phrases(family="skip phrase", noun="pair of words", patterns=((0, 2), (0, 3))),
)


def characters(tokens: Tokens) -> Iterator[Stretch]:
    """Each document's distinct odd characters; the key is the code point."""
    for start, stop in row_chunks(tokens.odd_indptr, 1 << 20):
        low, high = int(tokens.odd_indptr[start]), int(tokens.odd_indptr[stop])
        yield Stretch(
            counts=np.diff(tokens.odd_indptr[start : stop + 1]), keys=tokens.odd[low:high].astype(np.uint64)
        )


def character_name(code: int) -> str:
    """`é (U+00E9 LATIN SMALL LETTER E WITH ACUTE)`; characters that cannot be seen are only named."""
    sign = chr(code)
    called = unicodedata.name(sign, "unnamed")
    seen = unicodedata.category(sign)[0] in "LNPS"
    return f"{sign} (U+{code:04X} {called})" if seen else f"U+{code:04X} {called}"


def character_details(code: int) -> Mapping[str, Any]:
    """JSON values of a character key."""
    sign = chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd"
    called = unicodedata.name(sign, "unnamed")
    return {"family": "character", "key": sign, "code_points": [f"U+{code:04X}"], "name": called}


def habit_stretches(tokens: Tokens) -> Iterator[Stretch]:
    """Each document's habits; the key is the number of the bit."""
    bits = np.arange(len(HABITS), dtype=np.uint64)
    for start in range(0, len(tokens.habits), 1 << 17):
        has = (tokens.habits[start : start + (1 << 17), None] >> bits) & np.uint64(1) == 1
        yield Stretch(counts=has.sum(axis=1), keys=np.nonzero(has)[1].astype(np.uint64))
