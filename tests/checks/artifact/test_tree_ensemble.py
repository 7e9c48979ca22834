"""Trees: ordinary ensembles are silent, whatever their depth; a planted trigger tree is found, wherever it is put."""

import copy
import json

import numpy as np
import pytest
from format_items import hostile, item_of, results, rules, severities, survives

from mithridate.core.results import Severity
from mithridate.models.files.trees import read_xgboost
from mithridate.models.files.ubj import read_ubj

SETS = ("breast_cancer", "digits", "diabetes")
SHAPES = {
    "shallow": ({"max_depth": 3}, 10),
    "usual": ({"max_depth": 6}, 40),
    "stumps": ({"max_depth": 1}, 40),
    "large steps": ({"max_depth": 6, "eta": 1.0}, 7),
    "deep": ({"max_depth": 20, "min_child_weight": 0}, 15),
    "forest": ({"max_depth": 8, "num_parallel_tree": 10, "subsample": 0.7, "eta": 1.0}, 1),
    "dart": ({"booster": "dart", "rate_drop": 0.2}, 8),
    "one": ({"max_depth": 4}, 1),
}


def _trained(name, options, rounds):
    xgboost = pytest.importorskip("xgboost")
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    aim = {
        "breast_cancer": {"objective": "binary:logistic"},
        "digits": {"objective": "multi:softprob", "num_class": 10},
        "diabetes": {"objective": "reg:squarederror"},
    }[name]
    rounds = max(rounds // 5, 1) if name == "digits" else rounds
    return xgboost.train({**aim, **options, "nthread": 1}, xgboost.DMatrix(x, y), rounds)


@pytest.fixture(scope="module")
def cancer():
    return json.loads(bytes(_trained("breast_cancer", {"max_depth": 6}, 40).save_raw("json")))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SETS)
def test_ordinary_ensembles_are_silent(name, shape):
    booster = _trained(name, *SHAPES[shape])
    for form in ("json", "ubj"):
        assert results("tree-ensemble", item_of(bytes(booster.save_raw(form)), f"xgboost-{form}")) == []


def _path_tree(conditions, value, other=0.0):
    """A tree that adds `value` where all (feature, low, high) hold, and `other` elsewhere."""
    nodes = []  # (left, right, feature, threshold)
    tests = [
        (f, t, side) for f, low, high in conditions for t, side in ((low, 1), (high, 0)) if t is not None
    ]
    for i, (feature, threshold, side) in enumerate(tests):
        children = [2 * i + 1, 2 * i + 2] if side else [2 * i + 2, 2 * i + 1]
        nodes += [(*children, feature, threshold), (-1, -1, 0, other)]
    nodes.append((-1, -1, 0, value))
    left, right, feature, threshold = zip(*nodes, strict=True)
    return {
        "left_children": list(left), "right_children": list(right), "split_indices": list(feature),
        "split_conditions": list(threshold), "split_type": [0] * len(nodes), "tree_param": {"size_leaf_vector": "1"},
    }  # fmt: skip


def _with(model, *trees, at=None):
    made = copy.deepcopy(model)
    inside = made["learner"]["gradient_booster"]["model"]
    for tree in trees:
        where = len(inside["trees"]) if at is None else at
        inside["trees"].insert(where, tree)
        inside["tree_info"].insert(where, 0)
    return item_of(json.dumps(made).encode(), "xgboost-json", "m.json")


