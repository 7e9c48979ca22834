"""Random noise of the size of an attack, for any model: what an attack must beat to be one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import stream
from mithridate.attacks.evasion.base import Bounds, EvasionResult, check_inputs, known_classes, measure
from mithridate.core.errors import UsageError
from mithridate.models.base import Model

__all__ = ["sign_noise"]

CITES = "control arm; Goodfellow et al., arXiv:1412.6572, section 4, on why random directions of this size do little"


def sign_noise(
    model: Model,
    x: NDArray[Any],
    y: NDArray[Any],
    epsilon: float,
    tries: int = 10,
    seed: int = 0,
    *,
    bounds: Bounds = (0.0, 1.0),
) -> tuple[NDArray[np.float32], EvasionResult]:
    """Change every value by +epsilon or -epsilon at random; of several tries the worst counts.

    Args:
        model: any model; it is only asked.
        x: (n, ...) float inputs within the bounds.
        y: (n,) true classes, as column numbers of the probabilities.
        epsilon: in units of the inputs.
        tries: for each input; the one that brings it nearest to a wrong answer is kept.
        seed: of the noise.
        bounds: (lowest, highest) value that an input may hold.

    Returns:
        (n, ...) changed inputs, and what they do.

    Raises:
        UsageError: inputs or settings that do not fit.
    """
    x, classes = check_inputs(x, y, epsilon, bounds)
    if tries < 1:
        raise UsageError("1 or more", str(tries), "tries", "Raise it.")
    rng = stream(seed, "sign noise")
    changed, best = x.copy(), np.full(len(x), -np.inf)
    for _ in range(tries):
        signs = rng.integers(0, 2, x.shape, dtype=np.int8).astype(np.float32) * 2 - 1
        moved = np.clip(x + np.float32(epsilon) * signs, *bounds).astype(np.float32)
        worth = _margin(model.predict(moved), classes)
        better = worth > best
        changed[better], best[better] = moved[better], worth[better]
    about = {"attack": "noise", "title": "random noise of the same size", "cites": CITES}
    settings = {"tries": tries, "seed": seed}
    return changed, measure(model.predict, x, changed, classes, epsilon=epsilon, parameters=settings, **about)


def _margin(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much the best other class leads the true one, (n,): above 0 where the input is misread.

    Raises:
        UsageError: a true class that the model does not know.
    """
    table = probabilities.astype(np.float64)
    rows = np.arange(len(y))
    known_classes(y, table.shape[1])
    own = table[rows, y].copy()
    table[rows, y] = -np.inf
    return np.asarray(table.max(axis=1) - own, dtype=np.float64)
