"""Tree ensembles as arrays, read from what LightGBM and XGBoost write; nothing is loaded by their libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError

__all__ = ["Ensemble", "Tree", "bounds_of", "parents_of", "read_lightgbm", "read_xgboost"]

_MOST_TREES, _MOST_NODES = 200_000, 20_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A tree; all arrays have one entry for each node, the root first.

    Attributes:
        left: (n,) node on the left, where the feature is below the threshold; -1 in leaves.
        right: (n,) node on the right; -1 in leaves.
        feature: (n,) what is compared; -1 where the comparison is not numeric.
        threshold: (n,) with what.
        value: (n,) what a leaf adds to the output, 0 in others.
        group: which output it adds to.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    group: int

    @property
    def leaves(self) -> NDArray[np.int64]:
        """Numbers of the leaves."""
        return np.flatnonzero(self.left < 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ensemble:
    """Trees, and the ranges of the features where the file has them (LightGBM writes those of the training data)."""

    trees: tuple[Tree, ...]
    ranges: Mapping[int, tuple[float, float]]


def read_xgboost(model: Any, where: str) -> Ensemble:
    """The trees of a parsed XGBoost model.

    Args:
        model: as read from JSON or UBJSON.
        where: the item, for messages.

    Raises:
        ItemError: no trees that can be read.
    """
    try:
        booster = model["learner"]["gradient_booster"]
        weights = booster.get("weight_drop")
        booster = booster.get("gbtree", booster)  # dart keeps its trees one level below
        trees, groups = booster["model"]["trees"], booster["model"]["tree_info"]
        if len(trees) > _MOST_TREES:
            raise ItemError(where, f"more than {_MOST_TREES:,} trees")
        if weights is None or len(weights) != len(trees):
            weights = np.ones(len(trees))
        read = tuple(
            _xgboost_tree(tree, int(group), float(weight), where)
            for tree, group, weight in zip(trees, groups, weights, strict=True)
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise ItemError(
            where, f"no trees that can be read ({type(error).__name__}: {str(error)[:100]})"
        ) from error
    return Ensemble(trees=read, ranges={})


def _xgboost_tree(tree: Mapping[str, Any], group: int, weight: float, where: str) -> Tree:
    if str(tree.get("tree_param", {}).get("size_leaf_vector", "1")) not in ("0", "1"):
        raise ItemError(where, "leaves with several values, which are not read")
    left, right = _ints(tree["left_children"]), _ints(tree["right_children"])
    conditions = np.asarray(tree["split_conditions"], dtype=np.float64)
    feature = _ints(tree["split_indices"])
    kinds = tree.get("split_type")
    if kinds is not None and len(kinds):
        feature = np.where(_ints(kinds) == 0, feature, -1)
    leaf = left < 0
    return _checked(Tree(
        left=left, right=right, feature=feature, threshold=conditions,
        value=np.where(leaf, conditions * weight, 0.0), group=group,
    ))  # fmt: skip


def read_lightgbm(text: str, where: str) -> Ensemble:
    """The trees of a LightGBM model.

    Args:
        text: of the file.
        where: the item, for messages.

    Raises:
        ItemError: no trees that can be read, or linear ones.
    """
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    if len(blocks) > _MOST_TREES:
        raise ItemError(where, f"more than {_MOST_TREES:,} trees")
    try:
        about = _lines(head)
        each = max(int(about.get("num_tree_per_iteration", "1")), 1)
        ranges = {
            i: r for i, r in enumerate(map(_range, about.get("feature_infos", "").split())) if r is not None
        }
        trees = tuple(_lightgbm_tree(_lines(block), i % each, where) for i, block in enumerate(blocks))
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        raise ItemError(
            where, f"no trees that can be read ({type(error).__name__}: {str(error)[:100]})"
        ) from error
    return Ensemble(trees=trees, ranges=ranges)


def _lines(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}


def _range(info: str) -> tuple[float, float] | None:
    """Of a numeric feature, written as [min:max]."""
    low, colon, high = info.strip("[]").partition(":")
    return (float(low), float(high)) if colon and info.startswith("[") else None


def _lightgbm_tree(about: Mapping[str, str], group: int, where: str) -> Tree:
    if about.get("is_linear", "0").strip() == "1":
        raise ItemError(where, "leaves with linear models, which are not read")
    values = np.asarray(about["leaf_value"].split(), dtype=np.float64)
    if int(about["num_leaves"]) != len(values):
        raise ValueError("num_leaves")
    none = np.full(len(values), -1, dtype=np.int64)
    if len(values) == 1:
        return Tree(left=none, right=none, feature=none, threshold=np.zeros(1), value=values, group=group)
    feature, kinds = (
        np.asarray(about[k].split(), dtype=np.int64) for k in ("split_feature", "decision_type")
    )
    splits = len(values) - 1

    def nodes(key: str) -> NDArray[np.int64]:
        child = np.asarray(about[key].split(), dtype=np.int64)
        return np.concatenate([np.where(child < 0, splits + ~child, child), none])

    return _checked(Tree(
        left=nodes("left_child"), right=nodes("right_child"),
        feature=np.concatenate([np.where(kinds & 1, -1, feature), none]),
        threshold=np.concatenate([np.asarray(about["threshold"].split(), dtype=np.float64), np.zeros(len(values))]),
        value=np.concatenate([np.zeros(splits), values]), group=group,
    ))  # fmt: skip


def _ints(values: Sequence[int]) -> NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64)


def _checked(tree: Tree) -> Tree:
    """A tree indeed: every node but the root has one parent, before or after it."""
    count = len(tree.left)
    arrays = (tree.left, tree.right, tree.feature, tree.threshold, tree.value)
    if not 0 < count <= _MOST_NODES or any(a.shape != (count,) for a in arrays):
        raise ValueError("arrays of different lengths")
    inner = tree.left >= 0
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    if (tree.right[inner] < 0).any() or (children <= 0).any() or (children >= count).any():
        raise ValueError("a child that is not there")
    if len(np.unique(children)) != len(children):
        raise ValueError("a node with two parents")
    return tree


def bounds_of(tree: Tree, leaf: int, parents: NDArray[np.int64]) -> dict[int, tuple[float, float]]:
    """The interval, low to high, of every feature that the path to a leaf bounds.

    Args:
        tree: the tree.
        leaf: a node of it.
        parents: (n,) of the tree; see `parents_of`.
    """
    bounds: dict[int, tuple[float, float]] = {}
    node = leaf
    for _ in range(len(tree.left)):  # a tree has no loops, and yet
        parent = int(parents[node])
        if parent < 0:
            break
        feature, threshold = int(tree.feature[parent]), float(tree.threshold[parent])
        if feature >= 0:
            low, high = bounds.get(feature, (-np.inf, np.inf))
            below = tree.left[parent] == node
            bounds[feature] = (low, min(high, threshold)) if below else (max(low, threshold), high)
        node = parent
    return bounds


def parents_of(tree: Tree) -> NDArray[np.int64]:
    """(n,) the node above each, -1 for the root."""
    parents = np.full(len(tree.left), -1, dtype=np.int64)
    inner = np.flatnonzero(tree.left >= 0)
    parents[tree.left[inner]] = inner
    parents[tree.right[inner]] = inner
    return parents
