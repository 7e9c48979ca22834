"""One sound as the extractors see it, and what an extractor of keys is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clip", "Extractor", "Keys", "joined"]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One channel of sound.

    Attributes:
        samples: (t,) float32 as it was recorded.
        rate: of these, Hz.
        common: (u,) the same at the rate that all clips share.
        common_rate: that rate, Hz.
    """

    samples: NDArray[np.float32]
    rate: int
    common: NDArray[np.float32]
    common_rate: int


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys of one clip.

    Attributes:
        codes: (m,) int64, what the key is, in the extractor's own numbering.
        when_ms: (m,) int64, the middle of where it is; -1 where it has no time.
    """

    codes: NDArray[np.int64]
    when_ms: NDArray[np.int64]


class Extractor(Protocol):
    """Finds the keys of one family in a clip. Label-free.

    Attributes:
        family: of the keys.
        noun: what one is called.
    """

    @property
    def family(self) -> str: ...  # noqa: D102 - see above

    @property
    def noun(self) -> str: ...  # noqa: D102

    def keys(self, clip: Clip) -> Keys:
        """Find them; each once."""
        ...

    def name(self, code: int) -> str:
        """What a person calls a key."""
        ...

    def details(self, code: int) -> Mapping[str, Any]:
        """JSON values that tell where a key is: "hz" [low, high], "seconds" its length, ..."""
        ...


def joined(parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Keys:
    """Keys from (codes, times) in parts; of a key found twice, the first stays."""
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Keys(codes=none, when_ms=none)
    codes = np.concatenate([c for c, _ in parts])
    codes, first = np.unique(codes, return_index=True)
    return Keys(codes=codes, when_ms=np.concatenate([w for _, w in parts])[first])
