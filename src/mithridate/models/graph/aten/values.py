"""What the arguments of torch's operators can be while a graph is built from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = [
    "CODES", "DEVICE", "Dim", "HintError", "Number", "Size", "Tensor", "Type", "UncoveredError", "View", "flat", "kind",
    "promoted",
]  # fmt: skip

#: a size: a number, the name of one that may vary, or None where nothing is known.
Dim: TypeAlias = int | str | None
Number: TypeAlias = bool | int | float

#: torch's numbers of types (`c10/core/ScalarType.h`) → numpy's; bfloat16 is read as float32.
CODES: Final = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
    9: "complex64", 10: "complex128", 11: "bool", 15: "float32",
}  # fmt: skip


class UncoveredError(Exception):
    """An operator, or a use of one, that has no translation."""


class HintError(Exception):
    """An operator told something about an input that the file does not say: worth another reading."""

    def __init__(self, name: str, known: Type) -> None:
        self.name, self.known = name, known
        super().__init__(name)


class _Device:
    """Where a tensor lies, which no graph says."""


DEVICE: Final = _Device()


@dataclass(frozen=True)
class Type:
    """What is known about a tensor."""

    dims: tuple[Dim, ...] | None = None
    dtype: np.dtype[Any] | None = None


@dataclass(eq=False)
class View:
    """How a tensor looks into another one, so that writing to either changes both.

    Attributes:
        base: the tensor looked into.
        seen: the version of `base` that was looked at.
        look: the name of the part, made anew.
        back: the base with another part in place of this one.
    """

    base: Tensor
    seen: int
    look: Callable[[], str]
    back: Callable[[Tensor], Tensor]


@dataclass(eq=False)
class Tensor:
    """A tensor of torch: a box, what lies in it changes where code works in place.

    Attributes:
        name: of the tensor of the graph that it holds now.
        version: how often that changed.
        view: when it looks into another one.
    """

    name: str
    version: int = 0
    view: View | None = None


@dataclass(frozen=True)
class Size:
    """A size that is known only when the model runs.

    Attributes:
        tensor: name of a tensor that has it.
        axis: where; never negative.
        symbol: of the size, "" where it has none; two sizes with one symbol are equal.
    """

    tensor: str
    axis: int
    symbol: str = ""


def kind(dtype: np.dtype[Any]) -> int:
    """0 for booleans, 1 for whole numbers, 2 for floats, 3 for complex ones."""
    return {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}.get(dtype.kind, 2)


def promoted(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """The type that torch computes with: the highest kind decides, within one kind the widest."""
    highest = max(map(kind, dtypes))
    return np.result_type(*(d for d in dtypes if kind(d) == highest))


def flat(things: Any, depth: int = 0) -> list[Tensor | Size]:
    """The tensors and sizes among some arguments, nested ones included."""
    if isinstance(things, Tensor | Size):
        return [things]
    if isinstance(things, dict):
        things = list(things.values())
    if isinstance(things, list | tuple) and depth < 10:
        return [found for thing in things for found in flat(thing, depth + 1)]
    return []
