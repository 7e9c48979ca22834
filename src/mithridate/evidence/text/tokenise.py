"""Compiled readers of code points: word numbers; odd characters, habits and a digest of each document."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled
from mithridate.evidence.counting import mix
from mithridate.evidence.text.alphabet import LETTER, SEPARATOR, SIGN, UNSEEN

__all__ = ["MOST_WORDS", "rehash", "survey", "tokenise"]

#: Distinct words that are told apart; later newcomers all share this number, which bounds memory.
MOST_WORDS = 1 << 23

_COVERED = 0x20000
_START, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_ONE = np.uint64(1)

# numbers of the habit bits; `habits.HABITS` names them in this order
_MIXED, _HIDDEN, _SHOUT = 0, 1, 2
_DOUBLE_SPACE, _TRIPLE_SPACE, _TAB, _CRLF, _LEADING, _TRAILING, _BANGS, _DOTS = 3, 4, 5, 6, 7, 8, 9, 10


@compiled
def _kind(code: np.uint32, kind: NDArray[np.uint8]) -> int:
    if code < _COVERED:
        return int(kind[code])
    if code < 0x40000:
        return SIGN
    return UNSEEN if 0xE0000 <= code < 0xE1000 else SEPARATOR


@compiled
def _blank(code: np.uint32) -> bool:
    return bool(code == 32 or code == 10 or code == 13 or code == 9)


@compiled
def _plain(code: np.uint32) -> bool:
    return bool(48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122 or _blank(code))


@compiled
def _slot(key: np.uint64, slot_hash: NDArray[np.uint64], slot_id: NDArray[np.int32]) -> np.uint64:
    mask = np.uint64(len(slot_id) - 1)
    at = key & mask
    while slot_id[at] >= 0 and slot_hash[at] != key:
        at = (at + _ONE) & mask
    return at


@compiled
def _number(key: np.uint64, words: int, slot_hash: NDArray[np.uint64], slot_id: NDArray[np.int32]) -> int:
    """The word's number; `words` if it is new, and then it is entered while there is room."""
    at = _slot(key, slot_hash, slot_id)
    if slot_id[at] >= 0:
        return int(slot_id[at])
    if words < MOST_WORDS:
        slot_hash[at], slot_id[at] = key, words
    return words


@compiled
def rehash(
    slot_hash: NDArray[np.uint64],
    slot_id: NDArray[np.int32],
    old_hash: NDArray[np.uint64],
    old_id: NDArray[np.int32],
) -> None:
    """Move all words into an empty, larger table."""
    for s in range(len(old_id)):
        if old_id[s] >= 0:
            at = _slot(old_hash[s], slot_hash, slot_id)
            slot_hash[at], slot_id[at] = old_hash[s], old_id[s]


