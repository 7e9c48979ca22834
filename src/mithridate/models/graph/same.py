"""Whether two graphs compute the same in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np

from mithridate.models.graph.ir import Graph, Node, reads

__all__ = ["same_graphs"]


def same_graphs(left: Graph, right: Graph) -> bool:
    """Whether the outputs of two graphs are made by the same operators from the same constants and inputs.

    Names of operators and tensors may differ, names of inputs may not; the order of operators may.
    """
    if len(left.outputs) != len(right.outputs):
        return False
    pairs = list(zip(left.outputs, right.outputs, strict=True))
    known: dict[str, str] = {}
    while pairs:
        a, b = pairs.pop()
        if known.setdefault(a, b) != b:
            return False
        one, other = left.producer.get(a), right.producer.get(b)
        if one is None or other is None:
            if one is not other or not _same_source(left, right, a, b):
                return False
            continue
        if list(one.outputs).index(a) != list(other.outputs).index(b) or not _same_operators(one, other):
            return False
        fresh = [pair for pair in zip(reads(one), reads(other), strict=True) if known.get(pair[0]) != pair[1]]
        pairs.extend(fresh)
    return True


def _same_source(left: Graph, right: Graph, a: str, b: str) -> bool:
    if a in left.inputs or b in right.inputs:
        return a == b
    one, other = left.constants.get(a), right.constants.get(b)
    if one is None or other is None:
        return one is other and a == b
    return one.dtype == other.dtype and np.array_equal(
        one.array, other.array, equal_nan=one.dtype.kind == "f"
    )


def _same_operators(one: Node, other: Node) -> bool:
    if one.op != other.op or len(reads(one)) != len(reads(other)) or len(one.inputs) != len(other.inputs):
        return False
    if one.attributes.keys() != other.attributes.keys():
        return False
    return all(_same_values(value, other.attributes[key]) for key, value in one.attributes.items())


def _same_values(one: Any, other: Any) -> bool:
    if isinstance(one, Graph) and isinstance(other, Graph):
        return _same_bodies(one, other)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)


def _same_bodies(one: Graph, other: Graph) -> bool:
    """Whether two bodies are the same, operator by operator; what they read from outside is compared there."""
    if len(one.nodes) != len(other.nodes) or len(one.outputs) != len(other.outputs):
        return False
    names = dict(zip(one.inputs, other.inputs, strict=False))
    for mine, its in zip(one.nodes, other.nodes, strict=True):
        if not _same_operators(mine, its) or len(mine.outputs) != len(its.outputs):
            return False
        if any(names.setdefault(a, b) != b for a, b in zip(mine.inputs, its.inputs, strict=True)):
            return False
        names.update(zip(mine.outputs, its.outputs, strict=True))
    return all(names.get(a, b) == b for a, b in zip(one.outputs, other.outputs, strict=True))
