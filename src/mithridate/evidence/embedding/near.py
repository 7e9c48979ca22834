"""What labels the neighbours of each sample bear, among references in which classes are as large as neighbourhoods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.half import widen
from mithridate.evidence.neighbours import nearest_among

__all__ = ["NEIGHBOURS", "label_votes"]

#: Neighbours that vote on a label, and references of each class at most. As many as a class has: poison that lies in a
#: crowd of its own is then outvoted by the class that it lies in (Peri et al., arXiv:1909.13374, section 4.2).
NEIGHBOURS = 50
_DRAWS = 10  # of references, over which votes are averaged
_REFERENCES = 20_000  # in one draw at most
_SPARE = 10  # more are looked up, because near-duplicates do not vote
_BLOCK = 1024


def label_votes(
    vectors: NDArray[np.float16],
    labels: NDArray[np.int32],
    groups: NDArray[np.int64],
    classes: int,
    seed: int,
    jobs: int,
) -> NDArray[np.float32]:
    """(n, 3): share of the neighbours with the sample's own label; the other label that most have; the share with it.

    Nan where there is no neighbour or no label. The cost is linear in samples, and grows with the number of classes.

    Args:
        vectors: (n, d).
        labels: (n,) class index, -1 = missing.
        groups: (n,) near-duplicate groups.
        classes: k.
        seed: draws the references.
        jobs: threads; the result does not depend on it.
    """
    known = np.flatnonzero(labels >= 0)
    draws = [
        _drawn(labels, known, classes, np.random.default_rng([seed, 43, draw])) for draw in range(_DRAWS)
    ]
    references = [widen(np.asarray(vectors[rows])) for rows in draws]
    votes = np.full((len(labels), 3), np.nan, dtype=np.float32)

    def fill(start: int) -> None:
        mine = known[start : start + _BLOCK]
        wanted, table = widen(np.asarray(vectors[mine])), np.zeros((len(mine), classes))
        for rows, there in zip(draws, references, strict=True):
            other = rows[nearest_among(wanted, there, NEIGHBOURS + _SPARE)]
            free = groups[other] != groups[mine][:, None]
            sample, at = np.nonzero(free & (np.cumsum(free, axis=1) <= NEIGHBOURS))
            np.add.at(table, (sample, labels[other[sample, at]]), 1.0)
        total = table.sum(axis=1)
        total[total == 0] = np.nan
        own = table[np.arange(len(mine)), labels[mine]].copy()
        table[np.arange(len(mine)), labels[mine]] = -1.0
        votes[mine] = np.stack([own / total, table.argmax(axis=1), table.max(axis=1) / total], axis=1)

    side_by_side(fill, range(0, len(known), _BLOCK), jobs)
    return votes


def _drawn(
    labels: NDArray[np.int32], known: NDArray[np.int64], classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of at most `NEIGHBOURS` members of each class, fewer where classes are very many."""
    mixed = rng.permutation(known)
    order = mixed[np.argsort(labels[mixed], kind="stable")]
    sizes = np.bincount(labels[known], minlength=classes)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place < max(1, min(NEIGHBOURS, _REFERENCES // max(classes, 1)))])
