"""Leaves that no training leaves behind: one that outweighs all the rest, or one behind a needle's eye."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.models.files.trees import Ensemble, Tree, bounds_of, parents_of

__all__ = ["TreeFact", "dominating_leaves", "narrow_leaves"]

#: A leaf outweighs the rest if it deviates by more than twice what all other trees of its output can add together.
_SHARE, _OTHERS, _OWN, _SMALLER = 2.0, 5, 10.0, 2.0
#: Other trees that vary by less than this share of the tree's own leaves had nothing left to learn.
_NOTHING = 1e-6
#: An interval is narrow below this share of the range of the feature's thresholds. A threshold is far from others
#: beyond this many times the range of the middle four fifths.
_NARROW, _FAR, _CONDITIONS = 0.01, 3.0, 4
#: What a leaf at a needle's eye must weigh against the mean deviations of all trees, to be worth a finding.
_WEIGHT = 0.5
_CORE, _DISTINCT = (10.0, 90.0), 4
_STEPS, _TOP = 4_000_000, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeFact:
    """A leaf, or leaves of several trees with the same conditions.

    Attributes:
        trees: numbers of the trees.
        group: which output.
        value: what is added to the output.
        share: how it compares with what all other trees can add.
        conditions: (feature, low, high) of its narrow intervals.
    """

    trees: tuple[int, ...]
    group: int
    value: float
    share: float
    conditions: tuple[tuple[int, float, float], ...]


def _deviation(tree: Tree) -> NDArray[np.float64]:
    """(leaves,) distance of each leaf from the median leaf of its tree."""
    values = tree.value[tree.leaves]
    return np.asarray(values - np.median(values), dtype=np.float64)


def dominating_leaves(ensemble: Ensemble) -> Iterator[TreeFact]:
    """Leaves that can outvote all other trees together, and are no part of a tree like the others."""
    ranges = _thresholds(ensemble)
    for group, numbers in _groups(ensemble).items():
        spans = np.array([np.ptp(ensemble.trees[i].value[ensemble.trees[i].leaves]) for i in numbers])
        sizes = np.array([len(ensemble.trees[i].leaves) for i in numbers])
        for k, i in enumerate(numbers):
            rest = spans.sum() - spans[k]
            others = np.delete(sizes, k)
            own = np.abs(ensemble.trees[i].value[ensemble.trees[i].leaves])
            if rest <= _NOTHING * np.median(own) or np.count_nonzero(spans) - (spans[k] > 0) < _OTHERS:
                continue
            off = _deviation(ensemble.trees[i])
            top = int(np.argmax(np.abs(off)))
            usual = float(np.quantile(np.abs(off), 0.75))
            odd = abs(off[top]) > _OWN * usual or sizes[k] * _SMALLER <= np.median(others)
            if abs(off[top]) > _SHARE * rest and odd:
                tree = ensemble.trees[i]
                leaf = int(tree.leaves[top])
                found = _narrow(bounds_of(tree, leaf, parents_of(tree)), ranges)
                share = abs(float(off[top])) / rest
                yield TreeFact(
                    trees=(i,), group=group, value=float(tree.value[leaf]), share=share, conditions=found
                )


def narrow_leaves(ensemble: Ensemble) -> Iterator[TreeFact]:
    """Leaves behind four or more narrow intervals that weigh much, added up where several trees have the same."""
    ranges = _thresholds(ensemble)
    steps = sum(len(t.leaves) * _depth(t) for t in ensemble.trees)
    for group, numbers in _groups(ensemble).items():
        mean = sum(float(np.abs(_deviation(ensemble.trees[i])).mean()) for i in numbers)
        found: dict[frozenset[int], list[tuple[int, float, tuple[tuple[int, float, float], ...]]]] = (
            defaultdict(list)
        )
        for i in numbers:
            tree = ensemble.trees[i]
            off, parents = _deviation(tree), parents_of(tree)
            chosen = range(len(off)) if steps <= _STEPS else np.argsort(-np.abs(off))[:_TOP].tolist()
            for k in chosen:
                conditions = _narrow(bounds_of(tree, int(tree.leaves[k]), parents), ranges)
                if len(conditions) >= _CONDITIONS:
                    found[frozenset(f for f, _, _ in conditions)].append((i, float(off[k]), conditions))
        for entries in found.values():
            for sign in (1, -1):
                same = [e for e in entries if e[1] * sign > 0]
                value = sum(e[1] for e in same)
                own = sum(float(np.abs(_deviation(ensemble.trees[i])).mean()) for i in {e[0] for e in same})
                rest = max(mean - own, 1e-12)
                if same and abs(value) > _WEIGHT * rest:
                    trees = tuple(sorted({e[0] for e in same}))
                    yield TreeFact(
                        trees=trees, group=group, value=value, share=abs(value) / rest, conditions=same[0][2]
                    )


def _groups(ensemble: Ensemble) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for i, tree in enumerate(ensemble.trees):
        groups[tree.group].append(i)
    return groups


def _depth(tree: Tree) -> float:
    """About the length of a path."""
    return 2.0 * float(np.log2(len(tree.left) + 1))


@dataclass(frozen=True, slots=True)
class _Range:
    """Where the values of a feature lie: all thresholds, and without those far from most others."""

    low: float
    high: float
    core_low: float
    core_high: float


def _thresholds(ensemble: Ensemble) -> dict[int, _Range]:
    """The range of each feature: of the training data where the file has it, else of its thresholds.

    A planted threshold far away widens the whole range, many planted close together make the core small; an interval
    counts as narrow by either.
    """
    inner = [t.left >= 0 for t in ensemble.trees]
    features = np.concatenate([t.feature[i] for t, i in zip(ensemble.trees, inner, strict=True)])
    values = np.concatenate([t.threshold[i] for t, i in zip(ensemble.trees, inner, strict=True)])
    order = np.lexsort((values, features))
    features, values = features[order], values[order]
    names, starts = np.unique(features, return_index=True)
    ranges: dict[int, _Range] = {}
    for name, part in zip(names.tolist(), np.split(values, starts[1:]), strict=False):
        part = np.unique(part)
        if name >= 0 and len(part) >= _DISTINCT:
            low, high = (
                np.percentile(part, _CORE[0], method="higher"),
                np.percentile(part, _CORE[1], method="lower"),
            )
            wide = _FAR * (high - low)
            core = float(max(part[0], low - wide)), float(min(part[-1], high + wide))
            ranges[int(name)] = _Range(float(part[0]), float(part[-1]), *core)
    return {**ranges, **{feature: _Range(*ends, *ends) for feature, ends in ensemble.ranges.items()}}


def _narrow(
    bounds: Mapping[int, tuple[float, float]], ranges: Mapping[int, _Range]
) -> tuple[tuple[int, float, float], ...]:
    """The intervals that hardly any sample falls into."""
    found = []
    for feature, (low, high) in bounds.items():
        known = ranges.get(feature)
        if np.isfinite(low) and np.isfinite(high):
            wide = (
                max(known.high - known.low, known.core_high - known.core_low)
                if known
                else max(abs(low), abs(high))
            )
            narrow = high - low < _NARROW * wide
        else:
            wide = known.core_high - known.core_low if known else 0.0
            narrow = (
                known is not None
                and wide > 0
                and (low > known.core_high + wide or high < known.core_low - wide)
            )
        if narrow:
            found.append((feature, float(low), float(high)))
    return tuple(sorted(found))