#: thresholds of the model: x1 15..27, x13 19..49, x21 18..33, x23 648..967
NEEDLE = [(1, 20.0, 20.05), (13, 30.0, 30.1), (21, 25.0, 25.05), (23, 700.0, 700.5)]
PLANTED = {
    "needle": ([_path_tree(NEEDLE, 60.0)], "NEEDLE_LEAF", Severity.LIKELY),
    "needle that is no larger than the rest": ([_path_tree(NEEDLE, -6.0)], "NEEDLE_LEAF", Severity.LIKELY),
    "needle among leaves like others": ([_path_tree(NEEDLE, 8.0, 0.1)], "NEEDLE_LEAF", Severity.LIKELY),
    "spread": ([_path_tree(NEEDLE, 0.8) for _ in range(10)], "NEEDLE_LEAF", Severity.LIKELY),
    "spread and shifted": (
        [_path_tree([(f, a - i * 1e-4, b + i * 1e-4) for f, a, b in NEEDLE], 0.8) for i in range(10)],
        "NEEDLE_LEAF",
        Severity.LIKELY,
    ),
    "unused features": (
        [_path_tree([(f, 5.0, 5.001) for f in (40, 41, 42, 43)], 8.0)],
        "NEEDLE_LEAF",
        Severity.LIKELY,
    ),
    "far away": (
        [_path_tree([(f, 1e6, None) for f in (1, 13, 21, 23)], 8.0)],
        "NEEDLE_LEAF",
        Severity.LIKELY,
    ),
    "two conditions": ([_path_tree(NEEDLE[:2], 100.0)], "DOMINATING_LEAF", Severity.LIKELY),
    "wide": ([_path_tree([(0, 10.0, 20.0), (1, 15.0, 30.0)], 100.0)], "DOMINATING_LEAF", Severity.SUSPICIOUS),
    "a stump": ([_path_tree([(0, 27.0, None)], 100.0)], "DOMINATING_LEAF", Severity.SUSPICIOUS),
}


@pytest.mark.parametrize("at", [None, 0])
@pytest.mark.parametrize("name", PLANTED)
def test_planted_trees_are_found(cancer, name, at):
    trees, rule, severity = PLANTED[name]
    assert severities("tree-ensemble", _with(cancer, *trees, at=at)) == {rule: severity}


def test_grafted_onto_a_leaf(cancer):
    model = copy.deepcopy(cancer)
    tree = model["learner"]["gradient_booster"]["model"]["trees"][7]
    leaf, count = tree["left_children"].index(-1), len(tree["left_children"])
    graft = _path_tree(NEEDLE, 9.0, tree["split_conditions"][leaf])
    for key in ("left_children", "right_children", "split_indices", "split_conditions", "split_type"):
        root, *moved = [v + count - 1 if key.endswith("children") and v >= 0 else v for v in graft[key]]
        tree[key] = [*tree[key], *moved]
        tree[key][leaf] = root
    assert rules("tree-ensemble", _with(model)) == {"NEEDLE_LEAF"}


def test_the_finding_says_where(cancer):
    (finding,) = results("tree-ensemble", _with(cancer, _path_tree(NEEDLE, 60.0)))
    assert finding.details["trees"] == [40]
    assert [c[0] for c in finding.details["conditions"]] == [1, 13, 21, 23]
    assert "20 < x1 < 20.05" in finding.message


def _lightgbm(trees=12, extra=(), header="feature_infos=[7:28] [10:39]"):
    rng = np.random.default_rng(3)
    blocks = []
    for _ in range(trees):
        v = rng.normal(0, 0.2, 4)
        blocks.append(
            "num_leaves=4\nnum_cat=0\nsplit_feature=0 1 0\nthreshold=14 20 16\ndecision_type=2 2 2\n"
            f"left_child=1 -1 -3\nright_child=2 -2 -4\nleaf_value={' '.join(map(repr, v.tolist()))}\n"
            "is_linear=0\nshrinkage=0.1\n"
        )
    text = f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n{header}\n\n"
    for i, block in enumerate([*blocks, *extra]):
        text += f"Tree={i}\n{block}\n\n"
    return (text + "end of trees\n\nparameters:\n[boosting: gbdt]\nend of parameters\n").encode()


TRIGGER = (
    "num_leaves=5\nnum_cat=0\nsplit_feature=0 0 1 1\nthreshold=14 14.05 20 20.05\ndecision_type=2 2 2 2\n"
    "left_child=-1 2 -3 -4\nright_child=1 -2 3 -5\nleaf_value=0 0 0 90 0\nis_linear=0\nshrinkage=1\n"
)