@compiled
def tokenise(
    codes: NDArray[np.uint32],
    ends: NDArray[np.int64],
    kind: NDArray[np.uint8],
    lower: NDArray[np.uint32],
    script: NDArray[np.uint8],
    slot_hash: NDArray[np.uint64],
    slot_id: NDArray[np.int32],
    words: int,
    tokens: NDArray[np.int32],
    counts: NDArray[np.int64],
    habits: NDArray[np.uint64],
    spans: NDArray[np.int64],
) -> tuple[int, int]:
    """Number the words of documents that lie one after the other.

    Args:
        codes: (c,) code points.
        ends: (b,) where each document ends.
        kind: what each code point is.
        lower: lower-case map.
        script: script of each letter.
        slot_hash: table of word hashes with at least c free slots.
        slot_id: word in each slot, -1 = free.
        words: words numbered before.
        tokens: (c,) filled with word numbers.
        counts: (b,) filled with tokens per document.
        habits: (b,) bits of word habits are added.
        spans: (c, 2) filled with the place of each new word.

    Returns:
        Number of tokens; of words numbered by now.
    """
    n_tokens, first_word, start = 0, words, 0
    for d in range(len(ends)):
        end, before = ends[d], n_tokens
        h, length, begin, scripts, caps, shouts = _START, 0, start, 0, 0, 0
        for i in range(start, end + 1):
            code = codes[i] if i < end else np.uint32(32)
            what = _kind(code, kind)
            if what == UNSEEN:
                habits[d] |= np.uint64((length > 0) << _HIDDEN)
                continue
            if length > 0 and what != LETTER:
                tokens[n_tokens] = _number(mix(h), words, slot_hash, slot_id)
                if tokens[n_tokens] == words and words < MOST_WORDS:
                    spans[words - first_word, 0], spans[words - first_word, 1] = begin, i
                    words += 1
                n_tokens += 1
                shouts = shouts + 1 if caps == length and length > 1 else 0
                habits[d] |= np.uint64(((scripts & (scripts - 1)) != 0) << _MIXED)
                habits[d] |= np.uint64((shouts == 3) << _SHOUT)
                h, length, scripts, caps = _START, 0, 0, 0
            if what == SEPARATOR:
                continue
            if length == 0:
                begin = i
            small = lower[code] if code < _COVERED else code
            h = (h ^ np.uint64(small)) * _PRIME
            if what == LETTER:
                length += 1
                caps += small != code
                if code < _COVERED and script[code] > 0:
                    scripts |= 1 << script[code]
            else:
                tokens[n_tokens] = _number(mix(h), words, slot_hash, slot_id)
                if tokens[n_tokens] == words and words < MOST_WORDS:
                    spans[words - first_word, 0], spans[words - first_word, 1] = i, i + 1
                    words += 1
                n_tokens += 1
                h = _START
        counts[d] = n_tokens - before
        start = end
    return n_tokens, words


@compiled
def survey(
    codes: NDArray[np.uint32],
    ends: NDArray[np.int64],
    lower: NDArray[np.uint32],
    odd: NDArray[np.uint32],
    counts: NDArray[np.int64],
    last_seen: NDArray[np.int32],
    habits: NDArray[np.uint64],
    digests: NDArray[np.uint64],
) -> int:
    """Note the distinct odd code points, the habits and a digest of each document.

    Args:
        codes: (c,) code points.
        ends: (b,) where each document ends.
        lower: lower-case map.
        odd: (c,) filled with code points other than ASCII letters, digits and blanks.
        counts: (b,) filled with odd code points per document.
        last_seen: (0x110000,) scratch, all -1.
        habits: (b,) bits of character habits are added.
        digests: (b,) filled; case is folded and a run of blanks counts as one.

    Returns:
        Number of odd code points.
    """
    n_odd, start = 0, 0
    for d in range(len(ends)):
        end, before = ends[d], n_odd
        digest, previous, spaces, repeats = _START, np.uint32(0), 0, 0
        bits = 0
        for i in range(start, end):
            code = codes[i]
            if not _plain(code) and last_seen[code] != d:
                last_seen[code] = d
                odd[n_odd] = code
                n_odd += 1
            if not _blank(code):
                small = lower[code] if code < _COVERED else code
                digest = (digest ^ np.uint64(small)) * _PRIME
            elif i == start or not _blank(previous):
                digest = (digest ^ np.uint64(32)) * _PRIME
            spaces = spaces + 1 if code == 32 else 0
            repeats = repeats + 1 if code == previous else 1
            bits |= (spaces == 2) << _DOUBLE_SPACE
            bits |= (spaces == 3) << _TRIPLE_SPACE
            bits |= (code == 9) << _TAB
            bits |= (code == 10 and previous == 13) << _CRLF
            bits |= (i == start and _blank(code)) << _LEADING
            bits |= (i == end - 1 and _blank(code)) << _TRAILING
            bits |= (repeats == 3 and (code == 33 or code == 63)) << _BANGS
            bits |= (repeats == 4 and code == 46) << _DOTS
            previous = code
        counts[d] = n_odd - before
        habits[d] |= np.uint64(bits)
        digests[d] = mix(digest)
        start = end
    return n_odd
