"""What every evasion attack gives: changed inputs, and a record of how far they lead a model astray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.evasion import EvasionResult

__all__ = ["Bounds", "EvasionResult", "check_inputs", "known_classes", "measure"]

#: (lowest, highest) value that an input may hold.
Bounds: TypeAlias = tuple[float, float]


def measure(
    predict: Callable[[NDArray[Any]], NDArray[np.float32]],
    x: NDArray[Any],
    changed: NDArray[Any],
    y: NDArray[np.int64],
    **about: Any,
) -> EvasionResult:
    """Compare a model's answers before and after.

    Args:
        predict: (n, ...) → (n, k).
        x: (n, ...) inputs as they are.
        changed: (n, ...) after the attack.
        y: (n,) true classes.
        **about: attack, title, cites, epsilon, parameters.

    Raises:
        UsageError: a true class that the model does not know.
    """
    probabilities = predict(x)
    known_classes(y, probabilities.shape[1])
    right = probabilities.argmax(axis=1) == y
    after = predict(changed).argmax(axis=1) == y
    size = (changed.astype(np.float64) - x).reshape(len(x), -1)
    return EvasionResult(
        samples=len(x),
        clean_accuracy=float(right.mean()),
        adversarial_accuracy=float(after.mean()),
        success_rate=float(1 - after[right].mean()) if right.any() else None,
        mean_linf=float(np.abs(size).max(axis=1).mean()),
        mean_l2=float(np.linalg.norm(size, axis=1).mean()),
        **about,
    )


def check_inputs(
    x: NDArray[Any], y: Any, epsilon: float, bounds: Bounds
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Inputs as float32 and classes as int64, once it is certain that they can be attacked.

    Raises:
        UsageError: no inputs, integers, values outside the bounds, classes that are no column numbers, or an
            epsilon that is not above 0.
    """
    x, y = np.asarray(x), np.asarray(y)
    if not epsilon > 0 or not np.isfinite(epsilon):
        raise UsageError(
            "a number above 0", repr(epsilon), "epsilon", "For pictures in [0, 1], 8/255 is usual."
        )
    if x.dtype.kind != "f" or x.ndim < 2 or len(x) == 0:
        got = f"{x.dtype} of shape {x.shape}"
        remedy = "Give what the model sees: floats, one row for each input; pictures divided by 255."
        raise UsageError("one or more inputs of floating numbers", got, "x", remedy)
    if not (bounds[0] <= x.min() and x.max() <= bounds[1]):
        got = f"values from {x.min():.4g} to {x.max():.4g}"
        remedy = "Scale the inputs, or give `bounds` for inputs on another scale."
        raise UsageError(f"finite values from {bounds[0]:g} to {bounds[1]:g}", got, "x", remedy)
    if y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min() < 0:
        remedy = "Give the number of the true class of each input."
        raise UsageError(f"{len(x)} whole numbers, 0 or more", f"{y.dtype} of shape {y.shape}", "y", remedy)
    return x.astype(np.float32), y.astype(np.int64)


def known_classes(y: Any, count: int) -> None:
    """Refuse true classes that a model has no column for.

    Raises:
        UsageError: a class of `count` or above.
    """
    if int(y.max()) >= count:
        remedy = "Give y as column numbers of the model's probabilities."
        raise UsageError(f"classes below {count}", str(int(y.max())), "y", remedy)
