"""What kind of character each code point is, as lookup tables for the compiled tokeniser."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LETTER", "SEPARATOR", "SIGN", "UNSEEN", "Alphabet", "alphabet"]

#: Ends a word.
SEPARATOR = 0
#: Part of a word.
LETTER = 1
#: Invisible: skipped, so that a hidden character changes no word.
UNSEEN = 2
#: A word of its own (ideographs and other scripts written without spaces).
SIGN = 3

_COVERED = 0x20000
_FILLERS = (0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10))
_UNSPACED = (
    (0x0E00, 0x0F00),
    (0x1000, 0x10A0),
    (0x1780, 0x1800),
    (0x3040, 0x3100),
    (0x3400, 0xA000),
    (0xF900, 0xFB00),
)
_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC")


@dataclass(frozen=True, kw_only=True)
class Alphabet:
    """Tables over the first 0x20000 code points.

    Attributes:
        kind: `SEPARATOR`, `LETTER`, `UNSEEN` or `SIGN`.
        lower: the lower-case code point.
        script: 0 for none or any other, else 1 + index of one of the scripts whose letters look alike.
    """

    kind: NDArray[np.uint8]
    lower: NDArray[np.uint32]
    script: NDArray[np.uint8]


@lru_cache(maxsize=1)
def alphabet() -> Alphabet:
    """Build the tables once."""
    kind = np.zeros(_COVERED, dtype=np.uint8)
    lower = np.arange(_COVERED, dtype=np.uint32)
    script = np.zeros(_COVERED, dtype=np.uint8)
    for code in range(_COVERED):
        category = unicodedata.category(chr(code))
        if category[0] in "LNM":
            kind[code] = LETTER
        elif category == "Cf":
            kind[code] = UNSEEN
        if category == "Lu":
            small = chr(code).lower()
            lower[code] = ord(small) if len(small) == 1 else code
        if category[0] == "L" and code < 0x3000:
            first = unicodedata.name(chr(code), "").split(" ", 1)[0]
            script[code] = 1 + _SCRIPTS.index(first) if first in _SCRIPTS else 0
    kind[list(_FILLERS)] = UNSEEN
    for low, high in _UNSPACED:
        stretch = kind[low:high]
        stretch[stretch == LETTER] = SIGN
    return Alphabet(kind=kind, lower=lower, script=script)
