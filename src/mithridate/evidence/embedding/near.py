"""What labels the nearest neighbours of each sample bear, near-duplicates left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side
from mithridate.evidence.half import widen
from mithridate.evidence.neighbours import nearest_among

__all__ = ["NEIGHBOURS", "label_votes"]

#: Neighbours that vote on a label.
NEIGHBOURS = 10
_SPARE = 30  # more are looked up, because near-duplicates do not vote
_REFERENCES = 50_000  # samples among which neighbours are sought, at most: the cost stays linear
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

    Nan where there is no neighbour or no label.

    Args:
        vectors: (n, d).
        labels: (n,) class index, -1 = missing.
        groups: (n,) near-duplicate groups.
        classes: k.
        seed: draws the references where there are more than 50,000 labelled samples.
        jobs: threads; the result does not depend on it.
    """
    known = np.flatnonzero(labels >= 0)
    drawn = np.sort(np.random.default_rng([seed, 43]).permutation(len(known))[:_REFERENCES])
    rows = known[drawn]
    references = widen(np.asarray(vectors[rows]))
    votes = np.full((len(labels), 3), np.nan, dtype=np.float32)

    def fill(start: int) -> None:
        mine = known[start : start + _BLOCK]
        near = nearest_among(widen(np.asarray(vectors[mine])), references, NEIGHBOURS + _SPARE)
        other = rows[near]
        free = groups[other] != groups[mine][:, None]
        counted = free & (np.cumsum(free, axis=1) <= NEIGHBOURS)
        table = np.zeros((len(mine), classes))
        sample, at = np.nonzero(counted)
        np.add.at(table, (sample, labels[other[sample, at]]), 1.0)
        total = table.sum(axis=1)
        own = table[np.arange(len(mine)), labels[mine]].copy()
        table[np.arange(len(mine)), labels[mine]] = -1.0
        says = table.argmax(axis=1)
        found = (
            np.stack([own, says * total, table.max(axis=1)], axis=1) / np.where(total, total, np.nan)[:, None]
        )
        votes[mine] = found

    side_by_side(fill, range(0, len(known), _BLOCK), jobs)
    return votes
