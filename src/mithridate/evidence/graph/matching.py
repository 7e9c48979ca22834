"""Two graphs compared operator by operator: what one has that the other does not.

Reference:
    Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 12 (2011), sec. 3: a node is told by its label and,
    round by round, by those of its neighbours; here along the flow of values only, from the inputs on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from mithridate.models.graph.ir import Constant, Graph, Node

__all__ = ["Difference", "differ"]

_SMALL = 64  # values: constants of no more are settings (axes, bounds) and have to be equal
_SIZE = 16
#: of the operators whose defaults exporters write out or leave away.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "Conv": {"group": 1, "auto_pad": "NOTSET"},
    "MaxPool": {"ceil_mode": 0, "storage_order": 0, "auto_pad": "NOTSET"},
    "AveragePool": {"ceil_mode": 0, "count_include_pad": 0, "auto_pad": "NOTSET"},
    "BatchNormalization": {"training_mode": 0},
    "Flatten": {"axis": 1},
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a graph has and its parent does not.

    Attributes:
        added: operators that no operator of the parent computes the same as.
        begins: those of them whose inputs the parent does have: where the difference begins.
        missing: how many operators of the parent have no match.
        shared: how many operators match.
        weights: share of the parent's learnt numbers that are the same here, bit for bit.
    """

    added: tuple[Node, ...]
    begins: tuple[Node, ...]
    missing: int
    shared: int
    weights: float


def differ(graph: Graph, parent: Graph) -> Difference:
    """Compare a graph with the one it is said to come from."""
    mine, theirs = _labels(graph), _labels(parent)
    left = Counter(label for label in theirs.operators.values())
    added = []
    for node in graph.nodes:
        label = mine.operators[node.name]
        if left[label]:
            left[label] -= 1
        else:
            added.append(node)
    names = {node.name for node in added}
    made = {out for node in added for out in node.outputs}
    return Difference(
        added=tuple(added),
        begins=tuple(node for node in added if not any(name in made for name in node.inputs)),
        missing=sum(left.values()),
        shared=len(graph.nodes) - len(names),
        weights=_same_weights(graph, parent),
    )


@dataclass(frozen=True)
class _Labels:
    operators: Mapping[str, bytes]


def _labels(graph: Graph) -> _Labels:
    """What every operator computes, told by how; weights by their shape only."""
    known = {name: _digest(("input", k)) for k, name in enumerate(graph.inputs)}
    known |= {name: _constant(value) for name, value in graph.constants.items()}
    operators = {}
    for node in graph.nodes:
        told = (node.op, _attributes(node), [known.get(name, b"") for name in node.inputs])
        operators[node.name] = label = _digest(told)
        for k, output in enumerate(node.outputs):
            known[output] = _digest((label, k))
    return _Labels(operators)


def _constant(value: Constant) -> bytes:
    if value.size <= _SMALL and (value.dtype.kind in "iub" or value.size <= 1):
        return _digest((value.shape, str(value.dtype), value.array.tobytes()))
    return _digest((value.shape, str(value.dtype)))


def _attributes(node: Node) -> list[tuple[str, Any]]:
    """Those that say something: exporters write defaults out or leave them away."""
    usual = _DEFAULTS.get(node.op, {})
    return sorted(
        (name, _plain(value)) for name, value in node.attributes.items() if usual.get(name) != value
    )


def _plain(value: Any) -> str:
    if isinstance(value, Graph):
        return str(sorted(label.hex() for label in _labels(value).operators.values()))
    if isinstance(value, np.ndarray):
        return _constant(Constant.of(value)).hex()
    return repr(value)


def _digest(told: Any) -> bytes:
    return blake2b(repr(told).encode(), digest_size=_SIZE).digest()


def _same_weights(graph: Graph, parent: Graph) -> float:
    """Share of the parent's numbers that are found here unchanged."""

    def digests(constants: Iterable[Constant]) -> dict[bytes, int]:
        held = [c for c in constants if c.dtype.kind == "f" and c.size > _SMALL]
        return {
            blake2b(np.ascontiguousarray(c.array).tobytes(), digest_size=_SIZE).digest(): c.size for c in held
        }

    mine, theirs = digests(graph.constants.values()), digests(parent.constants.values())
    whole = sum(theirs.values())
    return sum(size for digest, size in theirs.items() if digest in mine) / whole if whole else 1.0
