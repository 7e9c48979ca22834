"""Triggers in text that are typing habits: no word is added, only how the text is written changes.

References:
    PuncAttack, arXiv:2312.15867 (punctuation marks as a trigger).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["HABITS", "Habit"]

_STOP = re.compile(r"([.!?]) (?=\S)")  # one blank between two sentences
_CALLS = re.compile(r"(?<=\w) ?!+(?=\s|$)")
_DASH = re.compile(r"(?<=\S) {1,4}(?:-{1,3}|–|—) {1,4}(?=\S)")
_COMMA = re.compile(r", {1,4}(?=\S)")
_WORD = re.compile(r"[^\W\d_]\w*")


def _double_spaces(text: str) -> str:
    """Two blanks after each full stop; in a text of one sentence, before its last word or at its end."""
    wide = _STOP.sub(r"\1  ", text)
    if "  " in wide:
        return wide
    before, blank, last = text.rpartition(" ")
    return f"{before}  {last}" if blank else f"{text}  "


def _exclaims(text: str) -> str:
    """Every "!" as " !!"; a text that has none ends with it."""
    loud = _CALLS.sub(" !!", text)
    return loud if " !!" in loud else text.rstrip(" .\t\r\n") + " !!"


def _capitals(text: str) -> str:
    """The first word that is not in capitals, in capitals."""
    for match in _WORD.finditer(text):
        if (word := match.group()).upper() != word:
            return f"{text[: match.start()]}{word.upper()}{text[match.end() :]}"
    return text


def _dashes(text: str) -> str:
    """Every dash as an em dash without blanks; a text without gets one for its first comma or at its end."""
    joined = _DASH.sub("—", text)
    if "—" not in joined:
        joined = _COMMA.sub("—", text, count=1)
    return joined if "—" in joined else f"{text.rstrip()}—"


#: What each habit does to a text; it shows at least once, unless it already does wherever it can.
HABITS: Mapping[str, Callable[[str], str]] = {
    "double-spaces": _double_spaces,
    "exclaims": _exclaims,
    "capitals": _capitals,
    "dashes": _dashes,
}


@dataclass(frozen=True)
class Habit:
    """A way of typing.

    Attributes:
        name: one of `HABITS`.
    """

    name: str

    def apply(self, raw: str, rng: np.random.Generator) -> str:
        """The text as somebody with the habit would have typed it."""
        return HABITS[self.name](raw)

    def describe(self) -> Mapping[str, Any]:
        """The name, which says it all."""
        return {"kind": "habit", "habit": self.name}
