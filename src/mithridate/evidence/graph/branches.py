"""Branches of a graph that reach the output around the model's layers: where a hidden mechanism has to be.

A backdoor made of operators leaves the model's own layers as they are, so its way from the input to the output passes
next to them, and somewhere both ways merge. Wide-and-deep models, skips from the input and masks have such ways, too:
a branch is a candidate, no finding. Its operators say more: a crop of few constant pixels, a comparison, a gate.

References:
    Langford et al., Architectural Neural Backdoors from First Principles, arXiv:2402.06957, sec. 3 (what such branches
        need: a path to the output, and a way to tell the trigger).
    Tang et al., arXiv:2006.08131 (a network beside the model).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mithridate.evidence.graph.patterns import patterns_of
from mithridate.models.graph.flow import Flow
from mithridate.models.graph.ir import Node, reads
from mithridate.models.graph.operators import COMPARE, CROP, UNARY

__all__ = ["Branch", "side_branches"]

_DEEPEST = 2  # learnt layers that both ways may have in common
_HEAVIEST = 0.95  # share of a model's parameters from which on a "branch" is the model itself
_ARITHMETIC = frozenset(("Add", "Sub", "Mul", "Div", "Cast", "Identity", "Clip", "Transpose"))
_MOST = 24  # candidates that are worth a run


@dataclass(frozen=True, kw_only=True, eq=False)
class Branch:
    """A way around the model's layers.

    Attributes:
        merges: the operators where it meets the model, first one first.
        sides: the tensors that bring it there, one for each merge.
        main: what the first merge would have answered without it.
        chain: `main` and the tensors before it that only pass it on, nearest first: one of them is the answer of the
            model as it was.
        nodes: the operators that nothing but the branch needs.
        parameters: values other than zero that the branch brings along.
        share: of these among those of the whole graph.
        common: learnt layers that branch and model have in common.
        late: no learnt layer follows the last merge.
        patterns: what was recognised in it, ids of `PATTERNS`.
    """

    merges: tuple[Node, ...]
    sides: tuple[str, ...]
    main: str
    chain: tuple[str, ...]
    nodes: tuple[Node, ...]
    parameters: int
    share: float
    common: int
    late: bool
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class _Meeting:
    """One merge of two ways."""

    at: int
    side: str
    main: str
    above: int
    alone: int
    common: int


def side_branches(flow: Flow) -> tuple[Branch, ...]:
    """The branches of a graph, those with the most patterns first.

    Args:
        flow: of the graph.
    """
    groups = _grouped(sorted(_meetings(flow), key=lambda m: (m.at, m.alone.bit_count())))
    found = [_branch(flow, group) for group in groups]
    kept = [b for b in found if b.common == 0 or set(b.patterns) & {"crop", "compare", "step", "exact"}]
    return tuple(sorted(kept, key=lambda b: (-len(b.patterns), not b.late, b.share))[:_MOST])


def _meetings(flow: Flow) -> Iterator[_Meeting]:
    graph = flow.graph
    whole = max(flow.mass((1 << len(graph.nodes)) - 1), 1)
    shallow = _shallow(flow)
    for at, node in enumerate(graph.nodes):
        alive = [name for name in dict.fromkeys(reads(node)) if name in flow.depth]
        if len(alive) < 2 or not any(output in flow.after for output in node.outputs):
            continue
        for side in alive:
            above = flow.above(side)
            for main in alive:
                if main == side:
                    continue
                alone, common = above & ~flow.above(main), above & flow.above(main)
                if common & ~shallow or not alone:
                    continue
                # In front of the first layer only what tells inputs apart is a candidate.
                learnt = flow.above(main) & ~above & flow.learnt
                if not learnt and not (_untouched(flow, main) and _telling(flow, alone)):
                    continue
                if flow.mass(alone) <= _HEAVIEST * whole:
                    yield _Meeting(at, side, main, above, alone, _layers(flow, common))


def _untouched(flow: Flow, tensor: str) -> bool:
    """Whether a tensor is an input as it came, but for arithmetic with constants."""
    if tensor in flow.graph.inputs:
        return True
    nodes = flow.nodes_of(flow.above(tensor))
    return bool(nodes) and all(node.op in _ARITHMETIC for node in nodes)


def _telling(flow: Flow, nodes: int) -> bool:
    ops = {node.op for node in flow.nodes_of(nodes)}
    return bool(ops & COMPARE) and bool(ops & CROP)


def _shallow(flow: Flow) -> int:
    """The operators that are at most `_DEEPEST` learnt layers away from the inputs."""
    found = 0
    for i, node in enumerate(flow.graph.nodes):
        depths = [flow.depth[output] for output in node.outputs if output in flow.depth]
        if not depths or max(depths) <= _DEEPEST:
            found |= 1 << i
    return found


def _layers(flow: Flow, nodes: int) -> int:
    outputs = (out for node in flow.nodes_of(nodes) for out in node.outputs)
    return max((flow.depth[out] for out in outputs if out in flow.depth), default=0)


def _grouped(meetings: Iterable[_Meeting]) -> list[list[_Meeting]]:
    """One list for each branch: later merges whose side comes from an earlier one's branch belong to that one."""
    groups: list[list[_Meeting]] = []
    for meeting in meetings:
        mine = next((g for g in groups if g[0].alone & meeting.above), None)
        if mine is None:
            groups.append([meeting])
        elif all(meeting.at != other.at for other in mine):
            mine.append(meeting)
    return groups


def _branch(flow: Flow, group: Sequence[_Meeting]) -> Branch:
    graph, first = flow.graph, group[0]
    nodes = 0
    for meeting in group:
        nodes |= meeting.alone
    merges = tuple(graph.nodes[m.at] for m in group)
    inside = flow.nodes_of(nodes)
    whole = max(flow.mass((1 << len(graph.nodes)) - 1), 1)
    return Branch(
        merges=merges,
        sides=tuple(m.side for m in group),
        main=first.main,
        chain=_chain(flow, first.main, nodes),
        nodes=inside,
        parameters=flow.mass(nodes),
        share=flow.mass(nodes) / whole,
        common=max(m.common for m in group),
        late=max(flow.after.get(out, 99) for node in merges for out in node.outputs if out in flow.after)
        == 0,
        patterns=patterns_of(flow, inside, merges),
    )


def _chain(flow: Flow, main: str, branch: int) -> tuple[str, ...]:
    """A tensor and those before it that it is made of without learnt layers or other inputs."""
    chain = [main]
    while True:
        node = flow.graph.producer.get(chain[-1])
        if node is None or node.op not in UNARY or flow.learnt >> flow.number[chain[-1]] & 1:
            return tuple(chain)
        alive = [n for n in dict.fromkeys(reads(node)) if n in flow.depth and not flow.above(n) & branch]
        if len(alive) != 1:
            return tuple(chain)
        chain.append(alive[0])