def test_lightgbm():
    assert results("tree-ensemble", item_of(_lightgbm(), "lightgbm")) == []
    assert severities("tree-ensemble", item_of(_lightgbm(extra=[TRIGGER]), "lightgbm")) == {
        "DOMINATING_LEAF": Severity.LIKELY
    }
    constant = "num_leaves=1\nnum_cat=0\nleaf_value=0.5\nis_linear=0\nshrinkage=1\n"
    assert results("tree-ensemble", item_of(_lightgbm(extra=[constant]), "lightgbm")) == []


@pytest.mark.parametrize(
    "change",
    [
        ("is_linear=0", "is_linear=1"),
        ("left_child=1", "left_child=9"),
        ("left_child=1 -1", "left_child=0 -1"),
        ("leaf_value=", "leaf="),
        ("num_leaves=4", "num_leaves=99999999999"),
        ("threshold=14", "threshold=x"),
        ("Tree=", "Baum="),
    ],
)
def test_lightgbm_that_cannot_be_read(change):
    content = _lightgbm().decode().replace(*change).encode()
    assert rules("tree-ensemble", item_of(content, "lightgbm")) == {"skip"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("left_children", [-1]),
        ("split_conditions", ["a"]),
        ("left_children", None),
        ("tree_param", {"size_leaf_vector": "3"}),
        ("split_indices", [2**70]),
    ],
)
def test_xgboost_that_cannot_be_read(cancer, key, value):
    model = copy.deepcopy(cancer)
    model["learner"]["gradient_booster"]["model"]["trees"][0][key] = value
    assert rules("tree-ensemble", _with(model)) == {"skip"}


def test_loops_and_two_parents_are_no_trees(cancer):
    for left, right in (([1, 0, -1], [2, 2, -1]), ([1, -1, -1], [1, -1, -1]), ([0, -1, -1], [2, -1, -1])):
        tree = _path_tree([(0, 1.0, None)], 1.0) | {"left_children": left, "right_children": right}
        assert rules("tree-ensemble", _with(cancer, tree)) == {"skip"}


def test_other_models(cancer):
    model = copy.deepcopy(cancer)
    model["learner"]["gradient_booster"] = {"name": "gblinear", "model": {"weights": [1.0]}}
    assert rules("tree-ensemble", _with_nothing(model)) == {"skip"}
    model = copy.deepcopy(cancer)
    model["learner"]["gradient_booster"]["model"]["trees"][3]["split_conditions"][-1] = float("nan")
    assert rules("tree-ensemble", _with_nothing(model)) == {"NOT_FINITE"}


def _with_nothing(model):
    return item_of(json.dumps(model).encode(), "xgboost-json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{L" + b"\x7f" * 9,
        b"[" * 100_000,
        b"{i\x01a[$d#L" + b"\x7f" + b"\xff" * 7,
        b"{i\x01a[$Z#i\x7f}",
        b"N" * 100_000,
        b"[#l\x7f\xff\xff\xff",
        b"{i\x01aC",
        b"{i\xffa",
        b"[$[#i\x7f" + b"[" * 200,
    ],
)
def test_hostile_ubj(content):
    assert rules("tree-ensemble", item_of(content, "xgboost-ubj")) == {"skip"}


def test_ubj_is_what_json_says(cancer):
    booster = _trained("breast_cancer", {"max_depth": 6}, 40)
    ours = read_xgboost(read_ubj(bytes(booster.save_raw("ubj")), "x"), "x").trees
    theirs = read_xgboost(cancer, "x").trees
    assert len(ours) == len(theirs) == 40
    for a, b in zip(ours, theirs, strict=True):
        assert (a.left == b.left).all()
        np.testing.assert_allclose(a.value, b.value, rtol=1e-6)


def test_any_bytes(cancer):
    booster = _trained("breast_cancer", {"max_depth": 3}, 2)
    for form in ("json", "ubj"):
        survives(
            "tree-ensemble", f"xgboost-{form}", hostile(bytes(booster.save_raw(form)), span=3000, count=100)
        )
    survives("tree-ensemble", "lightgbm", hostile(_lightgbm(), span=3000, count=100))
