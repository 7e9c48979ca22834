"""How values flow through a graph: who depends on whom, past how many learnt layers, with how many parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError
from mithridate.models.graph.ir import Graph, Node, reads
from mithridate.models.graph.operators import LEARN, SHAPE_ONLY

__all__ = ["Flow", "flow_of"]

_MOST = 30_000  # operators; the table of ancestors is quadratic in them, in bits


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """What `flow_of` finds. Sets of operators are whole numbers, bit i standing for `graph.nodes[i]`.

    Attributes:
        graph: the graph.
        number: output of an operator → the operator's index.
        ancestors: (n,) for each operator the operators that its outputs are computed by, itself included; only those
            whose *values* depend on the inputs.
        depth: tensor → most learnt layers on a way from an input to it; missing where it does not depend on one.
        after: tensor → fewest learnt layers on a way from it to an output; missing where there is no way.
        parameters: (n,) values other than zero among an operator's constants.
        learnt: the operators with constant weights.
    """

    graph: Graph
    number: dict[str, int]
    ancestors: tuple[int, ...]
    depth: dict[str, int]
    after: dict[str, int]
    parameters: NDArray[np.int64]
    learnt: int

    def above(self, tensor: str) -> int:
        """The operators that a tensor is computed by."""
        return self.ancestors[self.number[tensor]] if tensor in self.number else 0

    def mass(self, nodes: int) -> int:
        """Parameters other than zero of some operators."""
        return int(self.parameters[members(nodes, len(self.graph.nodes))].sum())

    def nodes_of(self, nodes: int) -> tuple[Node, ...]:
        """The operators of a set, in order."""
        return tuple(self.graph.nodes[i] for i in members(nodes, len(self.graph.nodes)))


def members(nodes: int, count: int) -> NDArray[np.int64]:
    """The indices in a set of `count` operators."""
    raw = np.frombuffer(nodes.to_bytes((count + 7) // 8 or 1, "little"), dtype=np.uint8)
    return np.flatnonzero(np.unpackbits(raw, bitorder="little"))


def flow_of(graph: Graph) -> Flow:
    """Follow the values from the inputs on.

    Raises:
        ItemError: more operators than can be compared with each other.
    """
    if len(graph.nodes) > _MOST:
        raise ItemError(
            graph.name, f"{len(graph.nodes):,} operators, more than the {_MOST:,} that are compared"
        )
    depth = dict.fromkeys(graph.inputs, 0)
    number: dict[str, int] = {}
    ancestors: list[int] = []
    parameters = np.zeros(len(graph.nodes), dtype=np.int64)
    folded: dict[
        str, int
    ] = {}  # weights of tensors that depend on no input: they count where they are used first
    learnt, counted = 0, set[str]()
    for i, node in enumerate(graph.nodes):
        names = dict.fromkeys(reads(node))
        alive = [] if node.op in SHAPE_ONLY else [name for name in names if name in depth]
        fixed = [name for name in names if name not in depth and name not in counted]
        own = _weights(graph, node, fixed) + sum(folded.get(name, 0) for name in fixed)
        number.update((output, i) for output in node.outputs if output)
        if not alive:
            ancestors.append(0)
            folded.update((output, own) for output in node.outputs if output)
            continue
        counted.update(fixed)
        parameters[i] = own
        ancestors.append((1 << i) | _union(ancestors[number[name]] for name in alive if name in number))
        is_learnt = node.op in LEARN and (own > 0 or "::" in node.op)
        learnt |= int(is_learnt) << i
        reached = max(depth[name] for name in alive) + is_learnt
        depth.update((output, reached) for output in node.outputs if output)
    return Flow(
        graph=graph,
        number=number,
        ancestors=tuple(ancestors),
        depth=depth,
        after=_after(graph, learnt),
        parameters=parameters,
        learnt=learnt,
    )


def _union(sets: Iterable[int]) -> int:
    found = 0
    for one in sets:
        found |= one
    return found


def _weights(graph: Graph, node: Node, names: Iterable[str]) -> int:
    """Values other than zero that an operator brings along; shapes, axes and single numbers are no parameters."""
    found = 0
    for name in names:
        constant = graph.constants.get(name)
        if constant is not None and constant.dtype.kind in "fV" and constant.size > 1:
            found += constant.nonzero
    for value in node.attributes.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1:
            found += int(np.count_nonzero(value))
        elif isinstance(value, tuple) and len(value) > 8 and isinstance(value[0], float):
            found += sum(1 for number in value if number)
    return found


def _after(graph: Graph, learnt: int) -> dict[str, int]:
    after = dict.fromkeys(graph.outputs, 0)
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        ways = [after[output] for output in node.outputs if output in after]
        if not ways:
            continue
        left = min(ways) + (learnt >> i & 1)
        for name in reads(node):
            after[name] = min(after.get(name, left), left)
    return after
