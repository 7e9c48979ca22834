"""Compiled kernels that turn token streams into keys: distinct words, and runs of words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled
from mithridate.evidence.counting import mix

__all__ = ["distinct_words", "word_runs"]


@compiled
def distinct_words(
    tokens: NDArray[np.int32],
    ends: NDArray[np.int64],
    stamp: NDArray[np.int32],
    keys: NDArray[np.uint64],
    places: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> int:
    """Fill `keys` with each document's words, `places` with where each stands first; return how many."""
    filled, start = 0, 0
    for d in range(len(ends)):
        before = filled
        for i in range(start, ends[d]):
            if stamp[tokens[i]] != d:
                stamp[tokens[i]] = d
                keys[filled], places[filled] = tokens[i], i
                filled += 1
        counts[d] = filled - before
        start = ends[d]
    return filled


@compiled
def word_runs(
    tokens: NDArray[np.int32],
    ends: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    patterns: NDArray[np.int64],
    keys: NDArray[np.uint64],
    places: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> int:
    """Fill `keys` with each document's distinct runs, `places` with position * patterns + pattern.

    Args:
        tokens: (t,) word numbers of all documents.
        ends: (b,) where each document ends.
        allowed: (words,) False for words too rare to be part of a key.
        patterns: (r, s) ascending distances from the first word; the first column is 0.
        keys: (t * r,) filled.
        places: (t * r,) filled.
        counts: (b,) filled with keys per document.

    Returns:
        Number of keys.
    """
    ways, span = patterns.shape
    longest = 0
    for d in range(len(ends)):
        longest = max(longest, ends[d] - (ends[d - 1] if d > 0 else 0))
    size = 16
    while size < 2 * ways * longest:
        size *= 2
    seen, owner = np.empty(size, np.uint64), np.full(size, -1, np.int32)
    filled, start = 0, 0
    for d in range(len(ends)):
        end, before = ends[d], filled
        room = 16
        while room < 2 * ways * (end - start):
            room *= 2
        mask = np.uint64(room - 1)
        for i in range(start, end):
            for r in range(ways):
                if i + patterns[r, span - 1] >= end:
                    continue
                key, usable = np.uint64(span), True
                for s in range(span):
                    token = tokens[i + patterns[r, s]]
                    usable = usable and allowed[token]
                    key = mix(key ^ np.uint64(token + 1))
                if not usable:
                    continue
                at = key & mask
                while owner[at] == d and seen[at] != key:
                    at = (at + np.uint64(1)) & mask
                if owner[at] != d:
                    owner[at], seen[at] = d, key
                    keys[filled], places[filled] = key, i * ways + r
                    filled += 1
        counts[d] = filled - before
        start = end
    return filled
