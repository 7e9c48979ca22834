"""First pass over a text source: words become numbers in a file, everything later reads that file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch, Source
from mithridate.engines.threads import behind
from mithridate.evidence.roll import Roll
from mithridate.evidence.store import DiskArray, DiskWriter, row_chunks
from mithridate.evidence.text.alphabet import UNSEEN, alphabet

__all__ = ["TokenWriter", "Tokens", "read_tokens"]

_BATCH = 2048
_PIECE = 1 << 20  # code points tokenised at once


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """All documents as word numbers.

    Attributes:
        indptr: (n + 1,) start of each document.
        words: (t,) int32 word numbers on disk.
        vocabulary: distinct words, numbered in order of first appearance.
        odd_indptr: (n + 1,) start of each document's odd code points.
        odd: distinct code points per document other than ASCII letters, digits and blanks, on disk.
        habits: (n,) bits, see `habits.HABITS`.
        digests: (n,) of the case-folded text.
    """

    indptr: NDArray[np.int64]
    words: DiskArray
    vocabulary: int
    odd_indptr: NDArray[np.int64]
    odd: DiskArray
    habits: NDArray[np.uint64]
    digests: NDArray[np.uint64]
    _letters: DiskArray
    _ends: DiskArray

    def text(self, word: int) -> str:
        """The word with this number, in lower case; "…" for a word beyond the limit of the word table."""
        if word >= self.vocabulary:
            return "…"
        low = int(self._ends[word - 1 : word][0]) if word else 0
        letters = self._letters[low : int(self._ends[word : word + 1][0])]
        return letters.astype("<u4").tobytes().decode("utf-32-le", "replace")

    def chunks(self, budget: int = 1 << 20) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int32]]]:
        """Yield (position of the first token, counts (b,), tokens) of consecutive documents."""
        for start, stop in row_chunks(self.indptr, budget):
            low, high = int(self.indptr[start]), int(self.indptr[stop])
            yield low, np.diff(self.indptr[start : stop + 1]), self.words[low:high]


class TokenWriter:
    """State of the first pass: the word table and the files it fills.

    Args:
        folder: where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self._hash, self._id = np.zeros(1 << 16, np.uint64), np.full(1 << 16, -1, np.int32)
        self.vocabulary, self._letters_end = 0, 0
        self.words = DiskWriter(folder / "text.words", np.int32)
        self.odd = DiskWriter(folder / "text.odd", np.uint32)
        self.letters = DiskWriter(folder / "text.letters", np.uint32)
        self.ends = DiskWriter(folder / "text.ends", np.int64)
        self.counts: list[NDArray[np.int32]] = []
        self.odd_counts: list[NDArray[np.int32]] = []
        self.habits: list[NDArray[np.uint64]] = []
        self.digests: list[NDArray[np.uint64]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Take some documents."""
        for piece in _pieces(texts):
            self._add(piece)

    def _add(self, texts: Sequence[str]) -> None:
        from mithridate.evidence.text.tokenise import survey, tokenise

        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(
            np.uint32
        )
        ends = np.cumsum([len(t) for t in texts]).astype(np.int64)
        self._reserve(len(codes))
        signs, b = alphabet(), len(texts)
        tokens, counts, spans = (
            np.empty(len(codes), np.int32),
            np.zeros(b, np.int64),
            np.empty((len(codes), 2), np.int64),
        )
        habits, digests = np.zeros(b, np.uint64), np.zeros(b, np.uint64)
        before = self.vocabulary
        used, self.vocabulary = tokenise(
            codes,
            ends,
            signs.kind,
            signs.lower,
            signs.script,
            self._hash,
            self._id,
            before,
            tokens,
            counts,
            habits,
            spans,
        )
        odd, odd_counts = np.empty(len(codes), np.uint32), np.zeros(b, np.int64)
        unseen = np.full(0x110000, -1, np.int32)
        odd_used = survey(codes, ends, signs.lower, odd, odd_counts, unseen, habits, digests)
        self._enter(codes, spans[: self.vocabulary - before])
        self.words.append(tokens[:used])
        self.odd.append(odd[:odd_used])
        self.counts.append(counts.astype(np.int32))
        self.odd_counts.append(odd_counts.astype(np.int32))
        self.habits.append(habits)
        self.digests.append(digests)

    def _reserve(self, newcomers: int) -> None:
        from mithridate.evidence.text.tokenise import MOST_WORDS, rehash

        need = 2 * (min(self.vocabulary + newcomers, MOST_WORDS) + 1)
        if need <= len(self._id):
            return
        size = 1 << (need - 1).bit_length()
        hashes, ids = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
        rehash(hashes, ids, self._hash, self._id)
        self._hash, self._id = hashes, ids

    def _enter(self, codes: NDArray[np.uint32], spans: NDArray[np.int64]) -> None:
        signs = alphabet()
        lengths = spans[:, 1] - spans[:, 0]
        starts = np.repeat(spans[:, 0] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        letters = codes[starts + np.arange(int(lengths.sum()))]
        covered = np.minimum(letters, len(signs.lower) - 1)
        seen = (signs.kind[covered] != UNSEEN) | (letters >= len(signs.lower))
        small = np.where(letters < len(signs.lower), signs.lower[covered], letters)
        self.letters.append(small[seen])
        owners = np.repeat(np.arange(len(spans)), lengths)[seen]
        self.ends.append(self._letters_end + np.cumsum(np.bincount(owners, minlength=len(spans))))
        self._letters_end += int(seen.sum())

    def close(self) -> Tokens:
        """Finish the files."""
        none = np.zeros(0, np.uint64)
        return Tokens(
            indptr=_starts(self.counts),
            words=self.words.close(),
            vocabulary=self.vocabulary,
            odd_indptr=_starts(self.odd_counts),
            odd=self.odd.close(),
            habits=np.concatenate([none, *self.habits]),
            digests=np.concatenate([none, *self.digests]),
            _letters=self.letters.close(),
            _ends=self.ends.close(),
        )


def read_tokens(
    source: Source, folder: Path, jobs: int, progress: Callable[[str, int, int | None], None]
) -> tuple[Tokens, Roll]:
    """Read the source once.

    Args:
        source: yields batches whose `raw` is a list of str.
        folder: where the files go.
        jobs: threads; with two, words are numbered while the next texts are read.
        progress: told (stage, samples done, samples or None).
    """
    reader, roll = TokenWriter(folder), Roll()

    def note(batch: Batch) -> None:
        roll.add(batch)
        reader.add(batch.raw)

    for _ in behind(note, source.batches(_BATCH), jobs):
        progress("reading", len(roll.ids), source.count)
    return reader.close(), roll


def _starts(counts: list[NDArray[np.int32]]) -> NDArray[np.int64]:
    """(n + 1,) start of each sample's entries."""
    return np.cumsum(np.concatenate([np.zeros(1, np.int32), *counts]), dtype=np.int64)


def _pieces(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split a batch where its code points would take too much memory at once."""
    start, size = 0, 0
    for i, text in enumerate(texts):
        if size and size + len(text) > _PIECE:
            yield texts[start:i]
            start, size = i, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]
