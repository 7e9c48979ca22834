"""How surprising the words of each document are to a reader of all the others: bits per word.

A language model of single words and pairs, counted by documents and without the document itself (Jelinek & Mercer,
"Interpolated estimation of Markov source parameters", 1980).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled
from mithridate.evidence.counting import mix
from mithridate.evidence.text.tokens import Tokens

__all__ = ["surprises", "unlikely"]

_PAIRS = (
    1 << 26
)  # cells that pairs are counted in, at most; twice as many as there are words, so that few share one
_MIXED = 0.7  # weight of pairs
#: Documents with fewer words are not judged; one name is enough to make them odd.
FEWEST = 5
_SPREADS = 3.0  # robust standard deviations from the median that are out of the ordinary (Leys et al., 2013)
_FLOOR = 1.0  # bits: smallest standard deviation
_BIN, _SHARE = 200, 0.05  # least documents of about one length that are compared with each other only


def surprises(tokens: Tokens) -> NDArray[np.float32]:
    """(n,) mean bits per word; nan for documents of fewer than `FEWEST` words."""
    size = tokens.vocabulary + 1
    words, seen = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    cells = min(_PAIRS, max(1 << 23, 1 << (2 * len(tokens.words)).bit_length()))
    pairs, last = np.zeros(cells, np.int32), np.full(cells, -1, np.int32)
    row = 0
    for _, counts, stream in tokens.chunks():
        _count(stream, np.cumsum(counts), row, words, seen, pairs, last)
        row += len(counts)
    bits = np.empty(row, dtype=np.float32)
    total, row = float(words.sum()), 0
    for _, counts, stream in tokens.chunks():
        _judge(stream, np.cumsum(counts), words, pairs, total, bits[row : row + len(counts)])
        row += len(counts)
    bits[np.diff(tokens.indptr) < FEWEST] = np.nan
    return bits


def unlikely(
    bits: NDArray[np.float32], lengths: NDArray[np.int64], kinds: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Documents whose surprise is far above that of others about as long: median and its deviation (Hampel, 1974).

    Args:
        bits: from `surprises`.
        lengths: (n,) words.
        kinds: (n,) documents of one kind are compared; a language that few write surprises without being odd, so that
            kinds of few documents are not judged.
    """
    odd = np.zeros(len(bits), dtype=bool)
    for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True):
        if count >= min(_BIN, len(bits) / 2):
            mine = np.flatnonzero((kinds == kind) & ~np.isnan(bits))
            odd[mine] = _above(bits[mine], np.floor(np.log2(np.maximum(lengths[mine], 1))).astype(np.int64))
    return odd


def _above(bits: NDArray[np.float32], size: NDArray[np.int64]) -> NDArray[np.bool_]:
    odd = np.zeros(len(bits), dtype=bool)
    least = min(max(_BIN, int(_SHARE * len(bits))), len(bits))
    for length in np.unique(size):
        away = np.abs(size - length)
        reach = np.searchsorted(
            np.cumsum(np.bincount(away)), least
        )  # few of a length must not be their own measure
        near = bits[away <= reach]
        middle = float(np.median(near))
        spread = max(1.4826 * float(np.median(np.abs(near - middle))), _FLOOR)
        odd[away == 0] = bits[away == 0] > middle + _SPREADS * spread
    return odd


@compiled
def _pair(a: int, b: int, cells: int) -> int:
    return int(mix(np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b)) & np.uint64(cells - 1))


@compiled
def _count(
    stream: NDArray[np.int32], ends: NDArray[np.int64], row: int, words: NDArray[np.int64],
    seen: NDArray[np.int64], pairs: NDArray[np.int32], last: NDArray[np.int32],
) -> None:  # fmt: skip
    """Add in how many documents each word and each pair of neighbours is."""
    start = 0
    for d in range(len(ends)):
        for i in range(start, ends[d]):
            w = stream[i]
            if seen[w] != row + d:
                seen[w] = row + d
                words[w] += 1
            if i > start:
                p = _pair(stream[i - 1], w, len(pairs))
                if last[p] != row + d:
                    last[p] = row + d
                    pairs[p] += 1
        start = ends[d]


@compiled
def _judge(
    stream: NDArray[np.int32], ends: NDArray[np.int64], words: NDArray[np.int64], pairs: NDArray[np.int32],
    total: float, bits: NDArray[np.float32],
) -> None:  # fmt: skip
    """Fill in mean bits per word; the document itself is one that has each of its words and pairs."""
    start = 0
    for d in range(len(ends)):
        spent = 0.0
        for i in range(start, ends[d]):
            w = stream[i]
            p = (words[w] - 1 + 0.5) / total
            if i > start:
                before = words[stream[i - 1]] - 1
                together = max(pairs[_pair(stream[i - 1], w, len(pairs))] - 1, 0)
                together = min(together, before, words[w] - 1)  # whatever else shares the cell
                p = (1.0 - _MIXED) * p + _MIXED * together / (before + 1.0)
            spent -= np.log2(p)
        bits[d] = spent / max(ends[d] - start, 1)
        start = ends[d]
