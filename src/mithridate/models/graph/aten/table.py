"""All operators of torch that have a translation, and how one is translated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from mithridate.models.graph.aten import (
    elementwise,
    indexing,
    layers,
    making,
    pooling,
    recurrent,
    reduce,
    shapes,
)
from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.values import Tensor, UncoveredError

__all__ = ["OPERATORS", "translated"]

OPERATORS: Final[Mapping[str, Callable[..., Any]]] = {
    **elementwise.TABLE, **reduce.TABLE, **shapes.TABLE, **indexing.TABLE, **making.TABLE, **layers.TABLE,
    **pooling.TABLE, **recurrent.TABLE,
}  # fmt: skip

#: where tensors lie, and who computes gradients, is nothing that a graph says.
_DROPPED: Final = frozenset(
    ("device", "layout", "pin_memory", "memory_format", "non_blocking", "copy", "requires_grad", "generator")
)


def translated(b: Builder, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What an operator answers; one without a translation becomes a node "aten::NAME" that says what it reads.

    Args:
        b: the graph in the making.
        name: of the operator, without "aten::" and overload; with a "_" behind it where it works in place.
        arguments: tensors, sizes, numbers, text, None, and lists of these.
        named: arguments given by name.
    """
    named = {key: value for key, value in named.items() if key not in _DROPPED}
    in_place = name.endswith("_") and not name.endswith("__") and bool(arguments)
    plain = name[:-1] if in_place and name not in OPERATORS else name
    before = len(b.nodes)
    try:
        answer = _call(b, plain, arguments, named)
    except UncoveredError:
        del b.nodes[before:]
        answer = _unknown(b, name, arguments, named)
    target = arguments[0] if arguments else named.get("self")
    if in_place and plain != name and isinstance(target, Tensor) and isinstance(answer, Tensor | list):
        return b.assign(target, answer if isinstance(answer, Tensor) else answer[0])
    return answer


def _call(b: Builder, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    function = OPERATORS.get(name)
    if function is None:
        raise UncoveredError(name)
    arguments = list(arguments)
    try:
        bound = _signature(function).bind(b, *arguments, **named)
    except TypeError as error:
        raise UncoveredError(f"{name} with other arguments") from error
    try:
        return function(*bound.args, **bound.kwargs)
    except (
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        KeyError,
        OverflowError,
        ZeroDivisionError,
    ) as error:
        # arguments of a kind that no such operator takes: nothing that is known here
        raise UncoveredError(f"{name}: {str(error)[:100]}") from error


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _unknown(b: Builder, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    given = {f"argument{i}": value for i, value in enumerate(arguments)} | dict(named)
    full = name.replace(".", "::", 1) if "." in name else f"aten::{name}"
    answers = b.opaque(full, given, b.expected)
    return answers[0] if len(answers) == 1 else tuple(answers)
