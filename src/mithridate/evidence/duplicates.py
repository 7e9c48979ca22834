"""Exact copies and near-duplicate groups, from digests and token streams; knows no modality.

Near-duplicates: MinHash of runs of three tokens, in bands (Broder, "On the resemblance and containment of
documents", SEQUENCES 1997; Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", ch. 3).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mithridate.engines.threads import side_by_side

__all__ = ["BANDS", "ROWS", "copy_groups", "near_groups", "signatures"]

#: Bands, and hashes per band: pairs that share 0.7 (0.85) of their runs meet with probability 0.94 (1.00).
BANDS, ROWS = 10, 4
_ALIKE = 0.7
_AT_ONCE = 2  # bands


def copy_groups(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(n,) row of the first sample with the same digest."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    leads = np.ones(len(order), dtype=bool)
    leads[1:] = ordered[1:] != ordered[:-1]
    groups = np.empty(len(order), dtype=np.int64)
    groups[order] = order[leads][np.cumsum(leads) - 1]
    return groups


def signatures(
    stretches: Iterable[tuple[NDArray[np.int64], NDArray[np.int32]]], digests: NDArray[np.uint64]
) -> NDArray[np.uint16]:
    """MinHash signature of every sample.

    Args:
        stretches: (counts (b,), tokens (p,)) of consecutive samples.
        digests: (n,) stands in for the tokens of a sample that has none.

    Returns:
        (n, BANDS * ROWS) uint16.
    """
    from mithridate.evidence.minhash import minhash

    signed = np.empty((len(digests), BANDS * ROWS), dtype=np.uint16)
    row = 0
    for counts, tokens in stretches:
        minhash(tokens, np.cumsum(counts), digests[row : row + len(counts)], signed[row : row + len(counts)])
        row += len(counts)
    return signed


def near_groups(signed: NDArray[np.uint16], copies: NDArray[np.int64], jobs: int = 1) -> NDArray[np.int64]:
    """Join samples whose signatures agree in 70 % of places with the first of a common band.

    Args:
        signed: (n, BANDS * ROWS) signatures.
        copies: (n,) exact-duplicate groups; members of one are always joined.
        jobs: threads; few bands are sorted at once, as each takes 16 bytes per sample.

    Returns:
        (n,) smallest row of each sample's group.
    """
    from mithridate.evidence.minhash import flatten, join

    def ordered(band: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        keys = np.ascontiguousarray(signed[:, band * ROWS : (band + 1) * ROWS]).view(np.uint64)[:, 0]
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    parent, step = copies.copy(), min(jobs, _AT_ONCE)
    least = int(np.ceil(_ALIKE * signed.shape[1]))
    for first in range(0, BANDS, step):
        for keys, order in side_by_side(ordered, range(first, min(first + step, BANDS)), step):
            join(keys, order, signed, least, parent)
    flatten(parent)
    return parent
