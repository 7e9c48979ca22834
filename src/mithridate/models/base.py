"""What every model is to this package: something that maps inputs to class probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError

__all__ = [
    "TOLERANCE",
    "Logits",
    "Model",
    "Probabilities",
    "as_table",
    "checked",
    "in_batches",
    "is_distribution",
    "softmax",
    "to_probabilities",
]

#: (n, k), float32, every row a distribution over the k classes.
Probabilities: TypeAlias = NDArray[np.float32]
#: whether a model's outputs are logits; "auto": when their rows are no probability distributions.
Logits: TypeAlias = Literal["auto"] | bool

#: how far a row may be from summing to 1; float16 models and servers that round need about this much.
TOLERANCE = 1e-3


@runtime_checkable
class Model(Protocol):
    """Anything that maps inputs to class probabilities.

    Attributes:
        name: for people, e.g. "torch module Sequential" or "onnx model.onnx".
    """

    name: str

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities.

        Args:
            x: inputs, (n, ...), as the model wants them (scaling is the caller's business).

        Returns:
            (n, k), each row sums to 1.

        Raises:
            UsageError: the model refuses the inputs, or its answer is no table of probabilities.
        """
        ...


def checked(probabilities: Any, n: int, name: str = "the model") -> Probabilities:
    """What a model answered, once it is certain that it is a table of probabilities.

    Args:
        probabilities: the answer for n inputs.
        n: how many inputs were asked about.
        name: of the model, for the message.

    Returns:
        (n, k) float32.

    Raises:
        UsageError: not (n, k) with k of 2 or more, not finite, outside [0, 1], or rows that do not sum to 1.
    """
    table = as_table(probabilities, n, name)
    lowest, highest = (float(table.min()), float(table.max())) if table.size else (0.0, 1.0)
    if lowest < -TOLERANCE or highest > 1 + TOLERANCE:
        raise UsageError(
            "probabilities in [0, 1]",
            f"values from {lowest:.4g} to {highest:.4g}",
            f"answer of {name}",
            "Apply softmax, or say that the outputs are logits.",
        )
    off = np.abs(table.sum(axis=1, dtype=np.float64) - 1)
    if off.size and off.max() > TOLERANCE:
        row = int(off.argmax())
        raise UsageError(
            "rows that sum to 1",
            f"a sum of {float(table[row].sum()):.4g} in row {row}",
            f"answer of {name}",
            "Apply softmax, or say that the outputs are logits.",
        )
    return np.clip(table, 0, 1)


def in_batches(ask: Callable[[Any], Any], x: Any, batch: int, name: str) -> list[Any]:
    """What a model answers to (n, ...) inputs, a stretch at a time.

    Args:
        ask: (b, ...) inputs → b outputs.
        x: anything that can be sliced by rows.
        batch: how many inputs at once.
        name: of the model, for messages.

    Returns:
        The answers in order.

    Raises:
        UsageError: no inputs, or whatever the model raised, in words.
    """
    if batch < 1:
        raise UsageError("a batch of 1 or more", str(batch), name, "Give `batch` another value.")
    if not hasattr(x, "__len__") or getattr(x, "ndim", 1) == 0 or len(x) == 0:
        raise UsageError("one input or more", "none", f"inputs of {name}", "Give an array (n, ...).")
    try:
        return [ask(x[start : start + batch]) for start in range(0, len(x), batch)]
    except UsageError:
        raise
    except Exception as error:  # a model is code of the user: it may raise anything
        got = f"{type(error).__name__}: {str(error)[:300]}"
        given = (
            f"shape {tuple(getattr(x, 'shape', (len(x),)))}, dtype {getattr(x, 'dtype', type(x).__name__)}"
        )
        remedy = f"Inputs were of {given}; give them as in training (shape, dtype, scaling)."
        raise UsageError("a model that takes these inputs", got, name, remedy) from error


def to_probabilities(outputs: list[Any], n: int, logits: Logits, name: str) -> Probabilities:
    """Raw outputs as probabilities.

    Args:
        outputs: what the model gave, a list of tables (b, k) that make up n rows.
        n: how many inputs were asked about.
        logits: True applies softmax, False never, "auto" only when some row is no distribution.
        name: of the model, for messages.

    Raises:
        UsageError: as `checked`.
    """
    table = as_table(_joined(outputs, name), n, name)
    if logits is True or (logits == "auto" and not is_distribution(table)):
        table = softmax(table)
    return checked(table, n, name)


def _joined(outputs: list[Any], name: str) -> Any:
    try:
        return outputs[0] if len(outputs) == 1 else np.concatenate([np.asarray(part) for part in outputs])
    except ValueError as error:
        remedy = "The model must give the same classes for every batch."
        raise UsageError("one table of outputs", str(error)[:200], f"answer of {name}", remedy) from error


def softmax(logits: NDArray[Any]) -> Probabilities:
    """Softmax over the last axis, computed in float64."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    result: Probabilities = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def is_distribution(table: NDArray[Any]) -> bool:
    """Whether every row of (n, k) is a probability distribution within `TOLERANCE`."""
    if table.size == 0:
        return True
    inside = table.min() >= -TOLERANCE and table.max() <= 1 + TOLERANCE
    return bool(inside and np.abs(table.sum(axis=1, dtype=np.float64) - 1).max() <= TOLERANCE)


def as_table(outputs: Any, n: int, name: str) -> Probabilities:
    """Outputs as a finite (n, k) float32 table, k of 2 or more.

    Raises:
        UsageError: anything else.
    """
    where = f"answer of {name}"
    try:
        table = np.asarray(outputs, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError("an array of numbers", type(outputs).__name__, where, str(error)[:200]) from error
    if table.ndim != 2 or table.shape[0] != n or table.shape[1] < 2:
        remedy = (
            "One row for each input, one column for each class; "
            "hand over a model with a single output p as a function that gives the columns 1 - p and p."
        )
        raise UsageError(f"shape ({n}, classes) with 2 classes or more", str(table.shape), where, remedy)
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        remedy = "Check the scaling of the inputs and the weights of the model."
        raise UsageError("finite numbers", f"NaN or infinity in row {row}", where, remedy)
    return table
