"""Compiled kernels of `duplicates`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled
from mithridate.evidence.counting import mix

__all__ = ["flatten", "join", "minhash"]

_RUN = 3


@compiled
def minhash(
    tokens: NDArray[np.int32],
    ends: NDArray[np.int64],
    digests: NDArray[np.uint64],
    signed: NDArray[np.uint16],
) -> None:
    """Fill the signatures (b, s) of samples whose tokens lie one after the other."""
    width = signed.shape[1]
    factors, shifts = np.empty(width, np.uint32), np.empty(width, np.uint32)
    for s in range(width):
        factors[s] = np.uint32(mix(np.uint64(2 * s + 1)) | np.uint64(1))
        shifts[s] = np.uint32(mix(np.uint64(2 * s + 2)))
    lows = np.empty(width, np.uint32)
    start = 0
    for d in range(len(ends)):
        end = ends[d]
        lows[:] = np.uint32(0xFFFFFFFF)
        for i in range(start, max(end - _RUN + 1, min(start + 1, end))):
            h = np.uint64(0)
            for j in range(i, min(i + _RUN, end)):
                h = mix(h ^ (np.uint64(tokens[j]) + np.uint64(1)))
            low = np.uint32(h)
            for s in range(width):
                lows[s] = min(lows[s], np.uint32(low * factors[s] + shifts[s]))
        for s in range(width):
            if end > start:
                signed[d, s] = np.uint16(np.uint64(mix(np.uint64(lows[s]))))
            else:
                signed[d, s] = np.uint16(mix(digests[d] + np.uint64(s)))
        start = end


@compiled
def _root(parent: NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def join(
    keys: NDArray[np.uint64],
    order: NDArray[np.int64],
    signed: NDArray[np.uint16],
    least: int,
    parent: NDArray[np.int64],
) -> None:
    """Within runs of equal keys, join each row to the first if their signatures agree in `least` places."""
    first = 0
    for p in range(1, len(keys)):
        if keys[p] != keys[first]:
            first = p
            continue
        a, b = _root(parent, order[first]), _root(parent, order[p])
        if a == b:
            continue
        same = 0
        for s in range(signed.shape[1]):
            same += signed[order[first], s] == signed[order[p], s]
        if same >= least:
            parent[max(a, b)] = min(a, b)


@compiled
def flatten(parent: NDArray[np.int64]) -> None:
    """Point every row at the smallest row of its group."""
    for row in range(len(parent)):
        parent[row] = _root(parent, row)
