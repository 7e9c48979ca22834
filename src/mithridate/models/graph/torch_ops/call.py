"""What an operator is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mithridate.core.errors import ItemError
from mithridate.models.graph.ir import Node

__all__ = ["Call", "Operator", "bounded"]

_MOST = 1 << 28  # numbers in one tensor


@dataclass(frozen=True)
class Call:
    """One use of an operator.

    Attributes:
        node: the operator.
        x: its inputs, tensors; None where an optional one is left out.
        opset: that it is meant in.
    """

    node: Node
    x: Sequence[Any]
    opset: int

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        value = self.node.attributes.get(name)
        return default if value is None else value

    def text(self, name: str, default: str) -> str:
        """An attribute that is text."""
        value = self.get(name, default)
        return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)

    def at(self, number: int) -> Any:
        """An input, None where it is left out."""
        return self.x[number] if number < len(self.x) else None

    def whole(self, number: int, name: str = "") -> list[int] | None:
        """Whole numbers that are an input, in older opsets an attribute; None where neither is given."""
        given = self.at(number)
        if given is not None:
            return [int(value) for value in given.reshape(-1).tolist()]
        value = self.get(name) if name else None
        return (
            None
            if value is None
            else [int(k) for k in (value if isinstance(value, tuple | list) else [value])]
        )

    def refuse(self, what: str) -> ItemError:
        """The error for a form of the operator that is not known here."""
        return ItemError(
            self.node.name or self.node.op, f"{self.node.op} {what} has no gradients in this version"
        )


#: inputs and attributes → an output, or a tuple of them.
Operator: TypeAlias = Callable[[Call], Any]


def bounded(call: Call, size: int) -> None:
    """Refuse to make a tensor that no small network needs.

    Raises:
        ItemError: it is larger.
    """
    if not 0 <= size <= _MOST:
        raise call.refuse(f"to {size:,} numbers")
