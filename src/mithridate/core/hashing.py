"""Hashes that decide things: folds, halves, victims. They depend on ids and a seed, never on order."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

__all__ = ["keyed_hash", "uniform"]


def keyed_hash(ids: Sequence[str], seed: int, purpose: str) -> NDArray[np.uint64]:
    """64-bit keyed hash of each id. Different purposes are independent.

    Args:
        ids: n strings.
        seed: the run's seed.
        purpose: what the hash decides, e.g. "fold".

    Returns:
        (n,) uint64.
    """
    key = blake2b(f"{purpose}:{seed}".encode(), digest_size=32).digest()
    keyed = blake2b(digest_size=8, key=key).copy  # the key is taken in once

    def digest(name: str) -> bytes:
        state = keyed()
        state.update(name.encode("utf-8", "surrogatepass"))
        return state.digest()

    return np.frombuffer(b"".join(map(digest, ids)), dtype="<u8").astype(np.uint64)


def uniform(ids: Sequence[str], seed: int, purpose: str) -> NDArray[np.float64]:
    """(n,) numbers in [0, 1) from `keyed_hash`."""
    return (keyed_hash(ids, seed, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53
