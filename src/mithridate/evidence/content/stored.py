"""Features that lie on disk: passes over them, and models of them that an interrupted audit finds again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.ridge import Features, RidgeContent
from mithridate.evidence.half import widen
from mithridate.evidence.stages import Stages, load_record, save_record

__all__ = ["kept", "passes"]

_READ = 8192


def kept(stages: Stages, name: str, fit: Callable[[], RidgeContent], folder: Path) -> RidgeContent:
    """Fit a model, or load it where an earlier run left it."""
    path = folder / f"{name}.npz"
    return stages.run(
        name, fit, lambda: load_record(RidgeContent, path), lambda model: save_record(model, path)
    )


def passes(stored: NDArray[np.float16] | NDArray[np.float32]) -> Features:
    """Passes over (n, d) features in blocks."""

    def blocks() -> Iterator[tuple[int, NDArray[np.float32]]]:
        buffer = np.empty((min(_READ, len(stored)), stored.shape[1]), dtype=np.float32)
        for start in range(0, len(stored), _READ):
            block = buffer[: min(_READ, len(stored) - start)]
            yield start, widen(stored[start : start + _READ], block)

    return blocks
