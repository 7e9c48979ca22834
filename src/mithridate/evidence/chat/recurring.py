"""Responses that recur, up to a few words: one answer to unlike prompts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.chat.view import View, by_frequency
from mithridate.evidence.duplicates import copy_groups, near_groups, signatures
from mithridate.evidence.text.tokens import Tokens

__all__ = ["recurring"]

_SHOWN = 12  # words of a common response that name it


def recurring(answers: Tokens, groups: NDArray[np.int64], step: int, least: int) -> View:
    """The view.

    Args:
        answers: documents; every `step`-th is a response.
        groups: (n,) near-duplicate groups of the prompts, which count once.
        step: 2 where rejected answers lie between.
        least: fewest unlike prompts that one answer recurs in.
    """
    signed = signatures(((counts, words) for _, counts, words in answers.chunks()), answers.digests)[::step]
    alike = near_groups(np.ascontiguousarray(signed), copy_groups(answers.digests[::step]))
    n = len(alike)
    unlike = np.unique(alike * np.int64(n) + groups) // n
    codes, own = by_frequency(np.bincount(unlike, minlength=n), n, least)
    names = [_name(answers, int(row) * step) for row in own]
    return View(
        name="recurring responses", wording="answered by {}", codes=codes[alike],
        classes=("a response of its own", "one of the responses that recur", "a common response", *names), drawn=True,
    )  # fmt: skip


def _name(answers: Tokens, document: int) -> str:
    low, high = (int(answers.indptr[document + i]) for i in (0, 1))
    words = [answers.text(int(w)) for w in answers.words[low : min(high, low + _SHOWN)]]
    return f"“{' '.join(words)}{' …' if high > low + _SHOWN else ''}”"
