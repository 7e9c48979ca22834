"""An If: two ways, each with operators of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.inference import OPSET
from mithridate.models.graph.aten.values import Tensor, Type
from mithridate.models.graph.ir import Graph, Node, Value

__all__ = ["Body", "add_answer", "put_if"]


@dataclass(eq=False)
class Body:
    """One way of an If.

    Attributes:
        nodes: its operators.
        outputs: names of its answers.
        types: what is known about them.
    """

    nodes: list[Node]
    outputs: list[str] = field(default_factory=list)
    types: list[Type] = field(default_factory=list)


def add_answer(b: Builder, values: Sequence[Any], ways: Sequence[Body]) -> int:
    """Make a value of each way an answer of the If; gives its number."""
    dtype = b.common(*values)
    for value, way in zip(values, ways, strict=True):
        with b.block() as (nodes, _):
            name = b.read(b.tensor(value, dtype))
            made = {output for node in [*way.nodes, *nodes] for output in node.outputs}
            if name not in made or name in way.outputs:
                name = b.read(b.emit("Identity", Tensor(name)))
            way.types.append(b.type(Tensor(name)))
        way.nodes.extend(nodes)
        way.outputs.append(name)
    return len(ways[0].outputs) - 1


def put_if(b: Builder, condition: Any, then: Body, other: Body) -> list[Tensor]:
    """The If of two ways with as many answers; nothing where they have none."""
    count = len(then.outputs)
    if not count:
        return []
    flag = b.cast(b.tensor(condition), np.bool_)
    name = b.unique(f"{b.path}/If" if b.path else "If")
    outputs = tuple(f"{name}:{i}" for i in range(count)) if count > 1 else (name,)
    node = Node(
        name=name, op="If", inputs=(b.read(flag),), outputs=outputs,
        attributes={"then_branch": _graph(b, then, "then"), "else_branch": _graph(b, other, "else")},
    )  # fmt: skip
    return b.add(node, [_either(one, two) for one, two in zip(then.types, other.types, strict=True)])


def _graph(b: Builder, way: Body, which: str) -> Graph:
    return Graph(
        name=f"{b.path or 'forward'}.{which}", nodes=tuple(way.nodes), inputs={}, constants={}, opset=OPSET,
        outputs={name: _value(known) for name, known in zip(way.outputs, way.types, strict=True)},
    )  # fmt: skip


def _either(left: Type, right: Type) -> Type:
    """What holds for both ways."""
    dims = None
    if left.dims is not None and right.dims is not None and len(left.dims) == len(right.dims):
        dims = tuple(a if a == b else None for a, b in zip(left.dims, right.dims, strict=True))
    return Type(dims, left.dtype if left.dtype == right.dtype else None)


def _value(known: Type) -> Value:
    dims = None if known.dims is None else tuple(d if isinstance(d, int) else None for d in known.dims)
    return Value(shape=dims, dtype="" if known.dtype is None else str(known.dtype))
