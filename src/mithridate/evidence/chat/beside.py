"""Features beside the prompt: where a sample came from, or what else is known of its answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.chat.view import COMMON
from mithridate.evidence.content.logistic import Features
from mithridate.evidence.store import DiskWriter, row_chunks

__all__ = ["with_one", "with_sources"]

_CHUNK = 1 << 20
_WEIGHT = 3.0  # of what is known beside the prompt, against a word as rare
_LARGE = 100  # samples of a source that has a manner of its own, at least


def with_sources(features: Features, sources: NDArray[np.int32] | None, path: Path) -> Features:
    """Each large source as one more feature: it may have a manner of its own.

    A small source has none: whoever brings a few samples must not explain them by having brought them.

    Args:
        features: of the prompts.
        sources: (n,) number of each sample's source, -1 for none; or None.
        path: of the new file.
    """
    if sources is None:
        return features
    sizes = np.bincount(sources[sources >= 0])
    large = np.flatnonzero(sizes >= max(COMMON * len(sources), _LARGE))
    number = np.full(len(sizes) + 1, -1, dtype=np.int32)
    number[large] = np.arange(len(large))
    return with_one(features, number[sources], path)


def with_one(features: Features, codes: NDArray[np.int32], path: Path) -> Features:
    """One more feature for each sample.

    Args:
        features: of the prompts.
        codes: (n,) which, -1 for none.
        path: of the new file.
    """
    n = len(codes)
    sizes = np.bincount(codes[codes >= 0])
    writer, own = DiskWriter(path, np.int32), np.where(codes >= 0, codes + len(features.weight), -1)
    for start, stop in row_chunks(features.indptr, _CHUNK):
        low, high = int(features.indptr[start]), int(features.indptr[stop])
        told = np.flatnonzero(own[start:stop] >= 0)
        at = features.indptr[start:stop][told] - low
        writer.append(np.insert(features.index[low:high], at, own[start:stop][told]))
    indptr = features.indptr + np.concatenate([[0], np.cumsum(own >= 0)])
    weight = _WEIGHT * (np.log((1 + n) / (1 + sizes)) + 1.0)
    return Features(
        indptr=indptr, index=writer.close(), weight=np.append(features.weight, weight.astype(np.float32))
    )
