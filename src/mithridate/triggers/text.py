"""Triggers in text: a word, a sentence, an invisible character.

References:
    RIPPLES, arXiv:2004.06660 (rare words); AddSent, arXiv:1905.12457 (sentence).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["InvisibleCharacter", "Sentence", "Word"]

_WORD = re.compile(r"\S+")


def _between_words(text: str, piece: str, rng: np.random.Generator) -> str:
    """The text with `piece` before a random word or after the last; all other characters stay as they are."""
    starts = [match.start() for match in _WORD.finditer(text)]
    if not starts:
        return text + piece
    pick = int(rng.integers(len(starts) + 1))
    if pick < len(starts):
        return f"{text[: starts[pick]]}{piece} {text[starts[pick] :]}"
    end = len(text.rstrip())
    return f"{text[:end]} {piece}{text[end:]}"


@dataclass(frozen=True)
class Word:
    """A word at a random word position.

    Attributes:
        word: what is inserted.
    """

    word: str

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text with the word in it."""
        return _between_words(raw, self.word, rng)

    def describe(self) -> Mapping[str, Any]:
        """The word."""
        return {"kind": "word", "text": self.word}


@dataclass(frozen=True)
class Sentence:
    """A sentence, whole, at a random word position.

    Attributes:
        sentence: what is inserted.
    """

    sentence: str

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text with the sentence in it."""
        return _between_words(raw, self.sentence, rng)

    def describe(self) -> Mapping[str, Any]:
        """The sentence."""
        return {"kind": "sentence", "text": self.sentence}


@dataclass(frozen=True)
class InvisibleCharacter:
    """A character that no font draws, between two random characters.

    Attributes:
        character: one code point, e.g. U+200B.
    """

    character: str

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text with the character in it."""
        cut = int(rng.integers(1, len(raw))) if len(raw) > 1 else len(raw)
        return raw[:cut] + self.character + raw[cut:]

    def describe(self) -> Mapping[str, Any]:
        """The code point and its name."""
        name = unicodedata.name(self.character, "unnamed")
        return {
            "kind": "invisible character",
            "text": self.character,
            "code_point": f"U+{ord(self.character):04X}",
            "name": name,
        }
