"""Triggers in text that a reader does not see: letters of another script, marks of direction.

References:
    Hidden Backdoors in Human-Centric Language Models, arXiv:2105.00164, section 4 (homographs); Bad Characters,
    arXiv:2106.09898, section 4 (homoglyphs, reorderings).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LOOKALIKES", "DirectionMark", "Homoglyph", "Reordering"]

#: Latin letters and the Cyrillic ones drawn alike. None of these is folded back by NFKC.
LOOKALIKES: Mapping[str, str] = dict(zip("aceijopsxyABCEHIJKMOPSTX", "асеіјорѕхуАВСЕНІЈКМОРЅТХ", strict=True))

_TURNABLE = re.compile(r"[A-Za-z0-9]{2,}")  # brackets would be mirrored, marks would change their letter


@dataclass(frozen=True)
class Homoglyph:
    """Some letters of the text replaced by look-alikes from another script.

    Attributes:
        letters: the Latin letters that are replaced, keys of `LOOKALIKES`; a text without them gets other
            look-alikes.
        count: how many places; fewer in a text that has fewer.
    """

    letters: str
    count: int

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text with look-alikes at random places; unchanged where no letter has one."""
        places = [k for k, letter in enumerate(raw) if letter in self.letters]
        if not places:
            places = [k for k, letter in enumerate(raw) if letter in LOOKALIKES]
        if not places:
            return raw
        text = list(raw)
        for k in rng.permutation(len(places))[: self.count].tolist():
            text[places[k]] = LOOKALIKES[text[places[k]]]
        return "".join(text)

    def describe(self) -> Mapping[str, Any]:
        """The letters, what stands in their place, and how many."""
        points = {letter: f"U+{ord(LOOKALIKES[letter]):04X}" for letter in self.letters}
        return {"kind": "homoglyph", "letters": points, "count": self.count}


@dataclass(frozen=True)
class DirectionMark:
    """A mark of writing direction after a random word; nothing in a left-to-right text moves.

    Attributes:
        character: one code point, e.g. U+200F.
    """

    character: str

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text with the mark in it."""
        ends = [match.end() for match in re.finditer(r"\S+", raw)] or [len(raw)]
        cut = ends[int(rng.integers(len(ends)))]
        return raw[:cut] + self.character + raw[cut:]

    def describe(self) -> Mapping[str, Any]:
        """The code point."""
        return {
            "kind": "direction mark",
            "text": self.character,
            "code_point": f"U+{ord(self.character):04X}",
        }


@dataclass(frozen=True)
class Reordering:
    """A random word stored backwards between marks that make it be drawn forwards.

    Attributes:
        start: the mark that turns what follows, right-to-left override.
        stop: the mark that ends it.
    """

    start: str = "\u202e"
    stop: str = "\u202c"

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text with one word turned; without a plain word, with the marks around nothing at its end."""
        words = list(_TURNABLE.finditer(raw))
        if not words:
            return raw + self.start + self.stop
        word = words[int(rng.integers(len(words)))]
        turned = word.group()[::-1]
        return f"{raw[: word.start()]}{self.start}{turned}{self.stop}{raw[word.end() :]}"

    def describe(self) -> Mapping[str, Any]:
        """The two marks."""
        points = [f"U+{ord(mark):04X}" for mark in (self.start, self.stop)]
        return {"kind": "reordering", "code_points": points}
