"""Which answer of a pair its wording speaks for, told by a model of other pairs, and whether that one was preferred.

A linear Bradley-Terry model of the words that only one of the two has (Bradley & Terry, Biometrika 39, 1952).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.hashing import uniform
from mithridate.evidence.chat.view import View
from mithridate.evidence.compiled import compiled
from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import Features, assign_folds
from mithridate.evidence.incidence import Incidence
from mithridate.evidence.store import DiskWriter, row_chunks
from mithridate.evidence.text.keys import words_of
from mithridate.evidence.text.tokens import Tokens

__all__ = ["preferences"]

_CHUNK = 1 << 20
_LENGTHS = 6  # kinds of ratio of the two lengths
_COST, _EPOCHS = 3.0, 8
_CLEAR = 8  # steps of how clearly wording speaks: where it hardly does, many prefer the other answer
#: A model that is right less often says nothing.
LEAST = 0.55


def preferences(
    answers: Tokens, ids: Sequence[str], groups: NDArray[np.int64], folder: Path, seed: int,
    progress: Callable[[str, int, int | None], None],
) -> tuple[View | None, float]:  # fmt: skip
    """The view, None where wording tells too little; and the share of pairs in which it speaks for the one preferred.

    Args:
        answers: 2 n documents, of each pair the preferred one first.
        ids: of the pairs.
        groups: (n,) near-duplicate groups.
        folder: for files.
        seed: decides folds and which answer of a pair is looked at first.
        progress: told (stage, done, total).
    """
    n = len(ids)
    turned = uniform(list(ids), seed, "which answer first") < 0.5
    words = words_of(answers, np.arange(2 * n), 2, folder / "answer")
    features = _features(words, np.diff(answers.indptr), turned, folder / "answer" / "differences")
    model = fit_content(
        features, turned.astype(np.int32), 2, assign_folds(ids, groups, seed), seed=seed, cost=_COST,
        epochs=_EPOCHS, progress=lambda done, total: progress("preferences", done, total),
    )  # fmt: skip
    if model.accuracy < LEAST:
        return None, model.accuracy
    margin = model.logits[:, 1] - model.logits[:, 0]
    cuts = np.quantile(np.abs(margin), np.arange(1, _CLEAR) / _CLEAR)
    view = View(
        name="preference", wording="that prefer {}", codes=((margin > 0) != turned).astype(np.int32),
        classes=("the answer that its wording speaks for", "the answer that its wording speaks against"), drawn=False,
        contrary=1,         hints=np.searchsorted(cuts, np.abs(margin)).astype(np.int32),
    )  # fmt: skip
    return view, model.accuracy


def _features(
    words: Incidence, lengths: NDArray[np.int64], turned: NDArray[np.bool_], path: Path
) -> Features:
    """Words that only the first, and only the second, answer has, and how their lengths compare."""
    n, size = len(turned), words.size
    writer, counts = DiskWriter(path, np.int32), [np.zeros(1, np.int64)]
    first, second = lengths[::2].astype(np.float64), lengths[1::2].astype(np.float64)
    first, second = np.where(turned, second, first), np.where(turned, first, second)
    ratio = np.log2((first + 1) / (second + 1))
    kind = np.clip(np.floor(ratio + _LENGTHS / 2), 0, _LENGTHS - 1).astype(np.int32)
    stamp = np.zeros(size, dtype=np.int64)
    pairs = np.ascontiguousarray(words.indptr[::2])
    for start, stop in row_chunks(pairs, _CHUNK):
        low, high = int(pairs[start]), int(pairs[stop])
        out = np.empty(high - low + stop - start, dtype=np.int32)
        found = np.zeros(stop - start, dtype=np.int64)
        used = _differences(
            words.indptr[2 * start : 2 * stop + 1] - low, words.keys[low:high], turned[start:stop], kind[start:stop],
            size, stamp, start, out, found,
        )  # fmt: skip
        writer.append(out[:used])
        counts.append(found)
    rarity = np.log((1 + 2 * n) / (1 + words.support)) + 1.0
    weight = np.concatenate([rarity, rarity, np.full(_LENGTHS, 3.0)]).astype(np.float32)
    return Features(indptr=np.cumsum(np.concatenate(counts)), index=writer.close(), weight=weight)


@compiled
def _differences(
    indptr: NDArray[np.int64], keys: NDArray[np.int32], turned: NDArray[np.bool_], kind: NDArray[np.int32],
    size: int, stamp: NDArray[np.int64], base: int, out: NDArray[np.int32], found: NDArray[np.int64],
) -> int:  # fmt: skip
    """Write the features of each pair; `stamp` (size,) marks which answers of which pair a word was seen in."""
    used = 0
    for i in range(len(turned)):
        mark, before = 4 * (base + i + 1), used
        for side in range(2):
            for p in range(indptr[2 * i + side], indptr[2 * i + side + 1]):
                w = keys[p]
                stamp[w] = (stamp[w] if stamp[w] >= mark else mark) | (1 << side)
        for side in range(2):
            for p in range(indptr[2 * i + side], indptr[2 * i + side + 1]):
                w = keys[p]
                if stamp[w] == mark | (1 << side):
                    out[used] = w + size * ((side == 1) != turned[i])
                    used += 1
        out[used] = 2 * size + kind[i]
        used += 1
        found[i] = used - before
    return used
