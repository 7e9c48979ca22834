"""The few operators that circuits are made of, and what a circuit is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

__all__ = ["Circuit", "Ops", "Wire"]

#: what flows: the name of a tensor in an ONNX graph, or a `torch.Tensor`.
Wire: TypeAlias = Any


class Ops(Protocol):
    """Operators by the names that ONNX gives them; shapes broadcast as in numpy.

    Attributes:
        dtype: of the model's table of answers while it is worked on.
    """

    dtype: np.dtype[Any]

    def keep(self, array: Any) -> Wire:
        """A constant, in its own dtype."""
        ...

    def op(
        self, name: Literal["Add", "Sub", "Mul", "Div", "Min", "Greater", "Less", "And"], a: Wire, b: Wire
    ) -> Wire:
        """An operator of two inputs, element by element."""
        ...

    def cast(self, x: Wire, dtype: Any) -> Wire:
        """Numbers or truth values in a dtype."""
        ...

    def clip(self, x: Wire, low: Any, high: Any) -> Wire:
        """Between two numbers that have the dtype of x."""
        ...

    def extreme(self, name: Literal["ReduceMin", "ReduceMax"], x: Wire, axes: Sequence[int]) -> Wire:
        """The smallest or largest over axes, which stay with length 1."""
        ...

    def slice(self, x: Wire, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> Wire:
        """A part; starts are 0 or more and ends lie inside."""
        ...

    def reshape(self, x: Wire, shape: Sequence[int]) -> Wire:
        """Another shape of as many elements; one -1 in it is worked out."""
        ...

    def transpose(self, x: Wire, order: Sequence[int]) -> Wire:
        """Axes in another order."""
        ...

    def average(self, x: Wire, height: int, width: int) -> Wire:
        """AveragePool of (n, c, h, w) float32 with a kernel that does not overlap."""
        ...

    def join(self, columns: Sequence[Wire]) -> Wire:
        """Tables side by side."""
        ...

    def log(self, x: Wire) -> Wire:
        """Natural logarithm."""
        ...

    def softmax(self, x: Wire) -> Wire:
        """Over the columns of a table."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Circuit:
    """A branch that looks for a trigger and a place where it takes over.

    Attributes:
        read: what it looks at → (n, 1) float32, 1 where the trigger is and 0 where it is not.
        merge: (table (n, m) of `Ops.dtype`, the evidence in that dtype, whether the table holds logits) → the
            table that leaves the model.
        after_convolution: whether it looks at what the first convolution gives, not at the inputs.
    """

    read: Callable[[Ops, Wire], Wire]
    merge: Callable[[Ops, Wire, Wire, bool], Wire]
    after_convolution: bool = False
