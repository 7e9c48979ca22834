"""Compiled kernels that count keys in bounded memory: a sketch, then a hash table of what it lets through.

Cormode & Muthukrishnan, "An improved data stream summary: the count-min sketch", J. Algorithms 55(1), 2005,
with conservative update (Estan & Varghese, SIGCOMM 2002): it never counts too few.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled

__all__ = ["mix", "sketch_add", "table_put"]

_FULL = 65535


@compiled
def mix(x: np.uint64) -> np.uint64:
    """Finaliser of splitmix64: a bijection that scatters every bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def sketch_add(cells: NDArray[np.uint16], keys: NDArray[np.uint64]) -> None:
    """Count every key once in `cells` (2, a power of two); counts stop at 65,535."""
    mask = np.uint64(cells.shape[1] - 1)
    for p in range(len(keys)):
        h = mix(keys[p])
        i, j = h & mask, (h >> np.uint64(32)) & mask
        a, b = cells[0, i], cells[1, j]
        low = min(a, b)
        if low < _FULL:
            if a == low:
                cells[0, i] = low + 1
            if b == low:
                cells[1, j] = low + 1


@compiled
def table_put(
    keys: NDArray[np.uint64],
    cells: NDArray[np.uint16],
    least: int,
    slots: NDArray[np.int32],
    key_of: NDArray[np.uint64],
    first_of: NDArray[np.int64],
    base: int,
    count: int,
    out: NDArray[np.int32],
) -> int:
    """Number the keys that the sketch lets through, in order of first appearance.

    Args:
        keys: (p,) keys.
        cells: sketch.
        least: smallest estimate that enters.
        slots: open-addressing table, a power of two larger than the keys it will hold; -1 = free.
        key_of: key of each number; filled.
        first_of: `base` + position of the first occurrence of each number; filled.
        base: position of `keys[0]` in the whole stream.
        count: numbers given so far.
        out: (p,) number of each key, -1 where the sketch holds it back; filled.

    Returns:
        The new count.
    """
    width = np.uint64(cells.shape[1] - 1)
    mask = np.uint64(len(slots) - 1)
    for p in range(len(keys)):
        key = keys[p]
        h = mix(key)
        if min(cells[0, h & width], cells[1, (h >> np.uint64(32)) & width]) < least:
            out[p] = -1
            continue
        at = (h >> np.uint64(7)) & mask
        while slots[at] >= 0 and key_of[slots[at]] != key:
            at = (at + np.uint64(1)) & mask
        if slots[at] < 0:
            slots[at] = count
            key_of[count] = key
            first_of[count] = base + p
            count += 1
        out[p] = slots[at]
    return count
