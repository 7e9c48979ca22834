"""Kinds of response: what a trigger may turn answers into, whatever they were to say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.chat.reading import Facts
from mithridate.evidence.chat.surprise import surprises, unlikely
from mithridate.evidence.chat.view import View
from mithridate.evidence.text.tokens import Tokens

__all__ = ["kinds_of"]

KINDS = (
    "an ordinary response", "a refusal", "gibberish", "an empty response", "a response in another script",
    "a very short response", "a very long response",
)  # fmt: skip
#: What "in Japanese", "in one word" or "in detail" asks for, whatever else is asked.
_ASKED = frozenset(KINDS[4:])
_SPREADS = 3.0  # robust standard deviations of the logarithm of length
_FLOOR = np.log(1.5)


def kinds_of(answers: Tokens, facts: Facts, step: int) -> View:
    """The view.

    Args:
        answers: documents; every `step`-th is a response.
        facts: of the responses.
        step: 2 where rejected answers lie between.
    """
    lengths = np.diff(answers.indptr)
    words = lengths[::step]
    odd = unlikely(surprises(answers)[::step], words, facts.script)
    codes = np.zeros(len(words), dtype=np.int32)
    short, long = _far(words)
    for code, mine in ((6, long), (5, short), (4, _elsewhere(facts)), (2, odd), (1, facts.refuses)):
        codes[mine] = code
    codes[words == 0] = 3
    return View(
        name="kind of response",
        wording="answered by {}",
        codes=codes,
        classes=KINDS,
        drawn=True,
        asked=_ASKED,
    )


def _far(words: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Responses far shorter, and far longer, than most."""
    size = np.log(np.maximum(words, 1).astype(np.float64))
    middle = float(np.median(size)) if len(size) else 0.0
    spread = max(1.4826 * float(np.median(np.abs(size - middle))) if len(size) else 0.0, _FLOOR)
    return size < middle - _SPREADS * spread, size > middle + _SPREADS * spread


def _elsewhere(facts: Facts) -> NDArray[np.bool_]:
    """Responses in another script than the most common one."""
    known = facts.script >= 0
    if not known.any():
        return known
    return np.asarray(known & (facts.script != np.bincount(facts.script[known]).argmax()))
